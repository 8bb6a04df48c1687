"""Bands of directions between those of a pyramid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from phasenet import checks
from phasenet.coefficients import PyramidCoeffs


def steer(coeffs: PyramidCoeffs, angles: Any) -> tuple[Tensor, ...]:
    """Real bands in any direction, from those of a pyramid.

    The N real filters ``cos(theta - pi b / N)^(N - 1)`` of a scale span those of all directions
    (Freeman & Adelson, "The design and use of steerable filters", PAMI 13(9), 1991; Simoncelli &
    Freeman, "The steerable pyramid", ICIP 1995), so this is what a band of that direction would be,
    exactly. It holds for real parts: the half plane of an analytic band turns with its direction.

    Args:
        coeffs: of a pyramid, complex or real.
        angles: radians from the x axis towards +y (downwards), as the directions ``pi b / nbands``
            of the bands: a number, or a sequence or tensor ``[A]`` of them. Gradients reach it.

    Returns:
        One real tensor ``[..., A, h, w]`` for each of ``coeffs.bands``; a number is one angle.

    Raises:
        TypeError, ValueError: `coeffs` are no coefficients of images, or `angles` no numbers, or
            infinite ones (not looked for in a tensor).
    """
    coeffs = PyramidCoeffs.map(coeffs, lambda x: x)  # which checks them
    like = coeffs.highpass
    if like.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"coeffs.highpass: expected dtype float32 or float64, got {like.dtype}")
    bands = [x.real if x.is_complex() else x for x in coeffs.bands]
    for i, band in enumerate(bands):
        name = f"coeffs.bands[{i}]"
        if band.dim() < 3 or band.shape[-3] != bands[0].shape[-3] or band.shape[-3] == 0:
            raise ValueError(f"{name}: expected shape [..., nbands, h, w], got {list(band.shape)}")
        checks.check_tensor(name, band, band.shape, like.dtype, like.device)
    angles = _as_angles(angles, like)
    return tuple(
        torch.einsum("ab,...bhw->...ahw", _weights(angles, band.shape[-3]), band) for band in bands
    )


def _as_angles(angles: Any, like: Tensor) -> Tensor:
    if not isinstance(angles, (int, float, Tensor, Sequence)) or isinstance(angles, (bool, str)):
        raise TypeError(f"angles: expected numbers, got {type(angles).__name__}")
    try:
        result = torch.as_tensor(angles, dtype=like.dtype, device=like.device)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"angles: expected numbers, got {angles!r}") from None
    most = torch.finfo(like.dtype).max
    values = angles if isinstance(angles, Sequence) else [angles]
    if any(isinstance(x, (int, float)) and not abs(x) <= most for x in values):
        raise ValueError(f"angles: expected finite numbers, got {angles!r}")
    if result.dim() > 1:
        raise ValueError(f"angles: expected a number or shape [A], got {list(result.shape)}")
    return result.reshape(-1)


def _weights(angles: Tensor, nbands: int) -> Tensor:
    """``[A, nbands]``: how much of each band is in that of an angle.

    ``cos^n`` has the harmonics n, n - 2, ... only, and at nbands angles between 0 and pi these are
    orthogonal; a harmonic of 0 counts once, the others with their opposites.
    """
    own = math.pi / nbands * torch.arange(nbands, dtype=angles.dtype, device=angles.device)
    turned = angles[:, None] - own
    harmonics = torch.arange(nbands - 1, -1, -2, dtype=angles.dtype, device=angles.device)
    shares = (harmonics.clamp(max=1) + 1) / nbands
    return torch.cos(turned[..., None] * harmonics) @ shares
