"""Phases of the pyramid's complex bands: the public function, its fake kernel and its gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from phasenet import _extension, checks
from phasenet.operators import Operator


def band_phase(bands: Tensor) -> Tensor:
    """Phases of complex coefficients, by the arctangent that the phase differences use.

    Args:
        bands: complex64 or complex128 of any shape, as in `PyramidCoeffs.bands`.

    Returns:
        float32 or float64 of the same shape, in radians from -pi to pi. In float32 within 1e-6 of
        ``atan2``; zero at zero, NaN where a part is NaN or both are infinite.

    Raises:
        TypeError: `bands` is not a dense complex tensor.
        ValueError: `bands` is on a device without operators.
    """
    checks.check_complex("bands", bands)
    _extension.check_device("bands", bands)
    return _band_phase(bands.resolve_conj())


def _fake_band_phase(bands: Tensor) -> Tensor:
    dtype = torch.float64 if bands.dtype == torch.complex128 else torch.float32
    return bands.new_empty(bands.shape, dtype=dtype)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.save_for_backward(*inputs)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor]:
    """The phase turns across the coefficient: i c / |c|^2, and nothing at zero."""
    (bands,) = ctx.saved_tensors
    power = bands.real.square() + bands.imag.square()
    inverse = torch.where(power > 0, 1 / power, 0)
    return (torch.complex(-bands.imag * inverse * grad, bands.real * inverse * grad),)


_band_phase = Operator("band_phase", fake=_fake_band_phase, setup=_setup, backward=_backward)
