"""Reading the tables of predictions that commands write."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mimamo.predict.table import HEADER, Predictions


def read_predictions(path: Path) -> Predictions:
    """A table of `write_predictions`, its header and frame numbers checked.

    Without its boxes and scores, see `read_boxes`.
    """
    header, *lines = path.read_text(encoding="ascii").splitlines()
    assert header == HEADER
    rows = np.array([line.split(",")[:6] for line in lines], np.float64).reshape(-1, 6)
    frames, face = rows[:, 0].astype(int) - 1, rows[:, 5].astype(int)
    assert np.unique(frames).tolist() == list(range(frames[-1] + 1 if len(rows) else 0))
    np.testing.assert_array_equal(rows[:, 2], face > 0)
    return Predictions(rows[:, 1], face, rows[:, 3:5].astype(np.float32), frames)


def read_boxes(path: Path) -> np.ndarray:
    """Box and score of every row, float64 ``[T, 5]``; NaN where the table has none."""
    _, *lines = path.read_text(encoding="ascii").splitlines()
    return np.array([[float(x or "nan") for x in line.split(",")[6:11]] for line in lines])
