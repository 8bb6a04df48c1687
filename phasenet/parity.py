"""Comparing results with the float64 reference, also where two correct ones may differ.

A phase within rounding of +-pi, or a jump within rounding of +-pi, may be unwrapped either way.
From that frame on the window's planes then differ in an 11 x 11 patch around the pixel (and by a
constant elsewhere, through the mean). Such patches are found in float64 and left out; nothing is
loosened for the rest.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from phasenet import reference


def relative_error(got: Tensor, expected: Tensor) -> float:
    """||got - expected|| / ||expected||."""
    expected = expected.to(torch.complex128 if expected.is_complex() else torch.float64)
    return float((got.to(expected.dtype) - expected).norm() / expected.norm())


def window_indices(length: int, num_phase: int, boundary: str) -> Tensor:
    """Frame indices of every window, [windows, P + 1]."""
    first = -(num_phase // 2) if boundary == "replicate" else 0
    count = length if boundary == "replicate" else length - num_phase
    windows = torch.arange(count)[:, None] + first + torch.arange(num_phase + 1)
    return windows.clamp(0, length - 1)


def ambiguous_planes(
    frames: Tensor,
    num_phase: int,
    *,
    height: int = 4,
    nbands: int = 2,
    levels: tuple[int, ...] = (1, 2),
    boundary: str = "replicate",
    rounding: float = 2e-6,
) -> list[Tensor]:
    """Per level, where the planes ``[windows, nbands * P, h, w]`` of `frames` [T, H, W] may differ.

    `rounding` is the error of a band relative to its largest coefficient; a coefficient's phase is
    uncertain by that over its amplitude.
    """
    x = reference._mirror(reference._to_float(frames).double())
    bands = reference.SteerablePyramid(height, nbands)(x).bands
    index = window_indices(frames.shape[0], num_phase, boundary)
    masks = []
    for level in levels:
        band = bands[level - 1]
        band = band[..., : band.shape[-2] // 2, : band.shape[-1] // 2][index].transpose(1, 2)
        uncertainty = rounding * band.abs().max() / band.abs().clamp_min(1e-30)
        phase = band.angle()
        near_cut = (math.pi - phase.abs()) < uncertainty
        jump = phase.diff(dim=2)
        both = uncertainty[:, :, 1:] + uncertainty[:, :, :-1]
        near_cut[:, :, 1:] |= (jump.abs() - math.pi).abs() < both
        near_cut = near_cut.cummax(dim=2).values
        touched = (near_cut[:, :, 1:] | near_cut[:, :, :-1]).flatten(1, 2)
        masks.append(F.max_pool2d(touched.float(), 11, stride=1, padding=5) > 0)
    return masks


def phase_error(got: Tensor, expected: Tensor, ambiguous: Tensor) -> tuple[float, float]:
    """Relative error outside the ambiguous patches, and the share of values left out.

    Planes with a patch are compared after taking their own mean over the kept pixels off.
    """
    got, expected, keep = got.double(), expected.double(), (~ambiguous).double()
    count = keep.sum((-2, -1), keepdim=True)
    partial = (count < keep.shape[-1] * keep.shape[-2]).double()

    def centred(x: Tensor) -> Tensor:
        mean = (x * keep).sum((-2, -1), keepdim=True) / count.clamp_min(1)
        return (x - partial * mean) * keep

    error = (centred(got) - centred(expected)).norm() / centred(expected).norm()
    return float(error), float(1 - keep.mean())
