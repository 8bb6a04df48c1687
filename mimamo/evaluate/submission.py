"""Submission files: one line for every frame of every test video, or for every utterance."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mimamo.data.affwild2 import films_in
from mimamo.data.annotations import HEADER
from mimamo.data.cache import Cache, CachedVideo
from mimamo.data.dataset import TEST
from mimamo.data.folds import recording_of
from mimamo.errors import InputError
from mimamo.evaluate.ensemble import Ensemble
from mimamo.evaluate.scores import rescale
from mimamo.evaluate.utterances import (
    TABLE,
    is_table,
    rows_of_names,
    rows_of_table,
    write_utterances,
)
from mimamo.files import expect_free, output_folder, read_text, replacing
from mimamo.plurals import counted
from mimamo.predict.table import NO_FACE, fill_missing
from mimamo.progress import Progress, Report, silent
from mimamo.video import VideoReader


@dataclass(frozen=True)
class SubmitResult:
    """What a submission came to.

    Attributes:
        files: one per video; of utterances, one.
        frames: lines in all of them, headers not counted.
        uncounted: videos whose number of frames nothing told but their last face.
    """

    files: tuple[Path, ...]
    frames: int
    uncounted: tuple[str, ...]


@dataclass(frozen=True)
class _Job:
    """A video's file to write."""

    name: str
    video: CachedVideo | None  # None: no face in it
    frames: int
    counted: bool


def submit(
    paths: Sequence[str | os.PathLike[str]],
    cache: str | os.PathLike[str] | Cache,
    out: str | os.PathLike[str],
    *,
    subset: str = TEST,
    names: str | os.PathLike[str] | None = None,
    films: str | os.PathLike[str] | None = None,
    decode: bool = False,
    streams: str = "both",
    rescaled: bool = False,
    overwrite: bool = False,
    device: torch.device | str = "cpu",
    report: Report = silent,
    progress: Progress = silent,
) -> SubmitResult:
    """Predict the test videos and write ``<video>.txt`` for each: the header, then a line a frame.

    Where the cache's labels are of utterances, write ``utterances.csv`` instead, with a line for
    each of them (:mod:`mimamo.evaluate.utterances`).

    A frame without a face takes the prediction of the frame before it, -5 before the first face
    (technical report's rule). Values are clipped to [-1, 1].

    Args:
        paths: checkpoints, runs or cross-validations; several are averaged.
        cache: whose videos are predicted.
        out: folder for the files, made if need be.
        subset: which videos.
        names: a file with one video's name a line: write exactly these. Of utterances also one of
            the data set's tables.
        films: folder of the videos, whose numbers of frames the files must have.
        decode: count the frames by decoding, not by what the files announce; slow and sure.
        streams, rescaled: as for `evaluate_runs`.
        overwrite: replace files that are there.
        device: where the networks run.
        report: called with each line of the account.
        progress: called with the name of a stage, the work done in it, and all of it.

    Raises:
        InputError: something cannot be read or does not fit, a name is not in the cache, a face
            lies beyond a video's end, or a file is in the way. Nothing is written then.
    """
    cache = cache if isinstance(cache, Cache) else Cache(cache)
    ensemble = Ensemble(paths, cache, device, streams, report)

    def predict(videos: Sequence[CachedVideo]) -> dict[str, np.ndarray]:
        values = ensemble.predict(videos, progress=progress)
        return rescale(values, ensemble.label_std) if rescaled else values

    if cache.manifest.unit == "utterance":
        if films is not None or decode:
            raise InputError(
                f"--videos, --decode: expected neither, because {cache.root} is of utterances, "
                "which get one line each whatever their frames"
            )
        return _submit_utterances(cache, subset, names, Path(out), overwrite, predict, report)
    found = {} if films is None else films_in(Path(films))
    if films is not None and not found:
        raise InputError(f"{films}: expected a folder of videos, found none")
    jobs = [_job(name, cache, films, found, decode) for name in _names(cache, subset, names)]
    folder = output_folder(out)
    files = tuple(folder / f"{job.name}.txt" for job in jobs)
    for path in files:
        expect_free(path, overwrite)
    values = predict([job.video for job in jobs if job.video is not None])
    for job, path in zip(jobs, files, strict=True):
        _write(path, job, values)
    uncounted = tuple(job.name for job in jobs if not job.counted)
    total = sum(job.frames for job in jobs)
    report(f"{folder}: {counted(len(files), 'video')}, {counted(total, 'frame')}")
    if empty := [job.name for job in jobs if job.video is None]:
        report(
            f"warning: in {counted(len(empty), 'video')} no face was found, such as {empty[0]}; "
            f"all is {NO_FACE:g} there"
        )
    if uncounted:
        report(
            f"warning: nothing tells the number of frames of {counted(len(uncounted), 'video')}, "
            f"such as {uncounted[0]}; there the last line is the last face's (give --videos)"
        )
    return SubmitResult(files, total, uncounted)


def _submit_utterances(
    cache: Cache,
    subset: str,
    names: str | os.PathLike[str] | None,
    out: Path,
    overwrite: bool,
    predict: Callable[[Sequence[CachedVideo]], dict[str, np.ndarray]],
    report: Report,
) -> SubmitResult:
    if names is not None and is_table(names):
        rows = rows_of_table(names, cache)
    else:
        rows = rows_of_names(_names(cache, subset, names))
    wanted = {row.name for row in rows}
    videos = [video for video in cache.videos if video.name in wanted]
    if not videos:
        raise InputError(f"{rows[0].name}: {cache.skipped[rows[0].name]}; nor is any other used")
    path = output_folder(out) / TABLE
    expect_free(path, overwrite)
    write_utterances(path, rows, predict(videos))
    report(f"{path}: {counted(len(rows), 'utterance')}")
    if without := [row.name for row in rows if row.name in cache.skipped]:
        report(
            f"warning: {counted(len(without), 'utterance')} could not be predicted and got the "
            f"others' mean, such as {without[0]} ({cache.skipped[without[0]]})"
        )
    return SubmitResult((path,), len(rows), ())


def _names(cache: Cache, subset: str, names: str | os.PathLike[str] | None) -> list[str]:
    if names is None:
        chosen = [name for name, own in cache.manifest.videos.items() if own == subset]
        if not chosen:
            raise InputError(f"{cache.root}: expected videos of {subset}, found none")
        return chosen
    chosen = []
    for number, line in enumerate(read_text(names).splitlines(), start=1):
        name = line.strip().removesuffix(".txt").removesuffix(".mp4")
        if not name:
            continue
        if name not in cache.manifest.videos:
            raise InputError(f"{names}:{number}: expected a video of {cache.root}, got {name!r}")
        if name in chosen:
            raise InputError(f"{names}:{number}: {name} is there twice")
        chosen.append(name)
    if not chosen:
        raise InputError(f"{names}: expected one video's name a line, found none")
    return chosen


def _job(
    name: str,
    cache: Cache,
    folder: str | os.PathLike[str] | None,
    films: Mapping[str, Path],
    decode: bool,
) -> _Job:
    video = next((video for video in cache.videos if video.name == name), None)
    if video is None and name not in cache.faceless:
        raise InputError(
            f"{name}: cannot be predicted: {cache.skipped[name]}; mend it and run `mimamo extract` "
            "again, or leave the video out by --names"
        )
    if folder is not None:
        path = films.get(name) or films.get(recording_of(name))
        if path is None:
            raise InputError(f"{folder}: expected a video of {name}, found none")
        frames, counted = _length_of(path, decode), True
    elif video is not None:
        frames, counted = video.frame_count, video.counted
    else:
        raise InputError(
            f"{name}: {cache.skipped[name]}; how many frames it has is not known either: give "
            "--videos"
        )
    if video is not None and int(video.numbers.max()) > frames:
        raise InputError(
            f"{name}: has a face in frame {int(video.numbers.max())}, but its video only {frames} "
            "frames"
        )
    return _Job(name, video, frames, counted)


def _length_of(film: Path, decode: bool) -> int:
    """How many frames a video announces, or has if that is to be known for sure."""
    with VideoReader(film) as reader:
        if reader.frame_count is not None and not decode:
            return reader.frame_count
        return sum(1 for _ in reader)


def _write(path: Path, job: _Job, predictions: Mapping[str, np.ndarray]) -> None:
    found = np.zeros(job.frames, bool)
    values = np.empty((0, 2), np.float32)
    if job.video is not None:
        found[job.video.numbers.numpy() - 1] = True
        values = predictions[job.name].clip(-1, 1)
    lines = [
        "-5,-5" if valence == NO_FACE else f"{valence:.6f},{arousal:.6f}"
        for valence, arousal in fill_missing(values, found).tolist()
    ]
    with replacing(path) as temporary:
        temporary.write_text("\n".join([HEADER, *lines]) + "\n", encoding="ascii")
