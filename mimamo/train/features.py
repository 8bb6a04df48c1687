"""The spatial features of a cache's videos, by whatever backbone goes with the network."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mimamo.data.clips import VideoSequence
from mimamo.network.checkpoint import Backbone
from mimamo.network.resnet50 import ResNet50
from mimamo.network.small_backbone import SmallBackbone
from mimamo.train.images import FaceImages


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
def small_features(backbone: SmallBackbone, frames: Tensor, batch_size: int = 512) -> Tensor:
    """Features of grey faces, uint8 ``[T, S, S]``: float32 ``[T, 128]`` on the CPU."""
    device = backbone.stem.conv.weight.device
    parts = [
        backbone(backbone.prepare(part.to(device))).float().cpu()
        for part in frames.split(batch_size)
    ]
    return torch.cat(parts)
