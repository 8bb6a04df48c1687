"""The predictions of one video, in memory and as a CSV file, and what frames without a face get."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mimamo.errors import InputError
from mimamo.files import open_file, write_text

#: The value of frames before the first face, as in Aff-Wild2, where it marks "not annotated".
NO_FACE = -5.0

HEADER = "frame,time,face_found,valence,arousal"


@dataclass(frozen=True, eq=False)
class Predictions:
    """Valence and arousal of every frame of one video.

    Attributes:
        times: float64 ``[T]``, seconds from the start of the video.
        found: bool ``[T]``, whether a face was found in the frame.
        values: float32 ``[T, 2]``, valence and arousal; `NO_FACE` before the first face.
    """

    times: np.ndarray
    found: np.ndarray
    values: np.ndarray

    def __post_init__(self) -> None:
        count = len(self.times)
        if self.found.shape != (count,) or self.values.shape != (count, 2):
            raise ValueError(
                f"expected times [T], found [T] and values [T, 2]; got {self.times.shape}, "
                f"{self.found.shape} and {self.values.shape}"
            )

    def __len__(self) -> int:
        return len(self.times)

    @property
    def known(self) -> np.ndarray:
        """bool ``[T]``: True from the first frame with a face on, where `values` are real."""
        return np.logical_or.accumulate(self.found)

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


def runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """The stretches of True in a bool ``[T]`` array as half-open ``(start, stop)`` pairs."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], np.asarray(mask, dtype=np.int8), [0]))))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def write_predictions(path: str | os.PathLike[str], predictions: Predictions) -> None:
    """Write `predictions` as CSV, one row per frame, frames numbered from 1 as in Aff-Wild2.

    Time is in seconds; time, valence and arousal have six decimals, so equal predictions give
    equal bytes. Raises InputError if the file cannot be written.
    """
    lines = [HEADER]
    # "+ 0.0" turns a rounded -0.0 into 0.0
    values = np.round(predictions.values.astype(np.float64), 6) + 0.0
    rows = zip(predictions.times, predictions.found, values, strict=True)
    lines += [table_row(index, *row) for index, row in enumerate(rows)]
    write_text(path, "\n".join(lines) + "\n")


def table_row(index: int, time: float, found: bool, values: Sequence[float]) -> str:
    """The row of a frame, `index` from 0; `values` are valence and arousal."""
    return f"{index + 1},{time:.6f},{int(found)},{values[0]:.6f},{values[1]:.6f}"


def holds_predictions(path: str | os.PathLike[str]) -> bool:
    """Whether `path` is a file that begins with the header of `write_predictions`."""
    try:
        with open_file(path, None) as stream:
            return stream.readline(len(HEADER) + 2).rstrip(b"\r\n") == HEADER.encode("ascii")
    except InputError:
        return False
