"""Cross-validation: every fold trained, every video predicted by a network that has not seen it."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from mimamo.data.cache import Cache
from mimamo.errors import InputError
from mimamo.evaluate.ensemble import Ensemble
from mimamo.evaluate.score_plot import save_scores
from mimamo.evaluate.scores import ENDS, Interval, Score, face_pairs, score
from mimamo.evaluate.summary import (
    SUMMARY,
    TABLE,
    Summary,
    interval_by_subject,
    summary_of,
    write_summary,
)
from mimamo.files import output_folder, replacing
from mimamo.plurals import which_are
from mimamo.train.processes import joined_processes
from mimamo.train.recipe import TrainingConfig
from mimamo.train.run_folder import BEST, CONFIG
from mimamo.train.training import train
from mimamo.train.videos import Chosen, choose_videos

PREDICTIONS = "held_out.safetensors"
_KEY = "mimamo_held_out"


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
        return f"{which_are(self.missing, 'fold')} still to be trained"


def crossval(
    cache: str | os.PathLike[str] | Cache,
    out: str | os.PathLike[str],
    *,
    folds: int = 5,
    only: Sequence[int] | None = None,
    config: TrainingConfig | None = None,
    device: torch.device | str = "cpu",
    resident: bool = False,
    report: Callable[[str], None] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> CrossvalResult:
    """Train folds and predict what each held out; join them once all are there.

    Training and validation set are merged and split by subject (:mod:`mimamo.data.folds`). Fold i
    is a run in ``fold-<i>``, gone on with where it was stopped; what its best network predicted is
    kept in ``held_out.safetensors`` as long as network and cache are the same. Folds may be trained
    by several calls, on several machines; the call that finds them all joins them (`join`).

    Args:
        cache: made by :func:`mimamo.extract.extract`.
        out: the folder, made if need be.
        folds: how many.
        only: which of them to train now, from 1; None for all.
        config: the recipe, the same for all folds; its `fold` is not looked at.
        device, resident: as for `train`.
        report: called with each line of the account.
        progress: called with the name of a stage, the work done in it, and all of it.

    Raises:
        InputError: as `train`; a fold has no data; one in `out` has other settings; or `out` holds
            the results of something else.
    """
    report = report or (lambda line: None)
    cache = cache if isinstance(cache, Cache) else Cache(cache)
    root = output_folder(out)
    _check_folder(root, folds)
    for fold in only or ():
        if not 1 <= fold <= folds:
            raise InputError(f"fold: expected 1 to {folds}, got {fold}")
    known: dict[int, Chosen] = {}
    with joined_processes(device) as processes:
        for fold in only or range(1, folds + 1):
            folder = root / f"fold-{fold}"
            own = replace(config or TrainingConfig(), fold=f"{fold}/{folds}")
            report(f"fold {fold} of {folds}")
            shown = None if progress is None else _named(progress, f"fold {fold}: ")
            result = train(
                cache, folder, config=own, device=device, resident=resident, resume=True,
                report=report, progress=shown,
            )  # fmt: skip
            known[fold] = chosen = result.videos
            if processes.is_first:
                best, path = result.best_checkpoint, folder / PREDICTIONS
                origin = {"fold": own.fold, "identity": chosen.identity}
                origin["checkpoint"] = _file_hash(best)
                if not path.exists() or _note_in(path) != origin:
                    values = Ensemble([best], cache, processes.device).predict(chosen.validation)
                    _save_predictions(path, values, origin)
            processes.wait()
    if not processes.is_first:
        return CrossvalResult(root, ())
    joined = _join(cache, root, folds, report, known)
    if joined.missing:
        report(f"{root}: {joined.waiting}; joined later")
    return joined


def join(
    cache: str | os.PathLike[str] | Cache,
    out: str | os.PathLike[str],
    folds: int = 5,
    report: Callable[[str], None] | None = None,
) -> CrossvalResult:
    """Join the folds in `out`: ``folds.csv``, ``videos.csv``, ``summary.json``, ``crossval.png``.

    Nothing is written if folds are missing, which the result then names. Raises InputError if they
    do not fit together, or are of other videos or annotations than the cache's, or if `out` holds
    the results of something else.
    """
    cache = cache if isinstance(cache, Cache) else Cache(cache)
    return _join(cache, Path(out), folds, report or (lambda line: None), {})


def _join(
    cache: Cache,
    root: Path,
    folds: int,
    report: Callable[[str], None],
    known: Mapping[int, Chosen],
) -> CrossvalResult:
    """`join`; of the folds in `known` the videos need not be chosen again."""
    _check_folder(root, folds)
    paths = [root / f"fold-{fold}" / PREDICTIONS for fold in range(1, folds + 1)]
    missing = tuple(fold for fold, path in enumerate(paths, start=1) if not path.exists())
    if missing:
        return CrossvalResult(root, missing)
    _check_settings(root, folds)
    values: dict[str, np.ndarray] = {}
    videos, scores, intervals = [], [], []
    for fold, path in enumerate(paths, start=1):
        chosen = known.get(fold) or choose_videos(cache, f"{fold}/{folds}")
        own, predicted = chosen.validation, _load_predictions(path, f"{fold}/{folds}", chosen)
        for video in own:
            if predicted.get(video.name, np.empty(0)).shape != (len(video), 2):
                raise InputError(
                    f"{path}: expected predictions of {len(video)} faces of {video.name}, as "
                    f"{cache.root} holds them; train this fold again"
                )
        values |= predicted
        videos += own
        pairs = {video.name: face_pairs(video, predicted[video.name]) for video in own}
        scores.append(score(list(pairs.values())))
        intervals.append(interval_by_subject(own, pairs))
    summary = summary_of(videos, values)
    for fold, fold_score in enumerate(scores, start=1):
        report(
            f"fold {fold}: {fold_score.count} {summary.unit}s, CCC valence "
            f"{fold_score.valence:.3f}, arousal {fold_score.arousal:.3f}"
        )
    report("out of fold, all together:")
    for line in summary.lines():
        report(line)
    settings = {"cache": str(cache.root), "folds": folds}
    written = write_summary(root, summary, "crossval", settings)
    bars = zip(scores, intervals, strict=True)
    titles = {f"fold {fold}": bar for fold, bar in enumerate(bars, start=1)}
    save_scores(root / "crossval.png", summary.faces, summary.interval, summary.videos, titles)
    _write_folds(root / "folds.csv", scores, intervals, summary)
    report(f"{', '.join(str(path) for path in [root / 'folds.csv', *written])}")
    return CrossvalResult(root, (), tuple(scores), summary)


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
        return "folds" in json.loads(summary.read_text(encoding="utf-8"))["settings"]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _check_settings(root: Path, folds: int) -> None:
    first, *others = (root / f"fold-{fold}" / CONFIG for fold in range(1, folds + 1))
    expected = replace(TrainingConfig.load(first), fold="")
    for path in others:
        if replace(TrainingConfig.load(path), fold="") != expected:
            raise InputError(f"{path}: expected the settings of {first}, got others")


def _file_hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()


def _note_in(path: Path) -> dict[str, Any] | None:
    """What a file of predictions notes of its origin; None if it is not whole."""
    try:
        with safe_open(path, "np") as file:
            return json.loads((file.metadata() or {})[_KEY])
    except (SafetensorError, OSError, KeyError, ValueError):
        return None


def _save_predictions(path: Path, values: dict[str, np.ndarray], origin: dict[str, Any]) -> None:
    with replacing(path) as temporary:
        try:
            save_file(values, temporary, {_KEY: json.dumps(origin)})
        except SafetensorError as error:  # such as a full disk
            raise InputError(f"{path}: cannot be written: {error}") from error


def _load_predictions(path: Path, fold: str, chosen: Chosen) -> dict[str, np.ndarray]:
    try:
        with safe_open(path, "np") as file:
            content = json.loads((file.metadata() or {})[_KEY])
            values = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise InputError(
            f"{path}: cut short or damaged ({error}); train this fold again"
        ) from error
    if content.get("fold") != fold:
        raise InputError(f"{path}: expected fold {fold}, got {content.get('fold')!r}")
    chosen.check(path, content.get("identity", {}))
    best = path.parent / BEST  # not there where only predictions were copied
    if best.exists() and content.get("checkpoint") != _file_hash(best):
        raise InputError(
            f"{path}: expected predictions of {BEST} beside it, got another network's; train this "
            "fold again"
        )
    return values


def _write_folds(
    path: Path, scores: Sequence[Score], intervals: Sequence[Interval], summary: Summary
) -> None:
    names = [*map(str, range(1, len(scores) + 1)), "all"]
    pairs = zip([*scores, summary.faces], [*intervals, summary.interval], strict=True)
    with replacing(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["fold", f"{summary.unit}s", "valence", "arousal", *ENDS])
        for fold, (pooled, interval) in zip(names, pairs, strict=True):
            # Of one subject there is nothing to draw.
            ends = interval.cells() if interval.subjects > 1 else [""] * len(ENDS)
            row = [f"{pooled.valence:.6f}", f"{pooled.arousal:.6f}", *ends]
            writer.writerow([fold, pooled.count, *row])


def _named(
    progress: Callable[[str, int, int], None], prefix: str
) -> Callable[[str, int, int], None]:
    def show(stage: str, done: int, total: int) -> None:
        progress(prefix + stage, done, total)

    return show
