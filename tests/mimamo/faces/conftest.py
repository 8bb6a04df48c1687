"""A photographed face in known motion: skimage's astronaut (NASA, public domain), warped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from mimamo.faces import CenterFace
from mimamo.video import VideoWriter

# Marked by hand in the photograph, in the order of `Detection.landmarks`.
MARKED = np.array([[202.5, 101.0], [246.0, 103.5], [223.0, 126.0], [203.0, 140.0], [246.0, 140.5]])
FACE_CENTRE = MARKED.mean(axis=0)


@dataclass(frozen=True, eq=False)
class Scene:
    """Frames uint8 [T, H, W, 3] and where the photograph lies in each, float64 [T, 2, 3]."""

    frames: np.ndarray
    poses: np.ndarray


@pytest.fixture(scope="session")
def photograph() -> np.ndarray:
    return skimage.data.astronaut()


@pytest.fixture(scope="session")
def marked() -> np.ndarray:
    return MARKED


@pytest.fixture(scope="session")
def detector() -> CenterFace:
    return CenterFace()


@pytest.fixture(scope="session")
def place(photograph):
    """Return a maker of (frame, pose): the face's centre at a point, its scale, its roll."""

    def make(
        centre: tuple[float, float],
        scale: float = 0.8,
        degrees: float = 0.0,
        size: tuple[int, int] = (320, 240),
        background: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        turn = scale * np.array(
            [
                [np.cos(np.radians(degrees)), -np.sin(np.radians(degrees))],
                [np.sin(np.radians(degrees)), np.cos(np.radians(degrees))],
            ]
        )
        pose = np.column_stack([turn, np.array(centre) - turn @ FACE_CENTRE])
        blur = np.sqrt(max(0.25 * (1 / scale**2 - 1), 1e-6))  # against aliasing
        image = cv2.GaussianBlur(photograph, (0, 0), blur) if scale < 1 else photograph
        frame = np.full((size[1], size[0], 3), 90, np.uint8) if background is None else background
        mode = cv2.BORDER_TRANSPARENT
        cv2.warpAffine(image, pose, size, frame, flags=cv2.INTER_CUBIC, borderMode=mode)
        return frame, pose

    return make


@pytest.fixture(scope="session")
def moving_face(place) -> Scene:
    """One second of a face that wanders, rolls by up to 10 degrees and comes 10 % nearer."""
    frames, poses = [], []
    noise = np.random.default_rng(0)
    for step in range(30):
        turn = 2 * np.pi * step / 30
        centre = (160 + 25 * np.sin(turn), 115 + 10 * np.sin(2 * turn))
        scale = 0.85 + 0.085 * np.sin(turn + 1)
        frame, pose = place(centre, scale, 10 * np.sin(turn + 2))
        trembling = frame + noise.normal(0, 2, frame.shape)  # a camera's noise
        frames.append(np.clip(np.rint(trembling), 0, 255).astype(np.uint8))
        poses.append(pose)
    return Scene(np.array(frames), np.array(poses))


@pytest.fixture(scope="session")
def without_faces() -> np.ndarray:
    """Three frames, uint8 [3, 240, 320, 3], of a texture in which there is nothing to see."""
    noise = np.random.default_rng(0).normal(size=(3, 240, 320, 3))
    soft = np.stack([cv2.GaussianBlur(frame, (0, 0), 4) for frame in noise])
    return np.clip(128 + 60 * soft / soft.std(), 0, 255).astype(np.uint8)


@pytest.fixture
def make_film(tmp_path):
    """Return a writer of frames into a video at 30 frames/s."""

    def make(frames: np.ndarray, name: str = "film.mp4") -> Path:
        with VideoWriter(tmp_path / name, 30) as writer:
            for frame in frames:
                writer.write(frame)
        return tmp_path / name

    return make
