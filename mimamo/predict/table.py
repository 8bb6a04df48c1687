"""The predictions of one video, in memory and as a CSV file, and what frames without a face get."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from mimamo.files import write_text

if TYPE_CHECKING:  # it needs OpenCV
    from mimamo.faces.observe import Faces
    from mimamo.video.gaps import Gap

#: The value of frames before the first face, as in Aff-Wild2, where it marks "not annotated".
NO_FACE = -5.0

HEADER = "frame,time,face_found,valence,arousal,face,x0,y0,x1,y1,score"


@dataclass(frozen=True, eq=False)
class Predictions:
    """Valence and arousal of the frames of one video, in T rows.

    A frame has one row, with or without a face; where all faces are predicted, one for each.

    Attributes:
        times: float64 ``[T]``, seconds from the start of the video.
        face: int ``[T]``, number of the face, from 1; 0 where none was found.
        values: float32 ``[T, 2]``, valence and arousal; `NO_FACE` where there are none.
        frames: int ``[T]``, the frames, from 0; left out, every frame has one row.
        gaps: between which times frames of the video are missing, see `VideoReader.gaps`.
    """

    times: np.ndarray
    face: np.ndarray
    values: np.ndarray
    frames: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    gaps: Sequence[Gap] = ()

    def __post_init__(self) -> None:
        count = len(self.times)
        if not len(self.frames):
            object.__setattr__(self, "frames", np.arange(count))
        if self.face.shape != (count,) or self.values.shape != (count, 2):
            raise ValueError(
                f"expected times [T], face [T] and values [T, 2]; got {self.times.shape}, "
                f"{self.face.shape} and {self.values.shape}"
            )

    def __len__(self) -> int:
        return len(self.times)

    @property
    def frame_count(self) -> int:
        """How many frames there are."""
        return int(self.frames[-1]) + 1 if len(self) else 0

    @property
    def seen_frames(self) -> int:
        """How many frames have a face."""
        return len(np.unique(self.frames[self.found]))

    @property
    def numbers(self) -> np.ndarray:
        """int ``[N]``: the numbers of the faces there are, in order."""
        return np.unique(self.face[self.found])

    def rows_of_frames(self) -> Iterator[range]:
        """The rows of each frame, in order."""
        edges = np.searchsorted(self.frames, np.arange(self.frame_count + 1)).tolist()
        return (range(start, stop) for start, stop in pairwise(edges))

    @property
    def found(self) -> np.ndarray:
        """bool ``[T]``, whether the row is of a face."""
        return self.face > 0

    @property
    def seams(self) -> np.ndarray:
        """float64 ``[N]``: when another face begins, where one follows the other."""
        face, times = self.face[self.found], self.times[self.found]
        return times[1:][face[1:] != face[:-1]]

    @property
    def parts(self) -> np.ndarray:
        """int ``[T]``: behind how many of the gaps a row is; no line is drawn from part to part."""
        return np.searchsorted([start for start, _ in self.gaps], self.times)

    @property
    def known(self) -> np.ndarray:
        """bool ``[T]``: where `values` are real, be it those of a frame before."""
        return self.found | (self.values != NO_FACE).all(axis=1)

    @property
    def axis_limit(self) -> float:
        """Half the range of an axis that shows `values`: 1, or more if one is outside [-1, 1]."""
        farthest = float(np.abs(self.values[self.found]).max(initial=0))
        return 1.0 if farthest <= 1 else 1.08 * farthest


def fill_missing(values: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Spread the predictions of the frames with a face over every frame of the video.

    A frame without a face takes the prediction of the frame before it; frames before the first
    face take ``NO_FACE`` (test-time rule of I-Hsuan Li's technical report,
    arXiv 2105.01502).

    Args:
        values: ``[F, 2]``, one row per frame with a face, in order.
        found: bool ``[T]``, True where the frame has a face; ``F`` of them are.

    Returns:
        ``[T, 2]`` in the dtype of `values`.

    Raises:
        ValueError: `values` does not have one row per True in `found`.
    """
    values = np.asarray(values)
    found = np.asarray(found, dtype=bool)
    if values.shape != (int(found.sum()), 2):
        raise ValueError(
            f"values: expected shape ({int(found.sum())}, 2), one row per frame with a face; "
            f"got {values.shape}"
        )
    filled = np.full((len(found), 2), NO_FACE, dtype=values.dtype)
    latest = np.cumsum(found) - 1  # row of the last frame with a face so far, -1 before the first
    seen = latest >= 0
    filled[seen] = values[latest[seen]]
    return filled


def runs(values: np.ndarray, parts: np.ndarray | None = None) -> list[tuple[int, int]]:
    """The stretches of one value in ``[T]``, as half-open ``(start, stop)`` pairs.

    Those of 0, or False, are left out. With `parts`, int ``[T]``, none reaches from one to another.
    """
    both = np.stack([values, np.zeros(len(values)) if parts is None else parts]).astype(np.int64)
    padded = np.pad(both, ((0, 0), (1, 1)))
    edges = np.flatnonzero(np.diff(padded).any(axis=0)).tolist()
    return [(start, stop) for start, stop in pairwise(edges) if padded[0, start + 1]]


def write_predictions(
    path: str | os.PathLike[str], predictions: Predictions, faces: Faces | None = None
) -> None:
    """Write `predictions` as CSV, one line per row, frames numbered from 1 as in Aff-Wild2.

    Time is in seconds; time, valence and arousal have six decimals, so equal predictions give
    equal bytes. Boxes and scores are those of `faces`, and empty without. Raises InputError if the
    file cannot be written.
    """
    lines = [HEADER]
    # "+ 0.0" turns a rounded -0.0 into 0.0
    values = np.round(predictions.values.astype(np.float64), 6) + 0.0
    columns = predictions.frames, predictions.times, predictions.face, values
    for row, columns_of in enumerate(zip(*columns, strict=True)):
        place = () if faces is None else (faces.boxes[row], faces.scores[row])
        lines.append(table_row(*columns_of, *place))
    write_text(path, "\n".join(lines) + "\n")


def table_row(
    index: int,
    time: float,
    face: int,
    values: Sequence[float],
    box: np.ndarray | None = None,
    score: float | None = None,
) -> str:
    """A row of frame `index`, from 0, with valence and arousal, box and score of face `face`."""
    corners = ",,,"
    if box is not None and not np.isnan(box).any():
        corners = ",".join(f"{x:.2f}" for x in box)
    certain = f"{score:.4f}" if face and score is not None else ""
    start = f"{index + 1},{time:.6f},{int(face > 0)},{values[0]:.6f},{values[1]:.6f}"
    return f"{start},{face:d},{corners},{certain}"
