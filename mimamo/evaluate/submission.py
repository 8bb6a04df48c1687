"""Submissions: a line for every frame of the test videos, in files or in one, or an utterance."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from mimamo.data.lists import SAMPLE_HEADER, Sample, read_names
from mimamo.errors import InputError
from mimamo.evaluate.ensemble import Ensemble
from mimamo.evaluate.rules import Rules, length_of
from mimamo.evaluate.utterances import (
    TABLE,
    is_table,
    rows_of_names,
    rows_of_table,
    write_utterances,
)
from mimamo.files import (
    expect_free,
    file_below,
    output_folder,
    write_text,
)
from mimamo.locks import locked
from mimamo.predict.clips import Cut
from mimamo.predict.given_weights import Foreign
from mimamo.predict.table import NO_FACE
from mimamo.progress import Progress, Report, counted, silent
from mimamo.settings import shown
from mimamo.video import VideoReader

PREDICTIONS = "predictions.txt"
_NONE = np.empty((0, 2), np.float32)  # predictions of no face


@dataclass(frozen=True)
class SubmitResult:
    """What a submission came to.

    Attributes:
        files: one per video; of utterances, or in the format "abaw", one.
        frames: lines in all of them, headers not counted.
        uncounted: videos whose number of frames nothing told but their last face.
    """

    files: tuple[Path, ...]
    frames: int
    uncounted: tuple[str, ...]


@dataclass(frozen=True)
class _Job:
    """A video to write: its frames, as far as it is known how many it has, and by the sample."""

    name: str
    video: CachedVideo | None  # None: no face in it
    frames: int
    counted: bool
    longer: bool = False  # by one frame than its film says

    @property
    def numbers(self) -> np.ndarray:
        """Of the frames with a face, from 1."""
        return np.empty(0, np.int64) if self.video is None else self.video.numbers.numpy()


def submit(
    paths: Sequence[str | os.PathLike[str]],
    cache: str | os.PathLike[str] | Cache,
    out: str | os.PathLike[str],
    *,
    subset: str = TEST,
    names: str | os.PathLike[str] | None = None,
    format: str = "files",
    sample: str | os.PathLike[str] | None = None,
    leading: str | None = None,
    gaps: str | None = None,
    smooth: int | str = 0,
    stride: int | None = None,
    whole: bool = False,
    videos: str | os.PathLike[str] | None = None,
    decode: bool = False,
    streams: str = "both",
    rescaled: bool = False,
    foreign: Foreign | None = None,
    overwrite: bool = False,
    device: torch.device | str = "cpu",
    report: Report = silent,
    progress: Progress = silent,
) -> SubmitResult:
    """Predict the test videos and write them: a file for each, or one of all.

    "files" is ``<video>.txt``, the header and a line a frame; "abaw" is ``predictions.txt`` with
    rows ``<video>/00001.jpg,valence,arousal``. Where the cache's labels are of utterances, it is
    ``utterances.csv`` instead, with a line for each of them. Values are clipped to [-1, 1].

    Args:
        paths: checkpoints, runs or cross-validations, weights by others too; several are averaged.
        cache: whose videos are predicted.
        out: folder for the files, made if need be.
        subset: which videos.
        names: a file with one video's name a line: write exactly these. Of utterances also one of
            the data set's tables.
        format: "files" or "abaw".
        sample: a file as "abaw" writes, whose rows decide which videos are written and how many
            frames of each, and in that format which rows, in their order.
        leading: what frames before the first face get, "first" (prediction) or "-5"; None for the
            format's: "-5" in "files", which is the technical report's rule, "first" in "abaw".
        gaps: what other frames without a face get, "previous" (prediction) or "interpolate" (from
            both neighbours); None for "previous" in "files", as the report, else "interpolate".
        smooth: mean over so many frames before and after; "auto" for as many as each run's
            training chose on its validation videos, of several networks the median.
        stride, whole: over which frames the GRU runs, see `mimamo.predict.clips.Cut`.
        videos: folder of the videos, whose numbers of frames the files must have.
        decode: count the frames by decoding, not by what the files announce; slow and sure.
        streams: as for `evaluate_runs`.
        rescaled: give the predictions the training labels' spread (see `rescale`).
        foreign: what weights by others do not tell.
        overwrite: replace files that are there.
        device: where the networks run.
        report: called with each line of the account.
        progress: called with the name of a stage, the work done in it, and all of it.

    Raises:
        InputError: something cannot be read or does not fit, a name is not in the cache, a face
            lies beyond a video's end by more than a frame where no sample says how many it has, a
            file is in the way, or another process writes into `out`. Nothing is written then.
    """
    rules = Rules.of(format, leading=leading, gaps=gaps, rescaled=rescaled)
    cut = Cut(stride, whole)
    if sample is not None and names is not None:
        raise InputError(f"{sample}: expected no list of names beside it, got {names}")
    cache = cache if isinstance(cache, Cache) else Cache(cache)
    rows = None if sample is None else Sample(sample)
    ensemble = Ensemble(paths, cache, device, streams, report, cut, foreign)
    rules, label_std = rules.settled(smooth, ensemble.notes, report)

    def predict(videos: Sequence[CachedVideo]) -> dict[str, np.ndarray]:
        values = ensemble.predict(videos, progress=progress)
        return rules.values(videos, values, label_std)

    if cache.manifest.unit == "utterance":
        if videos is not None or decode or format != "files" or rows is not None:
            raise InputError(
                "--videos, --decode, --format, --sample: expected none of them, because "
                f"{cache.root} is of utterances, which get one line each whatever their frames"
            )
        return _submit_utterances(cache, subset, names, Path(out), overwrite, predict, report)
    found = {} if videos is None else films_in(Path(videos), report)
    if rows is None:
        chosen = _names(cache, subset, names)
    else:
        chosen = _known(cache, sample, {name: rows.line(name) for name in rows.videos})
    jobs = [_job(name, cache, videos, found, decode, rows) for name in chosen]
    lengths = {job.name: job.frames for job in jobs}
    if rows is not None:
        lengths = {name: int(rows.frames(name).max()) for name in rows.videos}
    folder = output_folder(out)
    if format == "files":
        files = tuple(file_below(folder, job.name, ".txt") for job in jobs)
    else:
        files = (folder / PREDICTIONS,)
    with locked(folder):
        for path in files:
            expect_free(path, overwrite)
        values = predict([job.video for job in jobs if job.video is not None])
        texts = _texts(format, jobs, values, rules, lengths, rows)
        for path, lines in zip(files, texts, strict=True):
            write_text(path, "\n".join(lines) + "\n")
    total = sum(lengths.values()) if rows is None or format == "files" else len(rows.locations)
    uncounted = tuple(job.name for job in jobs if not job.counted and rows is None)
    report(f"{folder}: {counted(len(jobs), 'video')}, {counted(total, 'frame')}")
    for line in _remarks(jobs, lengths, rules, uncounted, sample):
        report(line)
    return SubmitResult(files, total, uncounted)


def _texts(
    format: str,
    jobs: Sequence[_Job],
    values: Mapping[str, np.ndarray],
    rules: Rules,
    lengths: Mapping[str, int],
    sample: Sample | None,
) -> Iterator[list[str]]:
    """The lines of each file, from the faces' `values`."""
    mean = np.concatenate([*values.values(), np.zeros((int(not values), 2))]).mean(0).tolist()
    faces = {job.name: (values.get(job.name, _NONE), job.numbers) for job in jobs}

    def lines_of(name: str, frames: np.ndarray | None = None) -> list[str]:
        every = rules.frames(*faces[name], lengths[name], mean)
        return _as_text(every if frames is None else every[frames - 1])

    if format == "files":
        yield from ([HEADER, *lines_of(job.name)] for job in jobs)
    elif sample is None:
        yield [SAMPLE_HEADER, *_rows(lines_of, lengths)]
    else:
        yield [SAMPLE_HEADER, *_rows_of_sample(lines_of, sample)]


def _remarks(
    jobs: Sequence[_Job],
    lengths: Mapping[str, int],
    rules: Rules,
    uncounted: Sequence[str],
    sample: str | os.PathLike[str] | None,
) -> list[str]:
    """What is to be known of a submission, a line each."""
    lines = []
    if empty := [job.name for job in jobs if job.video is None]:
        filled = f"{NO_FACE:g}" if rules.leading == "-5" else "the others' mean"
        lines.append(
            f"warning: in {counted(len(empty), 'video')} no face was found, such as {empty[0]}; "
            f"all is {filled} there"
        )
    if sample is not None:
        padded = {job.name: lengths[job.name] - job.frames for job in jobs}
        short = {name: more for name, more in padded.items() if more > 0}
        long = {name: -more for name, more in padded.items() if more < 0}
        parts = [
            f"{counted(len(those), 'video')} {verb} by {counted(sum(those.values()), 'frame')}, "
            f"such as {next(iter(those))} by {next(iter(those.values()))}"
            for verb, those in (("padded", short), ("cut", long))
            if those
        ]
        if parts:
            lines.append(f"{sample}: other lengths than the videos': {'; '.join(parts)}")
    elif longer := [job.name for job in jobs if job.longer]:
        lines.append(
            f"warning: {counted(len(longer), 'video')} one frame longer than the film says, such "
            f"as {longer[0]}, whose last face is there; the larger number is written"
        )
    if uncounted:
        lines.append(
            f"warning: nothing tells the number of frames of {counted(len(uncounted), 'video')}, "
            f"such as {uncounted[0]}; there the last line is the last face's (give --videos or "
            "--sample)"
        )
    return lines


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
    return _known(cache, names, read_names(names))


def _known(
    cache: Cache, source: str | os.PathLike[str] | None, lines: Mapping[str, int]
) -> list[str]:
    """The names of `lines`. InputError for one that is not in the cache, with its line."""
    for name, line in lines.items():
        if name not in cache.manifest.videos:
            raise InputError(
                f"{source}:{line}: expected a video of {cache.root}, got {shown(name)}; to predict "
                "one without faces, extract again with an empty folder of its name beside others'"
            )
    return list(lines)


def _job(
    name: str,
    cache: Cache,
    folder: str | os.PathLike[str] | None,
    videos: Mapping[str, Path],
    decode: bool,
    sample: Sample | None,
) -> _Job:
    video = next((video for video in cache.videos if video.name == name), None)
    if video is None and name not in cache.faceless:
        raise InputError(
            f"{name}: cannot be predicted: {cache.skipped[name]}; mend it and run `mimamo extract` "
            "again, or leave the video out by --names"
        )
    last = 0 if video is None else int(video.numbers.max())
    if folder is not None:
        path = videos.get(name) or videos.get(recording_of(name))
        if path is None:
            raise InputError(f"{folder}: expected a video of {name}, found none")
        frames, counted = _length_of(path, decode), True
    elif video is not None:
        frames, counted = length_of(video)
    elif sample is not None:
        frames, counted = int(sample.frames(name).max()), False
    else:
        raise InputError(
            f"{name}: {cache.skipped[name]}; how many frames it has is not known either: give "
            "--videos or --sample"
        )
    if last > frames + 1 and sample is None:
        raise InputError(f"{name}: has a face in frame {last}, but its video only {frames}")
    # The last picture's number, a film's header and what is decoded of it often differ by one.
    return _Job(name, video, max(frames, last), counted, longer=last > frames)


def _length_of(film: Path, decode: bool) -> int:
    """How many frames a video announces, or has if that is to be known for sure."""
    with VideoReader(film) as reader:
        if reader.frame_count is not None and not decode:
            return reader.frame_count
        return sum(1 for _ in reader)


def _as_text(values: np.ndarray) -> list[str]:
    return [
        "-5,-5" if valence == NO_FACE else f"{valence:.6f},{arousal:.6f}"
        for valence, arousal in values.tolist()
    ]


def _rows(lines_of: Callable[[str], list[str]], lengths: Mapping[str, int]) -> Iterator[str]:
    """The rows of the one file: every frame's."""
    for name in lengths:
        for number, line in enumerate(lines_of(name), start=1):
            yield f"{name}/{number:05d}.jpg,{line}"


def _rows_of_sample(
    lines_of: Callable[[str, np.ndarray], list[str]], sample: Sample
) -> Iterator[str]:
    """The rows of the one file: the sample's, in its order."""
    lines = [""] * len(sample.locations)
    for name, rows in sample.videos.items():
        for row, line in zip(rows.tolist(), lines_of(name, sample.frames(name)), strict=True):
            lines[row] = line
    for location, line in zip(sample.locations, lines, strict=True):
        yield f"{location},{line}"
