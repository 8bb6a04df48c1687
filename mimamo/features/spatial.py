"""Spatial features: the backbone's view of each face by itself."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from mimamo.network.resnet50 import FEATURE_DIM, ResNet50


class SpatialFeatures(nn.Module):
    """A frozen ResNet50 with its preprocessing: aligned faces → features.

    It stays in evaluation mode, also inside a model that is set to train: BatchNorm would
    otherwise make a frame's features depend on the frames beside it.

    Args:
        backbone: is moved to `device` and to channels_last, in place.
        device: where the features are computed.
        batch_size: faces per pass, which bounds the memory.
    """

    def __init__(
        self, backbone: ResNet50, device: torch.device | str = "cpu", batch_size: int = 32
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise ValueError(f"batch_size: expected at least 1, got {batch_size}")
        self.backbone = backbone.to(device, memory_format=torch.channels_last).eval()
        self.batch_size = batch_size

    def train(self, mode: bool = True) -> SpatialFeatures:
        """Stay in evaluation mode, whatever `mode`."""
        return super().train(False)

    def forward(self, crops: Tensor | np.ndarray) -> Tensor:
        """Return the features of faces, each computed by itself.

        Args:
            crops: uint8 ``[N, H, W, 3]``, RGB (aligned faces are 112x112); N may be 0.

        Returns:
            float32 ``[N, 2048]`` on the CPU, detached but fit for training on.

        Raises:
            ValueError: another dtype or shape.
        """
        device = self.backbone.stem.conv.weight.device
        # Made outside inference mode: a tensor made inside could not be trained on.
        features = torch.empty(len(crops), FEATURE_DIM)
        with torch.inference_mode():
            for start in range(0, len(crops), self.batch_size):
                batch = crops[start : start + self.batch_size]
                images = self.backbone.preprocess(torch.as_tensor(batch).to(device))
                images = images.contiguous(memory_format=torch.channels_last)
                features[start : start + len(batch)] = self.backbone(images)
        return features
