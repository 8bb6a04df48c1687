"""Small data sets, a small backbone and small networks for the tests of training."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mimamo import MIMAMOConfig
from mimamo.training import TrainingConfig

AddVideo = Callable[..., None]


class PixelBackbone(nn.Module):
    """Stands in for a ResNet50, which takes long: its features are local means of the pixels."""

    variant = "ferplus"
    image_size = 26

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__()
        self.stem = nn.Sequential()
        self.stem.conv = nn.Module()
        self.stem.conv.weight = nn.Parameter(torch.zeros(1))
        self.gain = gain

    def preprocess(self, crops: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(crops.permute(0, 3, 1, 2).float(), 26)

    def forward(self, images: Tensor) -> Tensor:
        return F.pad(images.flatten(1), (0, 2048 - 3 * 26 * 26)) * self.gain


@pytest.fixture
def pixel_backbone() -> type[PixelBackbone]:
    return PixelBackbone


@pytest.fixture
def tiny_config() -> TrainingConfig:
    """A recipe and a network that train in a second."""
    return TrainingConfig(
        epochs=2,
        clip_length=16,
        stride=8,
        batch_size=4,
        network=MIMAMOConfig(
            num_phase=4, phase_size=16, channels=(4, 6, 8), hidden=16, rnn_hidden=8
        ),
    )


@pytest.fixture(scope="session")
def add_video() -> AddVideo:
    """Adds a video to a data set: `add_video(root, subset, name, images, annotations)`.

    `images` maps frame numbers, from 1, to uint8 [112, 112, 3] RGB; `annotations` are pairs.
    """

    def add(
        root: Path,
        subset: str,
        name: str,
        images: Mapping[int, np.ndarray],
        annotations: Iterable[tuple[float, float]],
    ) -> None:
        for other in ("Train_Set", "Validation_Set"):
            (root / "annotations" / other).mkdir(parents=True, exist_ok=True)
        lines = ["valence,arousal", *(f"{valence},{arousal}" for valence, arousal in annotations)]
        (root / "annotations" / subset / f"{name}.txt").write_text("\n".join(lines) + "\n")
        folder = root / "cropped_aligned" / name
        folder.mkdir(parents=True)
        for number, image in images.items():
            cv2.imwrite(str(folder / f"{number:05d}.jpg"), image[..., ::-1])

    return add


def moving_texture(length: int, seed: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Faces of a kind: valence is how bright they are, arousal how fast their texture moves.

    Returns images uint8 [112, 112, 3], and labels [length, 2].
    """
    random = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(random.standard_normal((112, 1000)), (0, 0), 6)
    texture = noise / noise.std() * 30
    time = np.arange(length)
    phases = random.uniform(0, 2 * np.pi, 2)
    labels = 0.8 * np.sin(2 * np.pi * time[:, None] / [60, 45] + phases)
    positions = np.cumsum(2.5 * (1 + labels[:, 1]))
    images = []
    for position, valence in zip(positions, labels[:, 0], strict=True):
        shift = np.array([[1, 0, -position], [0, 1, 0]])
        grey = cv2.warpAffine(texture, shift, (112, 112)) + 128 + 60 * valence
        images.append(np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2))
    return images, labels


@pytest.fixture(scope="session")
def learnable(tmp_path_factory: pytest.TempPathFactory, add_video: AddVideo) -> Path:
    """A data set that can be learnt by heart: the validation set is the training set again.

    It is shared; tests that change it take `learnable_copy`.
    """
    root = tmp_path_factory.mktemp("learnable")
    for seed in range(3):
        images, labels = moving_texture(56, seed)
        for subset in ("Train_Set", "Validation_Set"):
            numbered = dict(enumerate(images, start=1))
            add_video(root, subset, f"{subset}-{seed}", numbered, labels.round(4))
    return root


@pytest.fixture
def learnable_copy(learnable: Path, tmp_path: Path) -> Path:
    return shutil.copytree(learnable, tmp_path / "data")
