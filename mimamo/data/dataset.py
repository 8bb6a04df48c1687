"""What the readers of data sets have in common: videos, what is known and what is wrong of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import numpy as np

from mimamo.errors import InputError
from mimamo.progress import Report, silent


class Problems:
    """Collects one line for each thing in the data that cannot be used as it is.

    What a line names is left out and nothing else; with `strict` the first one ends the work.

    Args:
        strict: raise the first problem as an InputError.
        report: called with each line.

    Attributes:
        lines: all problems so far.
    """

    def __init__(self, strict: bool = False, report: Report = silent) -> None:
        self.strict = strict
        self.lines: list[str] = []
        self._report = report

    def add(self, line: str) -> None:
        """Note a problem. Raises InputError if this is strict."""
        if self.strict:
            raise InputError(line)
        self.lines.append(line)
        self._report(line)


TRAIN, VALIDATION, TEST = "Train_Set", "Validation_Set", "Test_Set"

# What one label is of: a frame, or a whole utterance, whose frames then all bear it.
Unit = Literal["frame", "utterance"]

# Which of two people's faces in a video; None: the main one.
Side = Literal["left", "right"]


@dataclass(frozen=True)
class DatasetVideo:
    """One video of a data set.

    Attributes:
        name: unlike that of any other in the set; may become a file's name.
        subset: `TRAIN`, `VALIDATION` or `TEST`.
        source: a folder of aligned faces, or a video file.
        recording: the video the aligned faces were cut from, if it is there; it tells how many
            frames there are.
        labels: where the labels come from; None if there are none.
        more_labels: files that they come from as well.
        read_labels: reads them: float32 ``[F, 2]``, valence and arousal of frames 0, 1, …, NaN
            where a frame is not annotated; of an utterance, ``[1, 2]``.
        side: of a video file that shows two people, whose face it is.
        row: where `labels` is a table of many videos, this one's row, as text.
        crop: what becomes of aligned faces that are not square, see `AlignedFolder`.
        features: files of features that others computed of it, or folders of files by frame, which
            are then part of its source.
    """

    name: str
    subset: str
    source: Path
    recording: Path | None = None
    labels: Path | None = None
    read_labels: Callable[[Problems], np.ndarray] | None = None
    side: Side | None = None
    row: str | None = None
    more_labels: tuple[Path, ...] = ()
    crop: str = "centre"
    features: tuple[Path, ...] = ()


class Unused(NamedTuple):
    """A line about what is wrong in a data set, and which video is not used for it, if one."""

    line: str
    video: str | None = None


class Dataset(Protocol):
    """A data set on disk.

    Attributes:
        layout: its name in a cache's manifest.
        unit: what one label is of.
        unused: each thing in it that is wrong, for which `videos` left it out.
        remarks: one line for each thing that is left out and is as it should be.
    """

    layout: str
    unit: Unit
    unused: list[Unused]
    remarks: list[str]

    def videos(self) -> list[DatasetVideo]:
        """All videos, by subset and name. Raises InputError if there is none."""
        ...


def everything_in(folder: Path) -> list[Path]:
    """What is visible in a folder and its folders, sorted; nothing of those that cannot be read."""
    found = (Path(at, name) for at, inner, files in os.walk(folder) for name in (*inner, *files))
    return sorted(path for path in found if not path.name.startswith("."))
