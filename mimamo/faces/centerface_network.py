"""CenterFace's network (Xu et al., 2019, arXiv:1911.03599) in torch: pictures in batches."""

from __future__ import annotations

import os

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mimamo.errors import InputError
from mimamo.faces.centerface import HEADS
from mimamo.faces.onnx_weights import read_weights

# Of MobileNetV2's stages: channels, blocks and stride (Sandler et al., CVPR 2018, table 2).
_STAGES = ((24, 2, 2), (32, 3, 2), (64, 4, 2), (96, 3, 1), (160, 3, 2), (320, 1, 1))
_EXPANSION = 6
_NECK = 24  # channels of the neck, which adds up the stages of
_LATERAL = (96, 32, 24)  # these channels, the coarsest first


class CenterFaceNetwork(nn.Module):
    """RGB pictures ``[N, 3, H, W]``, 0 to 255, to ``[N, 15, H/4, W/4]``: what each cell sees.

    MobileNetV2, whose stages are enlarged and added up to a quarter of the picture's size. The
    channels of the result are those of `HEADS`, one after the other; heat is from 0 to 1. H and W
    are multiples of 32. It is in evaluation mode, its weights need no gradient.

    Args:
        model: an ONNX file of the network, from which the weights are taken.

    Raises InputError if the file is missing or of another network.
    """

    def __init__(self, model: str | os.PathLike[str]) -> None:
        super().__init__()
        # Modules are defined in the order in which they compute, which is that of the file.
        self.stem = nn.Sequential(
            *_convolution(3, 32, 3, stride=2), *_convolution(32, 32, 3, groups=32),
            nn.Conv2d(32, 16, 1),
        )  # fmt: skip
        self.stages = nn.ModuleList()
        channels = 16
        for width, depth, stride in _STAGES:
            blocks = nn.Sequential()
            for block in range(depth):
                blocks.append(_Block(channels, width, 1 if block else stride))
                channels = width
            self.stages.append(blocks)
        self.last = nn.Sequential(*_convolution(channels, _NECK, 1))
        self.up = nn.ModuleList(_Up(lateral) for lateral in _LATERAL)
        self.shared = nn.Sequential(*_convolution(_NECK, _NECK, 3))
        self.heads = nn.ModuleList(nn.Conv2d(_NECK, width, 1) for width in HEADS)
        self._load(model)
        self.eval().requires_grad_(False)
        for module in self.modules():
            if isinstance(module, _Up):
                module.fold()

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        seen = {}
        for stage in self.stages:
            x = stage(x)
            seen[x.shape[1]] = x
        x = self.last(x)
        for up, lateral in zip(self.up, _LATERAL, strict=True):
            x = up(x, seen[lateral])
        x = self.shared(x)
        heat, *others = (head(x) for head in self.heads)
        return torch.cat([heat.sigmoid(), *others], dim=1)

    def _load(self, model: str | os.PathLike[str]) -> None:
        arrays = read_weights(model)
        state = self.state_dict()
        own = [value for name, value in state.items() if "num_batches" not in name]
        if [x.shape for x in arrays] != [tuple(x.shape) for x in own]:
            raise InputError(f"{model}: expected a CenterFace ONNX file, got another")
        for value, array in zip(own, arrays, strict=True):
            value.copy_(torch.from_numpy(array.copy()))


def _convolution(
    channels: int, width: int, kernel: int, stride: int = 1, groups: int = 1
) -> tuple[nn.Module, nn.Module]:
    """A convolution whose padding keeps the size at stride 1, and a ReLU."""
    convolution = nn.Conv2d(
        channels, width, kernel, stride=stride, padding=kernel // 2, groups=groups
    )
    return convolution, nn.ReLU(inplace=True)


class _Block(nn.Module):
    """MobileNetV2's block: wider by 1x1, 3x3 on each channel alone, narrower by 1x1."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        wide = _EXPANSION * channels
        self.layers = nn.Sequential(
            *_convolution(channels, wide, 1), *_convolution(wide, wide, 3, stride, wide),
            nn.Conv2d(wide, width, 1),
        )  # fmt: skip
        self.adds = stride == 1 and channels == width

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.adds else self.layers(x)


class _Up(nn.Module):
    """A step of the neck: twice the size, plus a stage of that size."""

    def __init__(self, lateral: int) -> None:
        super().__init__()
        self.enlarge = nn.ConvTranspose2d(_NECK, _NECK, 2, stride=2, bias=False)
        self.bn: nn.Module = nn.BatchNorm2d(_NECK, eps=1e-3)
        self.lateral = nn.Conv2d(lateral, _NECK, 1)

    def fold(self) -> None:
        """Fold BatchNorm, in evaluation mode, into the convolution before it."""
        if isinstance(self.bn, nn.BatchNorm2d):
            self.enlarge = fuse_conv_bn_eval(self.enlarge, self.bn, transpose=True)
            self.bn = nn.Identity()

    def forward(self, x: Tensor, stage: Tensor) -> Tensor:
        return F.relu_(self.bn(self.enlarge(x))) + F.relu_(self.lateral(stage))
