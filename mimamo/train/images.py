"""The faces' images, read while training and predicting, for a ResNet50 that is trained too."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mimamo.data.cache import CachedVideo
from mimamo.data.clips import ClipDataset
from mimamo.errors import InputError
from mimamo.features import SpatialFeatures
from mimamo.network.resnet50 import ResNet50
from mimamo.video import AlignedFolder

_READERS = 8


class FaceImages:
    """Reads the images of clips and of videos.

    Args:
        videos: of a cache; their folders of aligned faces must still be there.

    Raises:
        InputError: a video's faces are not images in a folder, or some are no longer there.
    """

    def __init__(self, videos: Sequence[CachedVideo]) -> None:
        self._folders: dict[str, tuple[AlignedFolder, np.ndarray]] = {}
        for video in videos:
            source = Path(video.source)
            if not source.is_dir():
                found = "a video" if source.is_file() else "none"
                raise InputError(
                    f"{source}: expected the folder of aligned faces that {video.name} was "
                    f"extracted from, got {found}; a ResNet50 that is trained with the network "
                    "sees the images, not the cache"
                )
            folder, numbers = AlignedFolder(source), video.numbers.numpy()
            missing = [number for number in numbers if number not in folder.images]
            if missing:
                raise InputError(f"{source}: image {missing[0]} is in the cache but not there")
            self._folders[video.name] = folder, numbers
        self._pool = ThreadPoolExecutor(_READERS)

    def gather(self, dataset: ClipDataset, indices: Sequence[int]) -> Tensor:
        """The images of these clips of `dataset`: uint8 ``[B, L, 3, 112, 112]``."""
        clips = []
        for index in indices:
            number, start = dataset.clips[index]
            video = dataset.videos[number]
            own = np.arange(start, start + dataset.length).clip(max=len(video) - 1)
            clips.append(self._read(video.name, own))
        return torch.from_numpy(np.stack(clips)).permute(0, 1, 4, 2, 3)

    def features(
        self, backbone: ResNet50, name: str, faces: np.ndarray, batch: int = 256
    ) -> Tensor:
        """Features of T faces of a video by `backbone` as it is now: float32 ``[T, 2048]``."""
        device = backbone.stem.conv.weight.device
        spatial = SpatialFeatures(backbone, device)
        parts = np.array_split(faces, -(-len(faces) // batch))
        return torch.cat([spatial(self._read(name, part)) for part in parts])

    def _read(self, name: str, frames: np.ndarray) -> np.ndarray:
        folder, numbers = self._folders[name]
        return np.stack(list(self._pool.map(folder.read, numbers[frames].tolist())))
