"""Annotation files of Aff-Wild2: ``valence,arousal``, then one line per frame."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mimamo.data.dataset import Problems
from mimamo.errors import InputError
from mimamo.files import read_text
from mimamo.progress import counted

HEADER = "valence,arousal"
NOT_ANNOTATED = -5


def read_annotations(path: str | os.PathLike[str], problems: Problems | None = None) -> np.ndarray:
    """Read one annotation file.

    A frame of which one or both values are -5 is not annotated.

    Args:
        path: the file.
        problems: told of malformed lines, whose frames then count as not annotated. Without it
            such a line is an error.

    Returns:
        float32 ``[F, 2]``: valence and arousal in [-1, 1] of frames 0, 1, …; both NaN where a
        frame is not annotated.

    Raises:
        InputError: the file cannot be read, its header is missing, or a line is not two numbers
            in [-1, 1] or -5; file and line are named.
    """
    problems = problems or Problems(strict=True)
    header, *lines = read_text(path).rstrip().split("\n")
    if header.replace(" ", "").lower() != HEADER:
        raise InputError(f"{path}:1: expected the header {HEADER!r}, got {header[:80]!r}")
    values = np.full((len(lines), 2), np.nan, np.float32)
    for number, line in enumerate(lines, start=2):
        pair = _parse(line)
        if pair is None:
            problems.add(
                f"{path}:{number}: expected valence,arousal, each in [-1, 1] or -5, "
                f"got {line[:80]!r}"
            )
        else:
            values[number - 2] = pair
    values[(values == NOT_ANNOTATED).any(axis=1)] = np.nan
    return values


def read_two(
    valence: str | os.PathLike[str], arousal: str | os.PathLike[str], problems: Problems
) -> np.ndarray:
    """Read the annotations of a video of the first Aff-Wild: two files of a number a line each.

    Args:
        valence, arousal: the files.
        problems: told of malformed lines and of lines that only one file has.

    Returns:
        As `read_annotations`.

    Raises:
        InputError: a file cannot be read.
    """
    columns = []
    for path in (valence, arousal):
        lines = read_text(path).rstrip().split("\n")
        column = np.full(len(lines), np.nan, np.float32)
        for number, line in enumerate(lines, start=1):
            pair = _parse(f"{line},0")
            if pair is None:
                problems.add(f"{path}:{number}: expected a number in [-1, 1], got {line[:80]!r}")
            elif pair[0] != NOT_ANNOTATED:
                column[number - 1] = pair[0]
        columns.append(column)
    shorter, longer = sorted(map(len, columns))
    if shorter != longer:
        short, long = (valence, arousal) if len(columns[0]) == shorter else (arousal, valence)
        problems.add(
            f"{short}:{shorter + 1}: expected {counted(longer, 'line')}, as {long} has, got "
            f"{shorter}; the other frames are not annotated"
        )
    values = np.full((longer, 2), np.nan, np.float32)
    for place, column in enumerate(columns):
        values[: len(column), place] = column
    values[np.isnan(values).any(axis=1)] = np.nan
    return values


def match_annotations(annotations: np.ndarray, indices: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return the annotations of the frames that have an image.

    Args:
        annotations: float32 ``[F, 2]`` of frames 0, 1, ….
        indices: the T frames that have an image, counted from 0.

    Returns:
        float32 ``[T, 2]``; NaN for frames that are not annotated or lie past the annotations.
    """
    wanted = np.asarray(indices, dtype=np.intp)
    matched = np.full((len(wanted), 2), np.nan, np.float32)
    known = wanted < len(annotations)
    matched[known] = annotations[wanted[known]]
    return matched


def check_length(
    path: Path, annotations: np.ndarray, frames: int, last: str, problems: Problems
) -> None:
    """Compare the annotations' length with the number of frames.

    Args:
        path: their file.
        annotations: float32 ``[F, 2]``.
        frames: how many frames there are: a video's, or the highest number of an image.
        last: what the last frame is, for the message.
        problems: told if frames have no line, or annotated lines have no frame.
    """
    lines = len(annotations)
    if lines < frames:
        problems.add(
            f"{path}:{lines + 1}: shorter than the frames: it ends after {lines} of "
            f"{counted(frames, 'frame')} ({last}); the others are not annotated"
        )
        return
    extra = np.flatnonzero(~np.isnan(annotations[frames:]).any(axis=1))
    if len(extra):
        problems.add(
            f"{path}:{frames + int(extra[0]) + 2}: longer than the frames: "
            f"{counted(len(extra), 'annotated line')} after the last frame, {frames} ({last}), "
            "with no face to train on"
        )


def _parse(line: str) -> tuple[float, float] | None:
    try:
        valence, arousal = (float(value) for value in line.split(","))
    except ValueError:
        return None
    if all(-1 <= value <= 1 or value == NOT_ANNOTATED for value in (valence, arousal)):
        return valence, arousal
    return None
