"""Weights and videos for the tests of whole commands."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from support import networks
from support.films import face_frames
from support.published_network import PublishedNetwork, published_network
from support.recipes import TINY

from mimamo.extract import extract
from mimamo.faces import batched_centerface
from mimamo.model import MIMAMONet, ResNet50, save_checkpoint
from mimamo.train import TrainingConfig
from mimamo.video import VideoWriter

AddVideo = Callable[..., None]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Makes a file system of so many bytes, where one may be mounted: `small_disk(3_000_000)`."""
    place = tmp_path / "disk"

    def mount(size: int) -> Path:
        place.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], capture_output=True
        )
        if done.returncode:
            pytest.skip("a file system may not be mounted here, which needs root")
        return place

    yield mount
    if place.is_mount():
        subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
def tiny_network() -> MIMAMONet:
    return networks.tiny_network()


@pytest.fixture
def by_threes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of three frames in the search for faces."""
    monkeypatch.setattr(batched_centerface, "_FRAMES", 3)


@pytest.fixture(scope="session")
def golden() -> PublishedNetwork:
    return published_network()


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


@pytest.fixture(scope="session")
def film() -> Callable[..., Path]:
    """Writes a video of `face_frames` and returns its path."""

    def write(path: Path, pattern: str, fps: float = 25.0) -> Path:
        with VideoWriter(path, fps) as writer:
            for image in face_frames(pattern):
                writer.write(image)
        return path

    return write


@pytest.fixture
def tiny_config() -> TrainingConfig:
    """A recipe and a network that train in a second."""
    return TINY


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


@pytest.fixture(scope="session")
def small_cache(tmp_path_factory: pytest.TempPathFactory, learnable: Path) -> Path:
    """The learnable data set for a small backbone. It is shared: not to be changed."""
    root = tmp_path_factory.mktemp("small") / "cache"
    extract(learnable, root, backbone="small")
    return root


@pytest.fixture(scope="session")
def resnet_cache(tmp_path_factory: pytest.TempPathFactory, learnable: Path) -> Path:
    """The learnable data set with the features of a random ResNet50. It is shared as well."""
    root = tmp_path_factory.mktemp("resnet") / "cache"
    extract(learnable, root, backbone="random", image_size=32)
    return root
