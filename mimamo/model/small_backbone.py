"""A small backbone for the spatial stream, trained together with the network.

It sees the same small grey face that motion is read from, so it needs no images beyond a cache's,
no pretrained weights and no GPU.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from mimamo.errors import InputError
from mimamo.faces.small_grey import small_grey
from mimamo.model.resnet50 import ConvNorm, checked_image_size
from mimamo.settings import shown

WIDTHS = (16, 32, 64, 96)
FEATURE_DIM = 128
_GRID = 3  # the face is pooled to so many cells each way: eyes and mouth stay apart


class SmallBackbone(nn.Module):
    """Grey faces ``[N, 1, S, S]`` → features ``[N, 128]``: four convolutions with stride 2.

    Every face is first brought to mean 0 and deviation 1, so that light matters little.

    Args:
        image_size: S, at least 32.
        kind: "small"; there is no other, but a checkpoint says so.

    Raises:
        InputError: another kind, or an image size that is no whole number of at least 32.
    """

    feature_dim = FEATURE_DIM

    def __init__(self, image_size: int = 48, kind: str = "small") -> None:
        super().__init__()
        if kind != "small":
            raise InputError(f"kind: expected 'small', got {shown(kind)}")
        self.image_size = checked_image_size(image_size)
        self.stem = ConvNorm(1, WIDTHS[0], 5, stride=2)
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(ConvNorm(before, after, 3, stride=2), nn.ReLU())
                for before, after in pairwise(WIDTHS)
            )
        )
        self.fc = nn.Linear(WIDTHS[-1] * _GRID**2, FEATURE_DIM)

    @property
    def settings(self) -> dict[str, str | int]:
        """What a checkpoint has to say of it beside its weights."""
        return {"kind": "small", "image_size": self.image_size}

    def forward(self, images: Tensor) -> Tensor:
        """Return the features ``[N, 128]`` of prepared faces ``[N, 1, S, S]``."""
        x = self.blocks(F.relu(self.stem(images)))  # [N, 96, S/16, S/16]
        x = F.adaptive_avg_pool2d(x, _GRID)
        return self.fc(rearrange(x, "n c h w -> n (c h w)"))

    def preprocess(self, crops: Tensor) -> Tensor:
        """Bring aligned faces, uint8 ``[N, H, W, 3]`` RGB, to what `forward` takes."""
        frames = small_grey(crops.numpy() if crops.is_cpu else crops, self.image_size)
        return self.prepare(frames.to(self.stem.conv.weight.device))

    def prepare(self, frames: Tensor) -> Tensor:
        """Bring grey faces ``[N, S, S]``, uint8 or in [0, 1], to what `forward` takes."""
        images = (frames / 255 if frames.dtype == torch.uint8 else frames).float()
        mean = images.mean(dim=(1, 2), keepdim=True)
        deviation = images.std(dim=(1, 2), keepdim=True, unbiased=False)
        images = (images - mean) / (deviation + 0.02)
        return images[:, None].to(self.stem.conv.weight.dtype)
