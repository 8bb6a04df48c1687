"""ResNet50 without its classifier: the backbone of the spatial stream.

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016. Two variants of it are in use,
and weights of one give nonsense in the other:

============  ==================================  =========================================
variant       "ferplus"                           "torchvision"
============  ==================================  =========================================
origin        Caffe; the authors' backbone,       torchvision, timm and most others
              VGGFace2 + FER+
stride 2 in   the first 1x1 of a stage            the 3x3
max pool      no padding, sizes rounded up        padding 1, sizes rounded down
input         RGB 0-255 minus the faces' mean     RGB 0-1, ImageNet's mean and deviation
============  ==================================  =========================================
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange, reduce
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from mimamo.errors import InputError
from mimamo.settings import is_whole, shown

FEATURE_DIM = 2048
# Width of the bottleneck and number of blocks, stage by stage.
STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))
EXPANSION = 4  # a block's output is this many times wider than its bottleneck


@dataclass(frozen=True)
class Normalisation:
    """``(pixel · scale - mean) / std`` for pixels 0-255, per channel RGB."""

    scale: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    spread: float  # deviation of ordinary images after it, roughly


NORMALISATIONS = {
    "ferplus": Normalisation(1.0, (131.0912, 103.8827, 91.4953), (1.0, 1.0, 1.0), 64.0),
    "torchvision": Normalisation(1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 1.0),
}


def checked_image_size(size: int) -> int:
    """`size`, the side of a backbone's input; InputError if it is no number from 32 to 2048."""
    if not is_whole(size, 32, 2048):
        raise InputError(f"image_size: expected a whole number from 32 to 2048, got {shown(size)}")
    return size


class ConvNorm(nn.Module):
    """A convolution without bias and its BatchNorm; zero padding keeps the size at stride 1."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel, stride=stride, padding=kernel // 2, bias=False
        )
        self.bn: nn.Module = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x))


class Bottleneck(nn.Module):
    """1x1 to `width`, 3x3, 1x1 to ``4·width``, added to the input: ``[N, c, h, w]`` →
    ``[N, 4·width, h/stride, w/stride]``. The input is projected where its shape differs.
    """

    def __init__(self, in_channels: int, width: int, stride: int, stride_in_3x3: bool) -> None:
        super().__init__()
        out_channels = EXPANSION * width
        self.reduce = ConvNorm(in_channels, width, 1, 1 if stride_in_3x3 else stride)
        self.middle = ConvNorm(width, width, 3, stride if stride_in_3x3 else 1)
        self.expand = ConvNorm(width, out_channels, 1)
        projects = stride != 1 or in_channels != out_channels
        self.project = ConvNorm(in_channels, out_channels, 1, stride) if projects else None

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.project is None else self.project(x)
        # In place: nothing else needs these outputs, and fresh memory costs time.
        x = F.relu_(self.reduce(x))
        x = F.relu_(self.middle(x))
        return F.relu_(self.expand(x).add_(shortcut))


class ResNet50(nn.Module):
    """Images ``[N, 3, S, S]`` → features ``[N, 2048]``, the average over the last stage's output.

    It starts with random weights (He et al. 2015), drawn so that in evaluation mode, where
    BatchNorm normalises nothing yet, features of ordinary images are of the order of 1. With
    :meth:`calibrate` such a network gives usable random features where there are no trained
    weights; :func:`~mimamo.model.weights.load_weights` reads trained ones.

    Args:
        variant: "ferplus" or "torchvision", see the module's table.
        image_size: S, to which :meth:`preprocess` brings the images; at least 32.
        seed: of the random weights; None draws them from torch's global generator.

    Raises:
        InputError: an unknown variant, or an image size that is no whole number of at least 32.
    """

    feature_dim = FEATURE_DIM

    def __init__(
        self, variant: str = "ferplus", image_size: int = 224, seed: int | None = None
    ) -> None:
        super().__init__()
        if variant not in NORMALISATIONS:
            raise InputError(
                f"variant: expected {' or '.join(map(repr, NORMALISATIONS))}, got {shown(variant)}"
            )
        self.variant = variant
        self.image_size = checked_image_size(image_size)
        self.stem = ConvNorm(3, 64, 7, stride=2)
        if variant == "ferplus":
            self.pool = nn.MaxPool2d(3, stride=2, padding=0, ceil_mode=True)
        else:
            self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        stages = []
        channels = 64
        for number, (width, depth) in enumerate(STAGES):
            blocks = []
            for block in range(depth):
                stride = 2 if number > 0 and block == 0 else 1
                blocks.append(Bottleneck(channels, width, stride, variant == "torchvision"))
                channels = EXPANSION * width
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self._draw_weights(seed)

    @property
    def settings(self) -> dict[str, str | int]:
        """What a checkpoint has to say of it beside its weights."""
        return {"variant": self.variant, "image_size": self.image_size}

    def forward(self, images: Tensor) -> Tensor:
        """Return the features ``[N, 2048]``, all ≥ 0, of preprocessed images ``[N, 3, S, S]``."""
        x = self.pool(F.relu_(self.stem(images)))  # [N, 64, S/4, S/4]
        x = self.stages(x)  # [N, 2048, S/32, S/32]
        # Never negative after the last block's ReLU: another behind the average, as the authors
        # have it, would change nothing.
        return reduce(x, "n c h w -> n c", "mean")

    def preprocess(self, crops: Tensor) -> Tensor:
        """Bring images to the size and the value range the variant expects.

        The shorter side is resized to ``256/224 · image_size`` (bilinear, antialiased), the centre
        is cut out, and the variant's normalisation is applied.

        Args:
            crops: uint8 ``[N, H, W, 3]``, RGB, of any size.

        Returns:
            ``[N, 3, image_size, image_size]`` in the weights' dtype.

        Raises:
            ValueError: another dtype or shape.
        """
        if crops.dtype != torch.uint8 or crops.ndim != 4 or crops.shape[3] != 3:
            raise ValueError(
                f"crops: expected uint8 [N, H, W, 3], got {crops.dtype} {list(crops.shape)}"
            )
        # Antialiased resizing takes half the time on contiguous planes.
        images = rearrange(crops, "n h w c -> n c h w").float().contiguous()
        return self.prepare(images).to(self.stem.conv.weight.dtype)

    def prepare(self, images: Tensor) -> Tensor:
        """As `preprocess`, of images ``[N, 3, H, W]``, RGB, floating point from 0 to 255."""
        size = self.image_size
        height, width = images.shape[2:]
        shorter = round(size * 256 / 224)
        target = [shorter * side // min(height, width) for side in (height, width)]
        images = F.interpolate(
            images, size=target, mode="bilinear", align_corners=False, antialias=True
        )
        top, left = ((side - size) // 2 for side in target)
        images = images[:, :, top : top + size, left : left + size]
        norm = NORMALISATIONS[self.variant]
        mean, std = (images.new_tensor(values).view(3, 1, 1) for values in (norm.mean, norm.std))
        return (images * norm.scale - mean) / std

    def calibrate(self, crops: Tensor, batch_size: int = 32) -> None:
        """Set BatchNorm's means and variances to those of `crops`; nothing else changes.

        It makes random weights useful: each layer's output is centred and scaled on the kind of
        image it will see. Batches count alike, so shuffle crops that come in an order.

        Args:
            crops: uint8 ``[N, H, W, 3]``, RGB; a few dozen suffice.
            batch_size: images per pass, which bounds the memory.

        Raises:
            ValueError: no crops, or another dtype or shape.
        """
        if len(crops) == 0:
            raise ValueError("crops: expected at least one image, got none")
        device = self.stem.conv.weight.device
        batches = crops.tensor_split(math.ceil(len(crops) / batch_size))
        update_bn((self.preprocess(batch.to(device)) for batch in batches), self)

    @torch.no_grad()
    def _draw_weights(self, seed: int | None) -> None:
        # Drawn on the CPU, so that a seed means the same weights on every device.
        generator = None if seed is None else torch.Generator("cpu").manual_seed(seed)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                drawn = torch.empty(module.weight.shape, device="cpu")
                nn.init.kaiming_normal_(drawn, nonlinearity="relu", generator=generator)
                module.weight.copy_(drawn)
        # He's weights double the mean square; here that meets the variance BatchNorm divides by.
        self.stem.bn.get_buffer("running_var").fill_(2 * NORMALISATIONS[self.variant].spread ** 2)
        # Each residual branch adds to the variance. A factor of 1/√(number of blocks) keeps the sum
        # of all of them near that of one.
        factor = sum(depth for _, depth in STAGES) ** -0.5
        for block in self.modules():
            if isinstance(block, Bottleneck):
                block.expand.bn.get_parameter("weight").fill_(factor)
