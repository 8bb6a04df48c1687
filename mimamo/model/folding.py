"""A backbone for inference alone: every BatchNorm folded into the convolution before it."""

from __future__ import annotations

import copy

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mimamo.model.resnet50 import ConvNorm, ResNet50
from mimamo.model.small_backbone import SmallBackbone


def fold_batch_norm(backbone: ResNet50 | SmallBackbone) -> ResNet50 | SmallBackbone:
    """Return a copy of `backbone`, in evaluation mode, that computes the same with fewer passes.

    In evaluation mode BatchNorm multiplies and shifts each channel by constants, and so does a
    convolution with other weights and a bias: the result is the same up to rounding. The copy can
    neither be calibrated nor trained, nor saved as a backbone.
    """
    folded = copy.deepcopy(backbone).eval().requires_grad_(False)
    for module in folded.modules():
        if isinstance(module, ConvNorm):
            module.conv = fuse_conv_bn_eval(module.conv, module.bn)
            module.bn = nn.Identity()
    return folded
