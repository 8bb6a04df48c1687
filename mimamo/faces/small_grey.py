"""Aligned faces, wherever they are, as the small grey frames whose phases are compared."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from mimamo.faces.alignment import phase_frames

# Pillow computes in whole numbers, which float64 holds exactly.
_LUMA, _LUMA_BITS = (19595, 38470, 7471), 16  # ITU-R 601
_LOBES = 3  # of Lanczos' window
_BITS = 22  # of its weights


def stacked(crops: Sequence[np.ndarray | Tensor]) -> np.ndarray | Tensor:
    """Pictures of one size in an array, or in a tensor where they are tensors."""
    if isinstance(crops[0], Tensor):
        return torch.stack([torch.as_tensor(crop) for crop in crops])
    return np.stack(crops)


def small_grey(crops: np.ndarray | Tensor, size: int) -> Tensor:
    """As `mimamo.faces.phase_frames`, bit for bit, of a tensor on its own device.

    Args:
        crops: uint8 ``[N, H, W, 3]``, RGB.
        size: height and width of the result, pixels.

    Returns:
        uint8 ``[N, size, size]``.
    """
    if not isinstance(crops, Tensor):
        return torch.from_numpy(phase_frames(crops, size))
    height, width = crops.shape[1:3]
    luma = torch.tensor(_LUMA, dtype=torch.float64, device=crops.device)
    x = _rounded(crops.double() @ luma, _LUMA_BITS)
    x = _rounded(x @ _lanczos(width, size).T.to(crops.device), _BITS)
    return _rounded(_lanczos(height, size).to(crops.device) @ x, _BITS).byte()


def _rounded(sums: Tensor, bits: int) -> Tensor:
    """Sums of weights that add up to ``2^bits``, as grey levels; halves up."""
    return sums.add_(1 << (bits - 1)).div_(1 << bits).floor_().clamp_(0, 255)


@lru_cache
def _lanczos(before: int, after: int) -> Tensor:
    """The weights of `before` pixels in each of `after`, whole numbers: float64 [after, before]."""
    step = before / after
    wide = max(step, 1.0)
    weights = np.zeros((after, before))
    for row, centre in zip(weights, (np.arange(after) + 0.5) * step, strict=True):
        first = max(int(centre - _LOBES * wide + 0.5), 0)
        last = min(int(centre + _LOBES * wide + 0.5), before)
        x = (np.arange(first, last) - centre + 0.5) / wide
        own = np.sinc(x) * np.sinc(x / _LOBES) * (np.abs(x) < _LOBES)
        own /= own.sum()
        row[first:last] = np.trunc(own * (1 << _BITS) + np.copysign(0.5, own))
    return torch.from_numpy(weights)
