"""Arguments checked at the edge: a refusal names the argument, what was expected and what came."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

UNWRAP_MODES = ("full", "reference")
BOUNDARIES = ("replicate", "valid")
MAX_NUM_PHASE = 65536  # nine minutes at 120 frames a second; a slip of the keyboard beyond
IMAGE_BOUNDARIES = ("periodic", "symmetric")
OUTPUT_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
INPUT_DTYPES = (torch.uint8, *OUTPUT_DTYPES)


def check_images(name: str, images: Tensor, min_dim: int, shape: str) -> None:
    """Refuse what is not a dense uint8 or floating tensor with `min_dim` or more axes."""
    if not isinstance(images, Tensor):
        raise TypeError(f"{name}: expected a torch.Tensor {shape}, got {type(images).__name__}")
    if images.dtype not in INPUT_DTYPES:
        raise TypeError(
            f"{name}: expected dtype uint8, float16, bfloat16, float32 or float64, "
            f"got {images.dtype}"
        )
    if images.layout != torch.strided:
        raise TypeError(f"{name}: expected a dense (strided) tensor, got {images.layout}")
    if images.dim() < min_dim:
        raise ValueError(f"{name}: expected shape {shape}, got {list(images.shape)}")


def check_dense(name: str, value: object) -> None:
    """Refuse what is not a dense tensor."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name}: expected a torch.Tensor, got {type(value).__name__}")
    if value.layout != torch.strided:
        raise TypeError(f"{name}: expected a dense (strided) tensor, got {value.layout}")


def check_coefficients_type(coeffs: object) -> None:
    """Refuse what cannot be taken apart as a `PyramidCoeffs`."""
    if not isinstance(coeffs, tuple) or len(coeffs) != 3:
        raise TypeError(f"coeffs: expected a PyramidCoeffs, got {type(coeffs).__name__}")
    if not isinstance(coeffs[1], (tuple, list)):
        raise TypeError(
            f"coeffs.bands: expected a tuple of tensors, got {type(coeffs[1]).__name__}"
        )


def check_output_dtype(dtype: torch.dtype) -> None:
    """Refuse a dtype that no result can have."""
    if dtype not in OUTPUT_DTYPES:
        raise TypeError(
            f"dtype: expected torch.float16, bfloat16, float32 or float64, got {dtype!r}"
        )


def check_integer(name: str, value: int, lowest: int, highest: int | None = None) -> None:
    """Refuse what is not an integer of at least `lowest`, and at most `highest`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name}: expected an integer, got {type(value).__name__}")
    if value < lowest:
        raise ValueError(f"{name}: expected at least {lowest}, got {value}")
    if highest is not None and value > highest:
        raise ValueError(f"{name}: expected at most {highest}, got {value}")


def check_pyramid_options(height: int, nbands: int) -> None:
    """Refuse a height or number of bands no pyramid has.

    ``nbands=1`` is refused because a single orientation does not cover the frequency plane, so
    nothing could be reconstructed from it. The upper bounds only keep a slip of the keyboard from
    asking for terabytes.
    """
    check_integer("height", height, 3, 62)
    check_integer("nbands", nbands, 2, 32)


def max_height(size: Sequence[int]) -> int:
    """The largest `height` for an image of `size` (H, W): the lowpass keeps 2 pixels a side."""
    smallest = min(size)
    return int(smallest).bit_length() if smallest > 0 else 0


def check_height_fits(name: str, size: Sequence[int], height: int, shape: Sequence[int]) -> None:
    """Refuse a height the image is too small for; `size` is what the pyramid is built on."""
    if min(size) < 2 ** (height - 1):
        raise ValueError(
            f"height: expected at most {max_height(size)} for {name} of shape {list(shape)}, "
            f"got {height}"
        )


def check_levels(levels: Sequence[int], height: int) -> tuple[int, ...]:
    """Return `levels` as a tuple; each is 1 (finest) to ``height - 2``, none twice."""
    if isinstance(levels, (int, str)) or not isinstance(levels, Sequence):
        raise TypeError(
            f"levels: expected a sequence of integers such as (1, 2), got {type(levels).__name__}"
        )
    for level in levels:
        check_integer("levels", level, 1)
    if not levels or max(levels) > height - 2 or len(set(levels)) != len(levels):
        raise ValueError(
            f"levels: expected distinct levels from 1 to height - 2 = {height - 2}, "
            f"got {tuple(levels)}"
        )
    return tuple(levels)


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Refuse an option that is not one of `choices`."""
    if not isinstance(value, str) or value not in choices:
        expected = " or ".join(repr(choice) for choice in choices)
        raise ValueError(f"{name}: expected {expected}, got {value!r}")


def check_phase_options(
    name: str,
    frames: Tensor,
    height: int,
    nbands: int,
    levels: Sequence[int],
    unwrap: str,
    shape: str,
) -> tuple[int, ...]:
    """The checks both phase functions share; returns `levels` as a tuple."""
    check_images(name, frames, 3, shape)
    check_pyramid_options(height, nbands)
    levels = check_levels(levels, height)
    check_choice("unwrap", unwrap, UNWRAP_MODES)
    # The pyramid is built on the mirrored frame, which is twice as large.
    mirrored = [2 * side for side in frames.shape[-2:]]
    check_height_fits(name, mirrored, height, frames.shape)
    return levels


def check_num_phase(num_phase: int) -> None:
    """Refuse what is not a number of differences of a window."""
    check_integer("num_phase", num_phase, 1, MAX_NUM_PHASE)


def check_window_count(num_frames: int, num_phase: int, boundary: str) -> None:
    """Refuse clips too short for the windows asked for."""
    check_num_phase(num_phase)
    check_choice("boundary", boundary, BOUNDARIES)
    if boundary == "valid" and num_frames < num_phase + 1:
        raise ValueError(
            f"frames: expected at least num_phase + 1 = {num_phase + 1} frames for "
            f"boundary='valid', got {num_frames}"
        )
