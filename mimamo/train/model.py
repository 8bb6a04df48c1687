"""What is trained: the network, and with it a backbone where one is trained too."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mimamo.network.checkpoint import Backbone
from mimamo.network.mimamo_net import MIMAMONet
from mimamo.network.resnet50 import NORMALISATIONS, ResNet50
from mimamo.network.small_backbone import SmallBackbone

# Images of a ResNet50 whose activations are held at a time, some 80 MB each at 224 pixels. On a CPU
# a pass over 32 takes a third longer than over 8, most of it for memory that is returned to the
# system and fetched again with every layer.
CPU_CHUNK, GPU_CHUNK = 8, 64


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
    return backbone(resnet_input(backbone, images))


def resnet_input(backbone: ResNet50, images: Tensor) -> Tensor:
    """Bring faces ``[N, 3, H, W]`` in [0, 1] to what `backbone` takes, differentiably in nothing.

    The same as :meth:`ResNet50.preprocess` of the faces as uint8, but for their rounding.
    """
    size = backbone.image_size
    side = round(size * 256 / 224)
    images = nn.functional.interpolate(
        images * 255, size=[side, side], mode="bilinear", align_corners=False, antialias=True
    )
    first = (side - size) // 2
    images = images[:, :, first : first + size, first : first + size]
    norm = NORMALISATIONS[backbone.variant]
    mean, std = (images.new_tensor(values).view(3, 1, 1) for values in (norm.mean, norm.std))
    return (images * norm.scale - mean) / std
