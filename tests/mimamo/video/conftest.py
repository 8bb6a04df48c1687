"""Small videos, made where they are needed."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

SIZE = (64, 48)
FPS = 25.0


@pytest.fixture
def picture():
    """Return a maker of frames, uint8 [48, 64, 3] RGB: red left half, a blue bar that grows."""

    def make(index: int) -> np.ndarray:
        image = np.full((SIZE[1], SIZE[0], 3), 128, np.uint8)
        image[:, : SIZE[0] // 2] = (220, 30, 30)
        image[: 2 * index, SIZE[0] // 2 :] = (30, 30, 220)
        return image

    return make


@pytest.fixture
def make_video(tmp_path, picture):
    """Return a maker of videos of 64x48 pixels at 25 frames/s, written by OpenCV alone."""

    def make(name: str = "clip.mp4", frames: int = 12, code: str = "mp4v") -> Path:
        path = tmp_path / name
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), FPS, SIZE)
        assert writer.isOpened()
        for index in range(frames):
            writer.write(cv2.cvtColor(picture(index), cv2.COLOR_RGB2BGR))
        writer.release()
        return path

    return make
