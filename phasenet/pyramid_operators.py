"""The pyramid's operators: their fake kernels and their gradients."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from phasenet.operators import Operator
from phasenet.precision import compute_dtype
from phasenet.shapes import coefficient_specs

# --- Fake kernels: shapes without data, for torch.compile and export ---------------------------


def _fake_coefficients(
    images: Tensor, height: int, nbands: int, bands_per_octave: int = 1, width: float = 1.0
) -> list[Tensor]:
    *batch, h, w = images.shape
    options = height, nbands, bands_per_octave
    specs = coefficient_specs(batch, (h, w), *options, compute_dtype(images.dtype))
    return [images.new_empty(shape, dtype=dtype) for shape, dtype in specs]


def _fake_image(
    highpass: Tensor,
    bands: list[Tensor],
    lowpass: Tensor,
    bands_per_octave: int = 1,
    width: float = 1.0,
) -> Tensor:
    return highpass.new_empty(highpass.shape)


# --- Gradients ---------------------------------------------------------------------------------
# Both transforms are linear, so the adjoint is their backward, and each is the backward of its
# adjoint: gradients of any order follow.


def _setup_analysis(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    images, *ctx.of_pyramid = inputs
    ctx.octave, ctx.dtype = ctx.of_pyramid[2:], images.dtype


def _setup_synthesis(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    _, bands, _, *octave = inputs
    ctx.of_pyramid = (len(bands) // octave[0] + 2, bands[0].shape[-3], *octave)


def _of_images(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    """The gradient, and none for each option that was given."""
    return grad.to(ctx.dtype), *(None for _ in ctx.needs_input_grad[1:])


def _of_coefficients(ctx: Any, grads: list[Tensor]) -> tuple[Any, ...]:
    highpass, *bands, lowpass = grads
    return highpass, bands, lowpass, *(None for _ in ctx.needs_input_grad[3:])


def _pyramid_backward(ctx: Any, grads: list[Tensor]) -> tuple[Tensor | None, ...]:
    highpass, *bands, lowpass = grads
    return _of_images(ctx, adjoint(highpass, bands, lowpass, *ctx.octave))


def _inverse_adjoint_backward(ctx: Any, grads: list[Tensor]) -> tuple[Tensor | None, ...]:
    highpass, *bands, lowpass = grads
    return _of_images(ctx, inverse(highpass, bands, lowpass, *ctx.octave))


def _inverse_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    return _of_coefficients(ctx, inverse_adjoint(grad, *ctx.of_pyramid))


def _adjoint_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    return _of_coefficients(ctx, pyramid(grad, *ctx.of_pyramid))


pyramid = Operator(
    "pyramid",
    fake=_fake_coefficients,
    setup=_setup_analysis,
    backward=_pyramid_backward,
    linear=True,
    has_out=True,
    reads_halves=True,
)
adjoint = Operator(
    "pyramid_backward",
    fake=_fake_image,
    setup=_setup_synthesis,
    backward=_adjoint_backward,
    linear=True,
)
inverse = Operator(
    "pyramid_inverse",
    fake=_fake_image,
    setup=_setup_synthesis,
    backward=_inverse_backward,
    linear=True,
    has_out=True,
)
inverse_adjoint = Operator(
    "pyramid_inverse_backward",
    fake=_fake_coefficients,
    setup=_setup_analysis,
    backward=_inverse_adjoint_backward,
    linear=True,
    reads_halves=True,
)
