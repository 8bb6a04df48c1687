"""Weights and videos for the tests of whole commands."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from skimage import data

from mimamo.network import MIMAMONet, ResNet50, save_checkpoint
from mimamo.video import VideoWriter


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with random weights; its small images make it quick."""
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        network = MIMAMONet()
        backbone = ResNet50(image_size=64, seed=0)
    # A fresh network says nearly the same for every frame: let its output depend on them.
    torch.nn.init.normal_(network.head.fc.weight, generator=torch.Generator().manual_seed(1))
    save_checkpoint(path, network, backbone)
    return path


def face_frames(pattern: str, size: int = 256) -> Iterator[np.ndarray]:
    """A moving face where `pattern` has an "x", only a backdrop where it has a "."."""
    photograph = cv2.resize(data.astronaut(), (size, size), interpolation=cv2.INTER_AREA)
    backdrop = np.full((size, size, 3), 90, np.uint8)
    for number, letter in enumerate(pattern):
        across, down = 6 * math.sin(0.3 * number), 4 * math.cos(0.2 * number)
        shift = np.array([[1, 0, across], [0, 1, down]], np.float32)
        moved = cv2.warpAffine(
            photograph, shift, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
        )
        yield moved if letter == "x" else backdrop


@pytest.fixture(scope="session")
def film() -> Callable[..., Path]:
    """Writes a video of `face_frames` and returns its path."""

    def write(path: Path, pattern: str, fps: float = 25.0) -> Path:
        with VideoWriter(path, fps) as writer:
            for image in face_frames(pattern):
                writer.write(image)
        return path

    return write
