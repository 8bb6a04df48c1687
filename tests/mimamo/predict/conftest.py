"""Predictions made up for the tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mimamo.model import Checkpoint, load_checkpoint
from mimamo.predict.table import NO_FACE, Predictions, fill_missing


def make_predictions(pattern: str, fps: float = 25.0, scale: float = 0.5) -> Predictions:
    """Smooth predictions; `pattern` has an "x" for each frame with a face, "." for one without."""
    found = np.array([letter == "x" for letter in pattern], dtype=bool)
    times = np.arange(len(pattern)) / fps
    values = scale * np.stack((np.sin(3 * times + 1), np.cos(2 * times)), axis=1)
    return Predictions(
        times, found.astype(int), fill_missing(values[found].astype(np.float32), found)
    )


@pytest.fixture(scope="session")
def two_people() -> Predictions:
    """Ten frames of face 1, and of face 2 in frames 2, 3, 6 and 7; the last frame has nobody."""
    rows = sorted([(frame, 1) for frame in range(10)] + [(frame, 2) for frame in (2, 3, 6, 7)])
    frames, face = np.array([*rows, (10, 0)]).T
    values = np.stack([0.4 - 0.5 * (face == 2) + 0.02 * frames, 0.3 * (face - 1)], axis=1)
    values[face == 0] = NO_FACE
    return Predictions(frames / 10, face, values.astype(np.float32), frames)


@pytest.fixture(scope="session")
def torn() -> Predictions:
    """Ten frames at 10 a second; between 0.4 and 1.4 s others are missing. Face 2 comes after."""
    times = np.arange(10) / 10 + np.repeat([0, 0.9], 5)
    frames = np.concatenate([np.arange(10), np.arange(5, 10)])
    order = np.argsort(frames, kind="stable")
    face = np.concatenate([np.ones(10, int), np.full(5, 2)])[order]
    values = np.float32([[0.5, -0.5], [0.2, -0.2]])[face - 1]
    return Predictions(times[frames[order]], face, values, frames[order], [(times[4], times[5])])


@pytest.fixture(scope="session")
def predictions() -> Callable[..., Predictions]:
    return make_predictions


@pytest.fixture(scope="module")
def checkpoint(weights: Path) -> Checkpoint:
    return load_checkpoint(weights)
