"""Smoothed predictions: a centred mean over time, as far as is said or was chosen on validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mimamo.errors import InputError
from mimamo.metrics import pooled_ccc
from mimamo.progress import counted
from mimamo.settings import is_whole, shown

if TYPE_CHECKING:
    from mimamo.data.cached_video import CachedVideo

AUTO = "auto"
NOTE = "smooth"  # of a checkpoint: what was chosen
MOST_FRAMES = 100_000  # to smooth over
CANDIDATES = (0, 1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 75, 100, 150)


def smoothed(values: np.ndarray, numbers: np.ndarray, reach: int) -> np.ndarray:
    """Each face's mean with the faces of up to `reach` frames before and after: ``[T, 2]``.

    Args:
        values: of faces, ``[T, 2]``.
        numbers: of their frames ``[T]``, in order.
        reach: 0 for none.
    """
    if not reach:
        return values
    sums = np.cumsum(np.pad(values.astype(np.float64), ((1, 0), (0, 0))), axis=0)
    starts = np.searchsorted(numbers, numbers.astype(np.int64) - reach)
    stops = np.searchsorted(numbers, numbers.astype(np.int64) + reach, side="right")
    return ((sums[stops] - sums[starts]) / (stops - starts)[:, None]).astype(np.float32)


def reach_of(smooth: int | str, notes: Sequence[tuple[object, Mapping[str, Any]]] = ()) -> int:
    """Frames to smooth over: `smooth`, or for "auto" what was chosen for the networks.

    Args:
        smooth: a number of frames, or "auto".
        notes: each network's file and what its checkpoint notes. Of several the median is taken,
            the lower one of two.

    Raises:
        InputError: `smooth` is something else, or for "auto" a network has no choice noted, or
            one that cannot be.
    """
    if is_whole(smooth, 0, MOST_FRAMES):
        return int(smooth)
    if smooth != AUTO or not notes:
        expected = f"0 to {MOST_FRAMES} frames" + (f" or {AUTO}" if notes else "")
        raise InputError(f"smooth: expected {expected}, got {shown(smooth)}")
    reaches = []
    for path, info in notes:
        if not is_whole(info.get(NOTE), 0, MOST_FRAMES):
            found = f"got {shown(info[NOTE])}" if NOTE in info else "found none"
            raise InputError(
                f"{path}: smooth: expected a number of frames chosen on validation, {found}; give "
                "one, or take a finished run, whose best checkpoint has it"
            )
        reaches.append(info[NOTE])
    return sorted(reaches)[(len(reaches) - 1) // 2]


def choose_smooth(videos: Sequence[CachedVideo], predicted: Mapping[str, np.ndarray]) -> int:
    """Of `CANDIDATES` the one with the highest mean CCC on some videos, the least of equal ones.

    Args:
        videos: annotated, not trained on.
        predicted: ``[T, 2]`` by name.
    """
    if any(video.unit == "utterance" for video in videos):
        return 0  # its value is a mean already

    def score(reach: int) -> float:
        values = {x.name: smoothed(predicted[x.name], x.numbers.numpy(), reach) for x in videos}
        return sum(pooled_ccc([x.sequence.pairs(values[x.name].clip(-1, 1)) for x in videos]))

    return max(CANDIDATES, key=score)  # the first of equal ones


def smooth_line(reach: int) -> str:
    """What was chosen, in words."""
    frames = counted(reach, "frame")
    return f"--smooth auto: a mean over {frames} before and after, chosen on validation"
