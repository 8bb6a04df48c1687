"""Reading the tables of predictions that commands write."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mimamo.predict.table import HEADER, Predictions


def read_predictions(path: Path) -> Predictions:
    """A table of `write_predictions`, its header and frame numbers checked."""
    header, *lines = path.read_text(encoding="ascii").splitlines()
    assert header == HEADER
    rows = np.array([line.split(",") for line in lines], np.float64).reshape(-1, 5)
    assert rows[:, 0].tolist() == list(range(1, len(rows) + 1))
    return Predictions(rows[:, 1], rows[:, 2] == 1, rows[:, 3:].astype(np.float32))
