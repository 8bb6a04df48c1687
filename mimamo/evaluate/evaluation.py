"""How well trained networks predict the annotated videos of a cache."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch

from mimamo.data.cache import Cache
from mimamo.data.cached_video import CachedVideo, annotated
from mimamo.data.dataset import TEST, TRAIN, VALIDATION
from mimamo.errors import InputError
from mimamo.evaluate.ensemble import Ensemble, EnsembleMember
from mimamo.evaluate.page import write_truth_page
from mimamo.evaluate.rules import Rules
from mimamo.evaluate.summary import Summary, summary_files, summary_of, write_summary
from mimamo.files import expect_free, output_folder
from mimamo.predict.clips import Cut
from mimamo.predict.given_weights import Foreign
from mimamo.progress import Progress, Report, counted, silent
from mimamo.train.videos import choose_videos

SUBSETS = ("held-out", TRAIN, VALIDATION, TEST, "all")
_NAME = "evaluation"  # of the plot


@dataclass(frozen=True)
class EvaluationResult:
    """What an evaluation came to: the summary, and what it was of."""

    summary: Summary
    title: str
    networks: int


def evaluate_runs(
    paths: Sequence[str | os.PathLike[str]],
    cache: str | os.PathLike[str] | Cache,
    *,
    subset: str = "held-out",
    streams: str = "both",
    format: str = "files",
    leading: str | None = None,
    gaps: str | None = None,
    smooth: int | str = 0,
    stride: int | None = None,
    whole: bool = False,
    rescaled: bool = False,
    foreign: Foreign | None = None,
    out: str | os.PathLike[str] | None = None,
    page: bool = False,
    overwrite: bool = False,
    device: torch.device | str = "cpu",
    report: Report = silent,
    progress: Progress = silent,
) -> EvaluationResult:
    """Compute the CCC of one network, or of an ensemble's mean, over annotated frames.

    Args:
        paths: checkpoints, runs or cross-validations; weights by others too.
        cache: whose videos are predicted.
        subset: "held-out" takes what was not trained on: the validation set, or the fold of a run
            that was given one; with several folds each predicts its own. Or a subset's name, or
            "all".
        streams: "spatial" or "temporal" blinds the other stream (see `Ensemble`).
        format, leading, gaps, smooth, stride, whole, rescaled: as for `submit`, which would write
            what is scored.
        foreign: what weights by others do not tell.
        out: folder for ``summary.json``, ``videos.csv`` and ``evaluation.png``; None for none.
        page: write ``evaluation.html`` there as well: every video's predictions and truth.
        overwrite: replace these files where they are there.
        device: where the networks run.
        report: called with each line of the account.
        progress: called with the name of a stage, the work done in it, and all of it.

    Raises:
        InputError: something cannot be read or does not fit, there is nothing to evaluate on, or
            a file is in the way. Nothing is written then.
    """
    if subset not in SUBSETS:
        raise InputError(f"subset: expected {', '.join(SUBSETS)}, got {subset!r}")
    rules = Rules.of(format, leading=leading, gaps=gaps, rescaled=rescaled)
    cut = Cut(stride, whole)
    cache = cache if isinstance(cache, Cache) else Cache(cache)
    folder = None if out is None else output_folder(out)
    files = [] if folder is None else summary_files(folder, _NAME)
    if page:
        if folder is None:
            raise InputError("page: expected a folder to write it to")
        files.append(folder / f"{_NAME}.html")
    for path in files:
        expect_free(path, overwrite)
    ensemble = Ensemble(paths, cache, device, streams, report, cut, foreign)
    rules, label_std = rules.settled(smooth, ensemble.notes, report, seen=subset != TEST)
    groups = _groups(ensemble, cache, subset)
    videos = [video for chosen, _ in groups for video in chosen]
    if not videos:
        raise InputError(f"{subset}: expected annotated videos in {cache.root}, found none")
    if subset == "held-out":
        _check_held_out(groups, cache)
        for member in ensemble.members:
            if "trained_on" not in member.info:
                report(f"warning: {member.path}: does not tell which videos it was trained on")
    elif known := ensemble.trained_on & {v.name for v in videos}:
        report(f"warning: trained on {len(known)} of {counted(len(videos), 'video')} here")
    subsets = {video.subset for video in videos}
    if without := [name for name in cache.faceless if cache.manifest.videos[name] in subsets]:
        report(
            f"warning: in {counted(len(without), 'video')} no face was found, such as "
            f"{min(without)}; what `submit` would write of it is not scored"
        )
    values: dict[str, np.ndarray] = {}
    for chosen, members in groups:
        values |= ensemble.predict(chosen, members, progress)
    values = rules.values(videos, values, label_std)
    result = EvaluationResult(summary_of(videos, values, rules), subset, len(ensemble.members))
    for line in result.summary.lines():
        report(line)
    if folder is not None:
        settings = {
            "checkpoints": [str(member.path) for member in ensemble.members],
            "cache": str(cache.root), "subset": subset, "streams": streams,
            **asdict(cut), **asdict(rules),
        }  # fmt: skip
        for path in write_summary(folder, result.summary, _NAME, settings):
            report(f"{path}")
        if page:
            write_truth_page(files[-1], videos, values)
            report(f"{files[-1]}")
    return result


def _groups(
    ensemble: Ensemble, cache: Cache, subset: str
) -> list[tuple[list[CachedVideo], list[EnsembleMember]]]:
    """Which videos are predicted by which networks."""
    everything = annotated(cache.videos)
    if subset == "all":
        return [(everything, ensemble.members)]
    if subset != "held-out":
        return [([v for v in everything if v.subset == subset], ensemble.members)]
    folds = {member.fold for member in ensemble.members}
    if folds == {""}:
        return [([v for v in everything if v.subset == VALIDATION], ensemble.members)]
    if "" in folds:
        raise InputError(
            "held-out: some of the networks were trained on folds and some on Train_Set; give "
            "--subset"
        )
    return [
        (
            choose_videos(cache, fold).validation,
            [member for member in ensemble.members if member.fold == fold],
        )
        for fold in sorted(folds)
    ]


def _check_held_out(
    groups: Sequence[tuple[list[CachedVideo], list[EnsembleMember]]], cache: Cache
) -> None:
    """InputError if a network was trained on what it is to be evaluated on.

    So it is if the cache has other videos than the one it was trained with: folds are split again.
    """
    for videos, members in groups:
        for member in members:
            trained_on = set(member.info.get("trained_on", []))
            if known := [video.name for video in videos if video.name in trained_on]:
                raise InputError(
                    f"{member.path}: was trained on {len(known)} of "
                    f"{counted(len(videos), 'video')} that {cache.root} holds out for it, "
                    f"such as {known[0]}; evaluate it with the videos it was trained with, or "
                    "give --subset"
                )
