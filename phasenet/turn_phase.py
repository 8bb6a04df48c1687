"""Coefficients with turned phases: the public function, its fake kernels and its gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from phasenet import _extension, checks, reference
from phasenet.operators import Operator
from phasenet.precision import compute_dtype


def turn_phase(bands: Tensor, turns: Tensor, *, smoothing: float = 2.0) -> Tensor:
    """Turn the phases of complex coefficients, as phase-based magnification does.

    With the amplitude a of a coefficient and a Gaussian blur B of standard deviation `smoothing`
    the phases turn by ``B(a turns) / B(a)`` (Wadhwa et al., "Phase-based video motion processing",
    SIGGRAPH 2013, section 3.4); amplitudes stay. Differentiable.

    Args:
        bands: ``[..., h, w]`` complex64 or complex128, as in `PyramidCoeffs.bands`.
        turns: float32 or float64 of the same shape, in radians.
        smoothing: standard deviation of the blur in pixels of the band, 0 to 64, cut off at two and
            a half times it; 0 turns each coefficient by its own turn.

    Returns:
        Coefficients of the shape and dtype of `bands`. Turns of 0 give them bit for bit.

    Raises:
        TypeError: `bands` is not a dense complex tensor, or `turns` not one of its real dtype.
        ValueError: other shapes, devices or a `smoothing` out of its range.
    """
    checks.check_complex("bands", bands)
    if bands.dim() < 2:
        raise ValueError(f"bands: expected shape [..., h, w], got {list(bands.shape)}")
    _extension.check_device("bands", bands)
    real = torch.float64 if bands.dtype == torch.complex128 else torch.float32
    checks.check_tensor("turns", turns, bands.shape, real, bands.device)
    return _turn_phase(bands.resolve_conj(), turns, checks.check_smoothing(smoothing))


def _fake_turn_phase(bands: Tensor, turns: Tensor, smoothing: float) -> Tensor:
    return bands.new_empty(bands.shape)


@torch.library.register_fake("phasenet::turn_phase_push")
def _fake_push(bands: Tensor, state: Tensor, *options: Any) -> None:
    return None


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    bands, turns, ctx.smoothing = inputs
    ctx.save_for_backward(bands, turns)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
    bands, turns = ctx.saved_tensors
    size = bands.abs()
    weight = size + reference.AMPLITUDE_FLOOR
    angle = reference._smoothed(weight, turns, ctx.smoothing)
    turned = torch.polar(torch.ones_like(angle), angle)
    along = grad * turned.conj()  # the gradient of the coefficient for a fixed angle
    # A coefficient turns across itself.
    of_angle = along.imag * bands.real - along.real * bands.imag
    if ctx.smoothing == 0:
        return along, of_angle, None
    # The blur is its own adjoint.
    spread = reference._blur(of_angle / reference._blur(weight, ctx.smoothing), ctx.smoothing)
    lost = of_angle * angle / reference._blur(weight, ctx.smoothing)
    of_weight = turns * spread - reference._blur(lost, ctx.smoothing)
    unit = torch.where(size > 0, of_weight / size, 0)
    return along + unit * bands, weight * spread, None


_turn_phase = Operator("turn_phase", fake=_fake_turn_phase, setup=_setup, backward=_backward)


def new_state(bands: Tensor, sections: int) -> Tensor:
    """The state of ``turn_phase_push`` for `bands`, before a first frame."""
    dtype = compute_dtype(bands.real.dtype)
    return torch.zeros((2 + 2 * sections, *bands.shape), dtype=dtype, device=bands.device)
