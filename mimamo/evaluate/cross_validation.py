"""Cross-validation: every fold trained, every video predicted by a network that has not seen it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mimamo.data.cache import Cache
from mimamo.data.cached_video import CachedVideo
from mimamo.data.folds import expect_folds
from mimamo.errors import InputError
from mimamo.evaluate.ensemble import Ensemble
from mimamo.evaluate.rules import Rules
from mimamo.evaluate.scores import COLUMNS, Interval, Score, cells, face_pairs, mean_of, score
from mimamo.evaluate.summary import (
    SUMMARY,
    TABLE,
    Summary,
    against_report,
    interval_by_subject,
    row,
    summary_files,
    summary_of,
    write_summary,
)
from mimamo.files import (
    MOST_TENSORS,
    file_hash,
    output_folder,
    read_json,
    write_csv,
    write_text,
)
from mimamo.locks import locked
from mimamo.model.description import METADATA_KEY
from mimamo.model.run_files import BEST, CONFIG
from mimamo.predict.clips import Cut
from mimamo.predict.smoothing import NOTE, reach_of
from mimamo.progress import Progress, Report, counted, folds_are, silent
from mimamo.settings import shown
from mimamo.tensor_file import load_note, load_tensors, save_tensors
from mimamo.train.processes import is_first, joined_processes
from mimamo.train.recipe import TrainingConfig
from mimamo.train.training import train
from mimamo.train.videos import Chosen, choose_videos

PREDICTIONS, SUMS = "held_out.safetensors", "SHA256SUMS"
_FOLDS, _NAME = "folds.csv", "crossval"
PREDICTIONS_KEY = "mimamo_held_out"
_PATIENCE = 60.0  # seconds to wait for another process that joins; it takes one or two


@dataclass(frozen=True)
class CrossvalResult:
    """What a cross-validation came to.

    Attributes:
        out: its folder.
        missing: folds that are not trained yet.
        folds: the score of each fold's held-out videos, once all are there.
        summary: of all videos, out of fold, once all are there.
    """

    out: Path
    missing: tuple[int, ...]
    folds: tuple[Score, ...] = ()
    summary: Summary | None = None

    @property
    def waiting(self) -> str:
        """Which folds are missing, in words."""
        return f"{folds_are(self.missing)} still to be trained"


def crossval(
    cache: str | os.PathLike[str] | Cache,
    out: str | os.PathLike[str],
    *,
    folds: int = 5,
    only: Sequence[int] | None = None,
    config: TrainingConfig | None = None,
    format: str = "files",
    leading: str | None = None,
    gaps: str | None = None,
    smooth: int | str = 0,
    stride: int | None = None,
    whole: bool = False,
    rescaled: bool = False,
    device: torch.device | str = "cpu",
    resident: bool = False,
    report: Report = silent,
    progress: Progress = silent,
) -> CrossvalResult:
    """Train folds and predict what each held out; join them once all are there.

    Training and validation set are merged and split by subject (:mod:`mimamo.data.folds`). Fold i
    is a run in ``fold-<i>``, gone on with where it was stopped; what its best network predicted is
    kept in ``held_out.safetensors`` as long as network, cache and clips are the same. Folds may be
    trained by several calls, on several machines, no two of which may have the same; the call that
    finds them all joins them (`join`).

    Args:
        cache: made by :func:`mimamo.extract.extract`.
        out: the folder, made if need be.
        folds: how many.
        only: which of them to train now, from 1; None for all.
        config: the recipe, the same for all folds; its `fold` is not looked at.
        format, leading, gaps, smooth, stride, whole, rescaled: as for `mimamo.evaluate.submit`,
            which would write what is scored; they change nothing of the training.
        device, resident: as for `train`.
        report: called with each line of the account.
        progress: called with the name of a stage, the work done in it, and all of it.

    Raises:
        InputError: as `train`; a fold has no data; one in `out` has other settings; `out` holds
            the results of something else; or another process trains one of these folds.
    """
    cache = cache if isinstance(cache, Cache) else Cache(cache)
    expect_folds(folds)
    way = _Way(
        Rules.of(format, leading=leading, gaps=gaps, rescaled=rescaled), smooth, Cut(stride, whole)
    )
    config = config or TrainingConfig()
    way.cut.of(config.clip_length)  # what cannot be is said before hours of training
    root = output_folder(out)
    _check_folder(root, folds)
    for fold in only or ():
        if not 1 <= fold <= folds:
            raise InputError(f"fold: expected 1 to {folds}, got {fold}")
    known: dict[int, Chosen] = {}
    parts = [f"fold-{fold}" for fold in sorted(set(only or ()))]
    keep = locked(root, parts) if is_first() else nullcontext()
    with keep, joined_processes(device) as processes:
        for fold in only or range(1, folds + 1):
            folder = root / f"fold-{fold}"
            own = replace(config, fold=f"{fold}/{folds}")
            report(f"fold {fold} of {folds}")
            result = train(
                cache,
                folder,
                config=own,
                device=device,
                resident=resident,
                resume=True,
                report=report,
                progress=lambda stage, *done, fold=fold: progress(f"fold {fold}: {stage}", *done),
            )
            known[fold] = chosen = result.videos
            if processes.is_first:
                best, path = result.best_checkpoint, folder / PREDICTIONS
                origin = {"fold": own.fold, "identity": chosen.identity, "cut": asdict(way.cut)}
                origin["checkpoint"] = sum_of(best)
                if load_note(path, PREDICTIONS_KEY) != origin:
                    ensemble = Ensemble([best], cache, processes.device, cut=way.cut)
                    values = ensemble.predict(chosen.validation)
                    tensors = {name: torch.from_numpy(own) for name, own in values.items()}
                    save_tensors(path, tensors, PREDICTIONS_KEY, origin)
            processes.wait()
    if not processes.is_first:
        return CrossvalResult(root, ())
    joined = _joined(cache, root, folds, way, report, known, _PATIENCE)
    if joined.missing:
        report(f"{root}: {joined.waiting}; joined later")
    return joined


def join(
    cache: str | os.PathLike[str] | Cache,
    out: str | os.PathLike[str],
    folds: int = 5,
    report: Report = silent,
    *,
    format: str = "files",
    leading: str | None = None,
    gaps: str | None = None,
    smooth: int | str = 0,
    stride: int | None = None,
    whole: bool = False,
    rescaled: bool = False,
) -> CrossvalResult:
    """Join the folds in `out`: ``folds.csv``, ``videos.csv``, ``summary.json``, ``crossval.png``.

    Their sums and those of the predictions, as ``sha256sum --check`` reads them, are written last.
    Nothing is written if folds are missing, which the result then names.

    Arguments are as for `crossval`. Raises InputError if the folds do not fit together, are of
    other videos or annotations than the cache's, or were predicted in other clips, if `out` holds
    the results of something else, or if another process trains all folds or joins them.
    """
    cache = cache if isinstance(cache, Cache) else Cache(cache)
    way = _Way(
        Rules.of(format, leading=leading, gaps=gaps, rescaled=rescaled), smooth, Cut(stride, whole)
    )
    expect_folds(folds)
    _check_folder(Path(out), folds)
    return _joined(cache, Path(out), folds, way, report)


@dataclass(frozen=True)
class _Way:
    """How videos are predicted, and what is made of it before it is scored."""

    rules: Rules
    smooth: int | str
    cut: Cut

    def __post_init__(self) -> None:
        reach_of(self.smooth, [("", {NOTE: 0})])  # what it cannot be


def _joined(
    cache: Cache,
    root: Path,
    folds: int,
    way: _Way,
    report: Report,
    known: Mapping[int, Chosen] | None = None,
    patience: float = 0,
) -> CrossvalResult:
    """Join the folds if all are there. Of those in `known` the videos need not be chosen again.

    Raises InputError if another process does not end in `patience` seconds.
    """
    paths = [root / f"fold-{fold}" / PREDICTIONS for fold in range(1, folds + 1)]
    missing = tuple(fold for fold, path in enumerate(paths, start=1) if not path.exists())
    if missing:
        return CrossvalResult(root, missing)
    with locked(root, ["join"], patience):
        return _join(cache, root, paths, way, report, known or {})


def _join(
    cache: Cache,
    root: Path,
    paths: Sequence[Path],
    way: _Way,
    report: Report,
    known: Mapping[int, Chosen],
) -> CrossvalResult:
    """Join the predictions of all folds, which are there."""
    folds = len(paths)
    _check_settings(root, folds)
    predicted: dict[str, np.ndarray] = {}
    parts: list[list[CachedVideo]] = []
    for fold, path in enumerate(paths, start=1):
        chosen = known.get(fold) or choose_videos(cache, f"{fold}/{folds}")
        own = _load_predictions(path, f"{fold}/{folds}", chosen, way.cut)
        for video in chosen.validation:
            if own.get(video.name, np.empty(0)).shape != (len(video), 2):
                raise InputError(
                    f"{path}: expected predictions of {counted(len(video), 'face')} of "
                    f"{video.name}, as {cache.root} holds them; train this fold again"
                )
        predicted |= own
        parts.append(chosen.validation)
    videos = [video for part in parts for video in part]
    notes = [_noted(path.with_name(BEST)) for path in paths]
    rules, label_std = way.rules.settled(way.smooth, notes, report, seen=True)
    values = rules.values(videos, predicted, label_std)
    scores: dict[str, tuple[Score, Interval]] = {}
    for fold, part in enumerate(parts, start=1):
        pairs = {video.name: face_pairs(video, values[video.name]) for video in part}
        scores[f"fold {fold}"] = score(list(pairs.values())), interval_by_subject(part, pairs)
    summary = summary_of(videos, values, rules)
    for title, (pooled, _) in scores.items():
        report(
            f"{title}: {pooled.count} {summary.unit}s, CCC valence "
            f"{pooled.valence:.3f}, arousal {pooled.arousal:.3f}"
        )
    mean = mean_of([pooled for pooled, _ in scores.values()])
    report("out of fold, all together:")
    for line in (*summary.lines(), row("mean of the folds", mean)):
        report(line)
    if cache.manifest.layout == "Aff-Wild2":  # which the report is of
        report(against_report({"pooled": summary.faces, "mean of the folds": mean}))
    settings = {"cache": str(cache.root), "folds": folds, **asdict(way.cut), **asdict(rules)}
    written = write_summary(root, summary, _NAME, settings, scores)
    table = root / _FOLDS
    write_csv(table, _rows_of(scores, summary))
    files = joined_files(root, folds)
    write_text(
        root / SUMS,
        "".join(f"{sum_of(path)}  {path.relative_to(root).as_posix()}\n" for path in files),
    )
    report(", ".join(map(str, [table, *written])))
    return CrossvalResult(root, (), tuple(pooled for pooled, _ in scores.values()), summary)


def joined_files(root: Path, folds: int) -> list[Path]:
    """What the sums in `root` are of: the summary, the other scores, each fold's predictions."""
    predictions = [root / f"fold-{fold}" / PREDICTIONS for fold in range(1, folds + 1)]
    return [*summary_files(root, _NAME), root / _FOLDS, *predictions]


def sum_of(path: Path) -> str:
    """SHA-256 (hexadecimal) of a file."""
    return file_hash(path, MOST_TENSORS)


def _noted(best: Path) -> tuple[Path, dict[str, Any]]:
    """A fold's network, and what it notes; nothing where only predictions were copied."""
    info = load_note(best, METADATA_KEY).get("info")
    return best, info if isinstance(info, dict) else {}


def _rows_of(scores: Mapping[str, tuple[Score, Interval]], summary: Summary) -> list[list[object]]:
    """The rows of ``folds.csv``."""
    rows: list[list[object]] = [["fold", f"{summary.unit}s", *COLUMNS]]
    for title, (pooled, interval) in {**scores, "all": (summary.faces, summary.interval)}.items():
        rows.append([title.removeprefix("fold "), *cells(pooled, interval)])
    return rows


def _check_folder(root: Path, folds: int) -> None:
    """InputError if `root` holds results of something else, or of another number of folds."""
    if any((root / name).exists() for name in (SUMMARY, TABLE)) and not _is_joined(root / SUMMARY):
        raise InputError(
            f"{root}: expected a cross-validation's results or none, got {SUMMARY} or {TABLE} of "
            "something else; give another --out"
        )
    for path in root.glob(f"fold-*/{CONFIG}"):
        fold = TrainingConfig.load(path).fold
        if fold.rpartition("/")[2] != str(folds):
            raise InputError(f"{path}: expected a fold of {folds}, got fold {fold!r}")


def _is_joined(summary: Path) -> bool:
    """Whether a summary is one that `join` has written."""
    try:
        return "folds" in read_json(summary)["settings"]
    except (InputError, KeyError, TypeError):
        return False


def _check_settings(root: Path, folds: int) -> None:
    first, *others = (root / f"fold-{fold}" / CONFIG for fold in range(1, folds + 1))
    expected = replace(TrainingConfig.load(first), fold="")
    for path in others:
        if replace(TrainingConfig.load(path), fold="") != expected:
            raise InputError(f"{path}: expected the settings of {first}, got others")


def read_predictions(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What a fold held out, predicted, and of which fold, data and checkpoint that is.

    Raises InputError, naming the file, if it is damaged.
    """
    known = ("fold", "identity", "checkpoint", "cut")
    message = "cut short or damaged ({}); train this fold again"
    return load_tensors(path, PREDICTIONS_KEY, known, message)


def _load_predictions(path: Path, fold: str, chosen: Chosen, cut: Cut) -> dict[str, np.ndarray]:
    tensors, content = read_predictions(path)
    if content.get("fold") != fold:
        raise InputError(f"{path}: expected fold {fold}, got {shown(content.get('fold'))}")
    chosen.check(path, content.get("identity", {}))
    best = path.parent / BEST  # not there where only predictions were copied
    if best.exists() and content.get("checkpoint") != sum_of(best):
        raise InputError(
            f"{path}: expected predictions of {BEST} beside it, got another network's; train this "
            "fold again"
        )
    if (found := content.get("cut")) != asdict(cut):
        raise InputError(
            f"{path}: expected predictions with {shown(asdict(cut))}, got some with "
            f"{shown(found)}; say the same, or predict it again by `crossval` without --join"
        )
    return {name: values.numpy() for name, values in tensors.items()}
