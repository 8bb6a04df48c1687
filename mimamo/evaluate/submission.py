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
from mimamo.data.cache import Cache
from mimamo.data.cached_video import CachedVideo
from mimamo.data.dataset import TEST
from mimamo.data.folds import recording_of
from mimamo.data.omg import COLUMNS, name_of, parts_of, table_rows
from mimamo.errors import InputError
from mimamo.evaluate.ensemble import Ensemble
from mimamo.evaluate.scores import rescale
from mimamo.files import (
    expect_free,
    file_below,
    output_folder,
    read_text,
    write_csv,
    write_text,
)
from mimamo.locks import locked
from mimamo.predict.table import NO_FACE, fill_missing
from mimamo.progress import Progress, Report, counted, silent
from mimamo.video import VideoReader

TABLE = "utterances.csv"
# By an utterance's name in the cache, the first two cells of its row: video and utterance.
UtteranceRows = dict[str, tuple[str, str]]
_LOWEST, _HIGHEST = (-1.0, 0.0), (1.0, 1.0)  # valence and arousal, as the data set has them


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
    videos: str | os.PathLike[str] | None = None,
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
    each of them.

    A frame without a face takes the prediction of the frame before it, -5 before the first face
    (technical report's rule). Values are clipped to [-1, 1].

    Args:
        paths: checkpoints, runs or cross-validations; several are averaged.
        cache: whose videos are predicted.
        out: folder for the files, made if need be.
        subset: which videos.
        names: a file with one video's name a line: write exactly these. Of utterances also one of
            the data set's tables.
        videos: folder of the videos, whose numbers of frames the files must have.
        decode: count the frames by decoding, not by what the files announce; slow and sure.
        streams, rescaled: as for `evaluate_runs`.
        overwrite: replace files that are there.
        device: where the networks run.
        report: called with each line of the account.
        progress: called with the name of a stage, the work done in it, and all of it.

    Raises:
        InputError: something cannot be read or does not fit, a name is not in the cache, a face
            lies beyond a video's end, a file is in the way, or another process writes into `out`.
            Nothing is written then.
    """
    cache = cache if isinstance(cache, Cache) else Cache(cache, report)
    ensemble = Ensemble(paths, cache, device, streams, report)

    def predict(videos: Sequence[CachedVideo]) -> dict[str, np.ndarray]:
        values = ensemble.predict(videos, progress=progress)
        return rescale(values, ensemble.label_std) if rescaled else values

    if cache.manifest.unit == "utterance":
        if videos is not None or decode:
            raise InputError(
                f"--videos, --decode: expected neither, because {cache.root} is of utterances, "
                "which get one line each whatever their frames"
            )
        return _submit_utterances(cache, subset, names, Path(out), overwrite, predict, report)
    notes: list[str] = []
    found = {} if videos is None else films_in(Path(videos), notes)
    for line in notes:
        report(line)
    jobs = [_job(name, cache, videos, found, decode) for name in _names(cache, subset, names)]
    folder = output_folder(out)
    files = tuple(file_below(folder, job.name, ".txt") for job in jobs)
    with locked(folder):
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
    videos = [video for video in cache.videos if video.name in rows]
    if not videos:
        first = next(iter(rows))
        raise InputError(f"{first}: {cache.skipped[first]}; nor is any other used")
    path = output_folder(out) / TABLE
    with locked(path.parent):
        expect_free(path, overwrite)
        write_utterances(path, rows, predict(videos))
    report(f"{path}: {counted(len(rows), 'utterance')}")
    if without := [name for name in rows if name in cache.skipped]:
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
    videos: Mapping[str, Path],
    decode: bool,
) -> _Job:
    video = next((video for video in cache.videos if video.name == name), None)
    if video is None and name not in cache.faceless:
        raise InputError(
            f"{name}: cannot be predicted: {cache.skipped[name]}; mend it and run `mimamo extract` "
            "again, or leave the video out by --names"
        )
    if folder is not None:
        path = videos.get(name) or videos.get(recording_of(name))
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
    write_text(path, "\n".join([HEADER, *lines]) + "\n")


def rows_of_names(names: Sequence[str]) -> UtteranceRows:
    """The rows of utterances by their names in a cache."""
    parts = {name: parts_of(name) for name in names}
    return {name: (video, f"{utterance}.mp4") for name, (video, utterance) in parts.items()}


def rows_of_table(path: str | os.PathLike[str], cache: Cache) -> UtteranceRows:
    """The rows of one of OMG-Emotion's tables, in its order, with or without labels.

    Raises InputError, naming file and line, for one that is not in the cache, there twice, or
    broken.
    """
    rows: UtteranceRows = {}
    for line, row, wrong in table_rows(Path(path), COLUMNS[:2]):
        if wrong:
            raise InputError(f"{path}:{line}: {wrong}")
        name = name_of(row)
        if name not in cache.manifest.videos:
            raise InputError(f"{path}:{line}: expected an utterance of {cache.root}, got {name!r}")
        if name in rows:
            raise InputError(f"{path}:{line}: {name} is there twice")
        rows[name] = row["video"], row["utterance"]
    if not rows:
        raise InputError(f"{path}: expected rows of utterances, found none")
    return rows


def is_table(path: str | os.PathLike[str]) -> bool:
    """Whether a list of names is a table; one that cannot be read is not."""
    try:
        return "," in read_text(path).partition("\n")[0]
    except InputError:
        return False


def write_utterances(path: Path, rows: UtteranceRows, values: Mapping[str, np.ndarray]) -> None:
    """Write ``video,utterance,arousal,valence``.

    An utterance's prediction is the mean of its faces', as where it is evaluated, clipped to
    valence in [-1, 1] and arousal in [0, 1].

    Args:
        path: of the table.
        rows: what to write, in order.
        values: ``[T, 2]`` by name; an utterance that has none gets the mean of the others.

    Raises:
        InputError: the table cannot be written.
    """
    means = {name: own.mean(axis=0, dtype=np.float64) for name, own in values.items()}
    other = np.stack(list(means.values())).mean(axis=0)
    written = []
    for name, cells in rows.items():
        valence, arousal = means.get(name, other).clip(_LOWEST, _HIGHEST).tolist()
        written.append([*cells, f"{arousal:.6f}", f"{valence:.6f}"])
    write_csv(path, [COLUMNS, *written])
