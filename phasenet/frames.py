"""Frames as cameras and libraries give them, made into grey frames whose full scale is 1."""

from __future__ import annotations

import math
import warnings

import numpy as np
import torch
from torch import Tensor

from phasenet import checks
from phasenet.precision import compute_dtype

_FULL_SCALES = {torch.uint8: 255.0, torch.uint16: 65535.0, torch.int16: 32767.0}
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, of red, green and blue
_UNIFORM = 12**-0.5  # standard deviation of what rounding to whole steps takes away, in steps


def grey_frames(
    frames: Tensor | np.ndarray, full_scale: float | None, color: bool
) -> tuple[Tensor, float]:
    """Frames ``[..., T, H, W]`` that the operators take, and how rounding has changed them.

    Args:
        frames: grey ``[..., T, H, W]`` or, with `color`, RGB ``[..., T, 3, H, W]``; a tensor or an
            array; uint8, uint16, int16 or floating.
        full_scale: the value that stands for 1; None for the greatest of an integer dtype, and 1
            of a floating one.
        color: take the luma of colours.

    Returns:
        The frames, and the standard deviation of the noise that rounding to their dtype has added.

    Raises:
        TypeError: no dense tensor of one of these dtypes, a `full_scale` that is no number, or a
            `color` that is no boolean.
        ValueError: a `full_scale` that is not positive and finite, or another shape.
    """
    checks.check_flag("color", color)
    shape = "[..., T, 3, H, W]" if color else "[..., T, H, W]"
    frames, scale, rounding = taken("frames", frames, full_scale, 3 + color, shape)
    if color and frames.shape[-3] != 3:
        raise ValueError(f"frames: expected shape {shape}, got {list(frames.shape)}")
    warn_of_colours(frames, color)
    if color:
        frames = luma(frames.to(compute_dtype(frames.dtype)))
        rounding *= math.hypot(*_LUMA)
    return scaled(frames, scale), rounding


def taken(
    name: str, images: Tensor | np.ndarray, full_scale: float | None, least: int, shape: str
) -> tuple[Tensor, float, float]:
    """Images as a tensor of at least so many axes, the value that stands for 1, and rounding.

    Args and errors as for `grey_frames`; `name` and `shape` are for messages.
    """
    images = as_tensor(name, images)
    checks.check_frames(name, images, least, shape)
    scale = _FULL_SCALES.get(images.dtype, 1.0)
    if full_scale is not None:
        scale = checks.check_positive("full_scale", full_scale)
    # Between a half and 1 the steps of a floating dtype are half its epsilon.
    is_integer = images.dtype in _FULL_SCALES
    steps = 1 / scale if is_integer else torch.finfo(images.dtype).eps / 2
    return images, scale, _UNIFORM * steps


def scaled(images: Tensor, scale: float) -> Tensor:
    """What the operators take: images whose full scale is 1, or bytes, which they scale."""
    if images.dtype == torch.uint8 and scale == 255.0:
        return images
    if images.dtype in _FULL_SCALES or scale != 1.0:
        images = images.to(compute_dtype(images.dtype))
    return images if scale == 1.0 else images / scale


def luma(frames: Tensor) -> Tensor:
    """Of floating RGB frames ``[..., 3, H, W]``, in their scale."""
    red, green, blue = frames.unbind(-3)
    return _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue


def integer_scale(dtype: torch.dtype) -> float | None:
    """The greatest value of an integer dtype of frames; None for a floating one."""
    return _FULL_SCALES.get(dtype)


def as_tensor(name: str, value: Tensor | np.ndarray) -> Tensor:
    """An array as a tensor on its memory; whatever else as it is."""
    if not isinstance(value, np.ndarray):
        return value
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of arrays that cannot be written to
            # Files of 16 bits often come with the other order of bytes.
            native = value.dtype.newbyteorder("=")
            return torch.from_numpy(np.ascontiguousarray(value, dtype=native))
    except (TypeError, ValueError):
        raise TypeError(
            f"{name}: expected an array of uint8, uint16, int16 or floats, got {value.dtype}"
        ) from None


def warn_of_colours(frames: Tensor, color: bool) -> None:
    """Warn, where the caller was called, of what looks like colours and is taken for frames."""
    like_colours = not color and frames.dim() > 3 and frames.shape[-3] == 3
    if like_colours and not torch.compiler.is_compiling():
        warnings.warn(
            f"frames: {list(frames.shape)} is taken for sequences of 3 grey frames; "
            "color=True takes frames of 3 colours",
            stacklevel=4,
        )
