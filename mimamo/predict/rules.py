"""What a frame without a face is given, and where such frames lie."""

from __future__ import annotations

import numpy as np

#: The value of frames before the first face, as in Aff-Wild2, where it marks "not annotated".
NO_FACE = -5.0


def fill_missing(values: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Spread the predictions of the frames with a face over every frame of the video.

    A frame without a face takes the prediction of the frame before it; frames before the first
    face take ``NO_FACE`` (Deng et al., technical report for ABAW 2020, test-time rule).

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
