"""What the network is given of faces: their spatial features and their phase differences."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

import phasenet
from mimamo.device import move
from mimamo.model.config import MIMAMOConfig
from mimamo.model.onnx_backbone import OnnxBackbone
from mimamo.model.onnx_session import OnnxSession
from mimamo.model.resnet50 import ConvNorm, ResNet50
from mimamo.model.small_backbone import SmallBackbone

#: Faces per pass. On a CPU the first layers' output of more of them outgrows the cache: 32 take a
#: third longer per face. A GPU needs more to be busy.
CPU_BATCH, GPU_BATCH = 8, 32


class SpatialFeatures(nn.Module):
    """A frozen backbone with its preprocessing: aligned faces → features.

    It computes in channels_last with BatchNorm folded into the convolutions, on a copy of the
    backbone; an ONNX file as onnxruntime does. A face's features depend on it alone: not on the
    faces beside it, and but for rounding not on how many there are.

    Args:
        backbone: is copied, and left as it is.
        device: where the features are computed.
        batch_size: faces per pass, which bounds the memory; None for 8 on a CPU, 32 on a GPU. An
            ONNX file may fix it.
        dtype: of weights and activations, `torch.float32` or `torch.bfloat16`. Sums are in
            float32 in either case. An ONNX file has its own.
        home: where the features go; None for the CPU.

    Attributes:
        note: what is to be told of where it runs; empty for nothing.

    Raises:
        InputError: an ONNX file cannot be run.
    """

    def __init__(
        self,
        backbone: ResNet50 | SmallBackbone | OnnxBackbone,
        device: torch.device | str = "cpu",
        batch_size: int | None = None,
        dtype: torch.dtype = torch.float32,
        home: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        if batch_size is None:
            batch_size = CPU_BATCH if torch.device(device).type == "cpu" else GPU_BATCH
        if batch_size < 1:
            raise ValueError(f"batch_size: expected at least 1, got {batch_size}")
        self.backbone: ResNet50 | SmallBackbone | OnnxSession
        self.note = ""
        if isinstance(backbone, OnnxBackbone):
            self.backbone = backbone.opened(device)
            self.note = self.backbone.note
            batch_size = self.backbone.batch or batch_size
        else:
            # Folded before it is rounded to `dtype`, and rounded once.
            self.backbone = move(fold_batch_norm(backbone), device, dtype)
        self.batch_size = batch_size
        self._home = torch.device(home or "cpu")

    def train(self, mode: bool = True) -> SpatialFeatures:
        """Stay in evaluation mode, whatever `mode`."""
        return super().train(False)

    def forward(self, crops: Tensor | np.ndarray) -> Tensor:
        """Return the features of faces, each computed by itself.

        Args:
            crops: uint8 ``[N, H, W, 3]``, RGB (aligned faces are 112x112); N may be 0.

        Returns:
            float32 ``[N, D]``, D the backbone's `feature_dim`, detached but fit for training on.

        Raises:
            ValueError: another dtype or shape.
        """
        device = torch.device("cpu")  # of what an ONNX file takes
        if not isinstance(self.backbone, OnnxSession):
            device = self.backbone.stem.conv.weight.device
        # Made outside inference mode: a tensor made inside could not be trained on.
        features = torch.empty(len(crops), self.backbone.feature_dim, device=self._home)
        with torch.inference_mode():
            for start in range(0, len(crops), self.batch_size):
                batch = crops[start : start + self.batch_size]
                images = self.backbone.preprocess(torch.as_tensor(batch).to(device))
                images = images.contiguous(memory_format=torch.channels_last)
                features[start : start + len(batch)] = self.backbone(images)
        return features


def fold_batch_norm(backbone: ResNet50 | SmallBackbone) -> ResNet50 | SmallBackbone:
    """Return a copy of `backbone`, in evaluation mode, that computes the same with fewer passes.

    In evaluation mode BatchNorm multiplies and shifts each channel by constants, and so does a
    convolution with other weights and a bias: the result is the same up to rounding. The copy can
    neither be calibrated nor trained, nor saved as a backbone.
    """
    folded = copy.deepcopy(backbone).eval().requires_grad_(False)
    for module in folded.modules():
        if isinstance(module, ConvNorm) and isinstance(module.bn, nn.BatchNorm2d):
            module.conv = fuse_conv_bn_eval(module.conv, module.bn)
            module.bn = nn.Identity()
    return folded


def phase_windows(frames: Tensor, config: MIMAMOConfig, context: bool) -> tuple[Tensor, ...]:
    """Phase differences of every frame's window, with the network's settings.

    Args:
        frames: grey ``[..., T, S, S]``, uint8 or floating point in [0, 1], ``S = phase_size``.
        config: says how many differences, which levels and bands, and how to unwrap.
        context: True where `frames` brings ``num_phase`` frames of context, half of them on each
            side: only frames whose window is whole are returned. False where `frames` is a whole
            video: its first and last frame are repeated.

    Returns:
        Per level ``[..., T', nbands·num_phase, h, w]`` in radians; T' is ``T - num_phase`` with
        `context`, else T.
    """
    return phasenet.phase_difference_windows(
        frames,
        config.num_phase,
        height=config.height,
        nbands=config.nbands,
        levels=config.levels,
        unwrap=config.unwrap,
        boundary="valid" if context else "replicate",
    )
