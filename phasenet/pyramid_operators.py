"""The pyramid's operators: their fake kernels and their gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from phasenet.operators import Operator
from phasenet.precision import compute_dtype
from phasenet.shapes import coefficient_specs

# --- Fake kernels: shapes without data, for torch.compile and export ---------------------------


def _fake_coefficients(
    images: Tensor,
    height: int,
    nbands: int,
    bands_per_octave: int = 1,
    width: float = 1.0,
    parts: Sequence[int] = (),
    orientations: Sequence[int] = (),
) -> list[Tensor]:
    *batch, h, w = images.shape
    options = height, len(orientations) or nbands, bands_per_octave
    specs = coefficient_specs(batch, (h, w), *options, compute_dtype(images.dtype), parts=parts)
    return [images.new_empty(shape, dtype=dtype) for shape, dtype in specs]


def _fake_image(highpass: Tensor, *others: Any) -> Tensor:
    return highpass.new_empty(highpass.shape)


# --- Gradients ---------------------------------------------------------------------------------
# Both transforms are linear, so the adjoint is their backward, and each is the backward of its
# adjoint: gradients of any order follow. Of parts that were left out they are zero.


def _setup_analysis(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    images, *ctx.of_pyramid = inputs
    _, nbands, *octave, orientations = ctx.of_pyramid
    ctx.octave = (*octave, nbands if orientations else 0, orientations)
    ctx.dtype, ctx.shape = images.dtype, images.shape


def _setup_synthesis(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    highpass, bands, lowpass, *octave = inputs
    *octave, nbands, orientations = octave
    nbands = nbands if orientations else bands[0].shape[-3]
    ctx.of_pyramid = (len(bands) // octave[0] + 2, nbands, *octave, orientations)
    ctx.parts = octave[2]
    ctx.like = [(x.shape, x.dtype) for x in (highpass, *bands, lowpass)]


def _none(options: Sequence[Any]) -> list[Any]:
    """The gradients of options; of no integers, which torch takes for no tensors, none of any."""
    return [[] if isinstance(x, list) else None for x in options]


def _zeros(like: Tensor, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    return like.new_zeros((), dtype=dtype).expand(shape)


def _synthesized(ctx: Any, operator: Operator, grads: list[Tensor]) -> tuple[Tensor | None, ...]:
    """The gradient of images, and none for each option that was given."""
    highpass, *bands, lowpass = grads
    if ctx.octave[2] and 0 not in ctx.octave[2]:  # it says the size
        highpass = _zeros(highpass, ctx.shape, highpass.dtype)
    grad = operator(highpass, bands, lowpass, *ctx.octave)
    return grad.to(ctx.dtype), *_none(ctx.needs_input_grad[1:])


def _analysed(ctx: Any, operator: Operator, grad: Tensor) -> tuple[Any, ...]:
    """The gradients of coefficients, and none for each option that was given."""
    highpass, *bands, lowpass = (
        x if not ctx.parts or i in ctx.parts else _zeros(grad, *like)
        for i, (x, like) in enumerate(zip(operator(grad, *ctx.of_pyramid), ctx.like, strict=True))
    )
    return highpass, bands, lowpass, *_none(ctx.needs_input_grad[3:])


def _pyramid_backward(ctx: Any, grads: list[Tensor]) -> tuple[Tensor | None, ...]:
    return _synthesized(ctx, adjoint, grads)


def _inverse_adjoint_backward(ctx: Any, grads: list[Tensor]) -> tuple[Tensor | None, ...]:
    return _synthesized(ctx, inverse, grads)


def _inverse_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    return _analysed(ctx, inverse_adjoint, grad)


def _adjoint_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    return _analysed(ctx, pyramid, grad)


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
