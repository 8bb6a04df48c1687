"""What is trained: the network, and with it a backbone where one is trained too.

The backbone sees the cache's grey faces (small) or the images the cache was made from (ResNet50).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mimamo.data.cached_video import CachedVideo
from mimamo.data.clips import ClipDataset, VideoSequence
from mimamo.errors import InputError
from mimamo.model.checkpoint import Backbone
from mimamo.model.features import SpatialFeatures
from mimamo.model.network import MIMAMONet
from mimamo.model.resnet50 import ResNet50
from mimamo.model.small_backbone import SmallBackbone
from mimamo.video import AlignedFolder

# Images of a ResNet50 whose activations are held at a time, some 80 MB each at 224 pixels. On a CPU
# a pass over 32 takes a third longer than over 8, most of it for memory that is returned to the
# system and fetched again with every layer.
CPU_CHUNK, GPU_CHUNK = 8, 64
_READERS = 8  # threads that read images


class TrainedModel(nn.Module):
    """MIMAMO Net, and the backbone before it if that is trained too.

    Args:
        network: as it is.
        backbone: None for spatial features that were computed before. A `ResNet50` keeps the
            statistics of its BatchNorms, and its activations are computed twice to save memory.
    """

    def __init__(self, network: MIMAMONet, backbone: Backbone | None = None) -> None:
        super().__init__()
        self.network = network
        self.backbone = backbone

    def train(self, mode: bool = True) -> TrainedModel:
        """Set the mode; a ResNet50's BatchNorms stay in evaluation mode."""
        super().train(mode)
        if isinstance(self.backbone, ResNet50):
            self.backbone.eval()
        return self

    def forward(self, seen: Tensor, phases: Sequence[Tensor]) -> Tensor:
        """Predict ``[B, T, 2]``.

        Args:
            seen: features ``[B, T, D]``; for a small backbone grey faces ``[B, T, S, S]`` in
                [0, 1]; for a ResNet50 faces ``[B, T, 3, H, W]`` in [0, 1].
            phases: as for `MIMAMONet`.
        """
        return self.network(self._features(seen), phases)

    def _features(self, seen: Tensor) -> Tensor:
        if self.backbone is None:
            return seen
        clips, frames = seen.shape[:2]
        images = seen.flatten(0, 1)
        if isinstance(self.backbone, SmallBackbone):
            features = self.backbone(self.backbone.prepare(images))
        else:
            size = CPU_CHUNK if images.device.type == "cpu" else GPU_CHUNK
            features = torch.cat(
                [
                    checkpoint(resnet_features, self.backbone, chunk, use_reentrant=False)
                    for chunk in images.split(size)
                ]
            )
        return features.view(clips, frames, -1)


def resnet_features(backbone: ResNet50, images: Tensor) -> Tensor:
    """Features ``[N, 2048]`` of faces ``[N, 3, H, W]`` in [0, 1]."""
    return backbone(backbone.prepare(images * 255))


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
                    "sees the images, not the cache, until it has one of its own by `mimamo "
                    "extract --backbone RUN/best.safetensors`"
                )
            folder, numbers = AlignedFolder(source, crop="centre"), video.numbers.numpy()
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


def video_features(
    backbone: Backbone | None,
    video: VideoSequence,
    images: FaceImages | None = None,
    faces: np.ndarray | None = None,
) -> Tensor:
    """Features of a video, float16 or float32 ``[T, D]``.

    Args:
        backbone: that was trained with the network; None for the features in the cache.
        video: the backbone is in evaluation mode and sees its grey faces, or its images.
        images: of the video, for a ResNet50.
        faces: which of the video's faces, int64 ``[T]``; None for all.
    """
    faces = np.arange(len(video)) if faces is None else faces
    if isinstance(backbone, ResNet50) and images is not None:
        return images.features(backbone, video.name, faces)
    chosen = torch.from_numpy(faces)
    if isinstance(backbone, SmallBackbone):
        return small_features(backbone, video.frames[chosen])
    return video.features[chosen]


@torch.inference_mode()
def small_features(backbone: SmallBackbone, frames: Tensor) -> Tensor:
    """Features of grey faces, uint8 ``[T, S, S]``: float32 ``[T, 128]`` on the CPU."""
    device = backbone.stem.conv.weight.device
    parts = [
        backbone(backbone.prepare(part.to(device))).float().cpu() for part in frames.split(512)
    ]
    return torch.cat(parts)
