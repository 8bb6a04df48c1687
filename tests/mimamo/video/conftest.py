"""Small videos, made where they are needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import films


@pytest.fixture
def picture():
    """The maker of frames, uint8 [48, 64, 3] RGB: red left half, a blue bar that grows."""
    return films.picture


@pytest.fixture
def make_video(tmp_path: Path) -> Callable[..., Path]:
    """A maker of videos of 64x48 pixels at 25 frames/s, written by PyAV alone."""

    def make(name: str = "clip.mp4", frames: int = 12, *arguments: Any, **options: Any) -> Path:
        images = map(films.picture, range(frames))
        return films.write_film(tmp_path / name, images, *arguments, **options)

    return make
