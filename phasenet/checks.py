"""Arguments checked at the edge: a refusal names the argument, what was expected and what came."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Sequence
from numbers import Real
from typing import Any

import torch
from torch import Tensor

UNWRAP_MODES = ("full", "published", "reference")  # the last is an older name of "published"
BOUNDARIES = ("replicate", "valid")
MAX_HEIGHT = 62
MAX_SMOOTHING = 64
MAX_BANDS_PER_OCTAVE = 4
MIN_WIDTH = 1 / 32  # float32 has digits enough for the slope of such a filter
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


def check_frames(name: str, frames: object, min_dim: int, shape: str) -> None:
    """As `check_images`, for functions that take the integers of 16-bit cameras too."""
    if isinstance(frames, Tensor) and frames.dtype in (torch.uint16, torch.int16):
        check_dense(name, frames)
        if frames.dim() < min_dim:
            raise ValueError(f"{name}: expected shape {shape}, got {list(frames.shape)}")
    else:
        check_images(name, frames, min_dim, shape)  # type: ignore[arg-type]  # refuses the rest


def check_dense(name: str, value: object) -> None:
    """Refuse what is not a dense tensor."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name}: expected a torch.Tensor, got {type(value).__name__}")
    if value.layout != torch.strided:
        raise TypeError(f"{name}: expected a dense (strided) tensor, got {value.layout}")


def check_complex(name: str, value: object) -> None:
    """Refuse what is not a dense tensor of complex64 or complex128."""
    if not isinstance(value, Tensor) or not value.is_complex() or value.layout != torch.strided:
        got = value.dtype if isinstance(value, Tensor) else type(value).__name__
        raise TypeError(f"{name}: expected a dense complex tensor, got {got}")
    if value.dtype not in (torch.complex64, torch.complex128):
        raise TypeError(f"{name}: expected complex64 or complex128, got {value.dtype}")


def check_tensor(
    name: str, value: object, shape: Sequence[int], dtype: torch.dtype, device: torch.device
) -> None:
    """Refuse what is not a dense tensor of this shape, dtype and device."""
    check_dense(name, value)
    assert isinstance(value, Tensor)
    if value.device != device:
        raise ValueError(f"{name}: expected a tensor on {device}, got {value.device}")
    if value.dtype != dtype:
        raise TypeError(f"{name}: expected dtype {dtype}, got {value.dtype}")
    if tuple(value.shape) != tuple(shape):
        raise ValueError(f"{name}: expected shape {list(shape)}, got {list(value.shape)}")


def check_coefficients_type(coeffs: object, name: str = "coeffs") -> None:
    """Refuse what cannot be taken apart as a `PyramidCoeffs`."""
    if not isinstance(coeffs, tuple) or len(coeffs) != 3:
        raise TypeError(f"{name}: expected a PyramidCoeffs, got {type(coeffs).__name__}")
    if not isinstance(coeffs[1], (tuple, list)):
        raise TypeError(
            f"{name}.bands: expected a tuple of tensors, got {type(coeffs[1]).__name__}"
        )


def check_level_tensors(name: str, tensors: object, count: int) -> None:
    """Refuse what is not one value for each of `count` levels, whatever it is."""
    if not isinstance(tensors, (tuple, list)):
        raise TypeError(f"{name}: expected a tuple of tensors, got {type(tensors).__name__}")
    if len(tensors) != count:
        raise ValueError(
            f"{name}: expected a tensor for each level, {count} in all, got {len(tensors)}"
        )


def check_level_count(
    name: str, bands: Sequence[Tensor], height: int, bands_per_octave: int = 1
) -> None:
    """Refuse another number of scales than those of a pyramid of `height`."""
    if bands_per_octave == 1 and len(bands) != height - 2:
        raise ValueError(f"{name}: expected levels: height - 2 = {height - 2}, got {len(bands)}")
    if len(bands) != bands_per_octave * (height - 2):
        raise ValueError(
            f"{name}: expected scales: bands_per_octave * (height - 2) = "
            f"{bands_per_octave * (height - 2)}, got {len(bands)}"
        )


def check_output_dtype(dtype: torch.dtype) -> None:
    """Refuse a dtype that no result can have."""
    if dtype not in OUTPUT_DTYPES:
        raise TypeError(
            f"dtype: expected torch.float16, bfloat16, float32 or float64, got {dtype!r}"
        )


def check_memory(name: str, images: Tensor, result: str, needed: int) -> None:
    """Refuse a result of `images` that is larger than the machine's memory.

    Systems give such memory, and kill who uses it. Only on the CPU, since elsewhere PyTorch says so
    itself, and not while sizes are symbolic.

    Args:
        name: of the argument that makes it large.
        images: what the result is of.
        result: what the message calls it.
        needed: its bytes.
    """
    if torch.compiler.is_compiling() or isinstance(needed, torch.SymInt):
        return
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if images.device.type == "cpu" and needed > there:
        raise ValueError(
            f"{name}: expected {result} that fit into the memory of {there / 2**30:.1f} GiB, got "
            f"{needed / 2**30:.1f} GiB for shape {list(images.shape)}"
        )


def check_integer(name: str, value: Any, lowest: int, highest: int | None = None) -> int:
    """Return `value` as an int; refuse what is no integer from `lowest` to `highest`.

    Integers of NumPy will do, and whatever else can be an index, but for booleans and tensors.
    """
    if not isinstance(value, int):
        if isinstance(value, Tensor) or not hasattr(value, "__index__"):
            raise TypeError(f"{name}: expected an integer, got {type(value).__name__}")
        try:
            value = operator.index(value)
        except TypeError:  # an array of several
            raise TypeError(f"{name}: expected an integer, got several") from None
    if isinstance(value, bool):
        raise TypeError(f"{name}: expected an integer, got bool")
    if value < lowest:
        raise ValueError(f"{name}: expected at least {lowest}, got {value}")
    if highest is not None and value > highest:
        raise ValueError(f"{name}: expected at most {highest}, got {value}")
    return value


def check_flag(name: str, value: object) -> None:
    """Refuse what is neither True nor False."""
    if not isinstance(value, bool):
        raise TypeError(f"{name}: expected True or False, got {type(value).__name__}")


def check_size(name: str, value: Any) -> tuple[int, int]:
    """Return `value` as two ints (H, W) of at least 1."""
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
        raise TypeError(f"{name}: expected a pair of integers (H, W), got {value!r}")
    return check_integer(name, value[0], 1), check_integer(name, value[1], 1)


def check_positive(name: str, value: Any, zero: bool = False) -> float:
    """Return `value` as a float; refuse what is no finite number above 0 (or 0, with `zero`)."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name}: expected a number, got {type(value).__name__}")
    number = float(value)
    if not (0 < number < math.inf or (zero and number == 0)):
        least = "of at least" if zero else "above"
        raise ValueError(f"{name}: expected a finite number {least} 0, got {value}")
    return number


def check_number(name: str, value: Any) -> float:
    """Return `value` as a float; refuse what is no finite number."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name}: expected a number, got {type(value).__name__}")
    if not math.isfinite(value):
        raise ValueError(f"{name}: expected a finite number, got {value}")
    return float(value)


def check_smoothing(smoothing: Any) -> float:
    """Return a blur's standard deviation as a float; refuse what is none from 0 to 64 pixels."""
    smoothing = check_positive("smoothing", smoothing, zero=True)
    if smoothing > MAX_SMOOTHING:
        raise ValueError(f"smoothing: expected at most {MAX_SMOOTHING} pixels, got {smoothing}")
    return smoothing


def check_pyramid_options(height: int, nbands: int, least: int = 2) -> tuple[int, int]:
    """Return both as ints; refuse a height or number of bands no pyramid has.

    From ``nbands=2`` on bands have a phase; a single orientation answers to all directions, and is
    real. The upper bounds only keep a slip of the keyboard from asking for terabytes.
    """
    nbands = check_integer("nbands", nbands, least, 32)
    return check_integer("height", height, 3, MAX_HEIGHT), nbands


def check_octave(bands_per_octave: int, width: float | None) -> tuple[int, float]:
    """Return both as numbers, the default for a `width` of None; refuse what is no tight frame."""
    count = check_integer("bands_per_octave", bands_per_octave, 1, MAX_BANDS_PER_OCTAVE)
    if width is None:
        return count, 1 / count
    width = check_positive("width", width)
    if width < MIN_WIDTH or width * count > 1:
        raise ValueError(
            f"width: expected octaves from {MIN_WIDTH} to 1 / bands_per_octave = {1 / count:.4g}, "
            f"so that no transition reaches into the next, got {width}"
        )
    return count, width


def max_height(size: Sequence[int]) -> int:
    """The largest `height` for an image of `size` (H, W): the lowpass keeps 2 pixels a side."""
    return int(min(size)).bit_length()


def check_height_fits(name: str, size: Sequence[int], height: int, shape: Sequence[int]) -> None:
    """Refuse a height the image is too small for; `size` is what the pyramid is built on."""
    smallest = min(size)
    if smallest < 2 ** (height - 1):
        if smallest < 4:
            raise ValueError(
                f"{name}: expected images large enough for a pyramid of height 3 (4 pixels a "
                f"side, 2 where they are mirrored), got shape {list(shape)}"
            )
        raise ValueError(
            f"height: expected at most {max_height(size)} for {name} of shape {list(shape)}, "
            f"got {height}"
        )


def check_levels(levels: Any, height: int) -> tuple[int, ...]:
    """Return `levels` as a tuple of ints; each is 1 (finest) to ``height - 2``, none twice."""
    if hasattr(levels, "tolist") and not isinstance(levels, Tensor):
        levels = levels.tolist()  # of an array of NumPy
    if isinstance(levels, str) or not isinstance(levels, Sequence):
        raise TypeError(
            f"levels: expected a sequence of integers such as (1, 2), got {type(levels).__name__}"
        )
    checked = tuple(check_integer("levels", level, 1) for level in levels)
    if not checked or max(checked) > height - 2 or len(set(checked)) != len(checked):
        raise ValueError(
            f"levels: expected distinct levels from 1 to height - 2 = {height - 2}, got {checked}"
        )
    return checked


def check_bands(bands: Any, nbands: int) -> tuple[int, ...]:
    """Return `bands` as a tuple of ints; each is 0 to ``nbands - 1``, none twice."""
    if isinstance(bands, str) or not isinstance(bands, Sequence):
        raise TypeError(
            f"bands: expected a sequence of integers such as (0, 1), got {type(bands).__name__}"
        )
    checked = tuple(check_integer("bands", band, 0, nbands - 1) for band in bands)
    if not checked or len(set(checked)) != len(checked):
        raise ValueError(f"bands: expected distinct numbers of orientations, got {checked}")
    return checked


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
) -> tuple[int, int, tuple[int, ...]]:
    """The checks the phase functions share; returns `height`, `nbands` and `levels` as ints."""
    check_images(name, frames, 3, shape)
    height, nbands = check_pyramid_options(height, nbands)
    levels = check_levels(levels, height)
    check_choice("unwrap", unwrap, UNWRAP_MODES)
    # The pyramid is built on the mirrored frame, which is twice as large.
    mirrored = [2 * side for side in frames.shape[-2:]]
    check_height_fits(name, mirrored, height, frames.shape)
    return height, nbands, levels


def check_num_phase(num_phase: int) -> int:
    """Return as an int what is a number of differences of a window."""
    return check_integer("num_phase", num_phase, 1, MAX_NUM_PHASE)


def check_window_count(num_frames: int, num_phase: int, boundary: str) -> int:
    """Return `num_phase` as an int; refuse clips too short for the windows asked for."""
    num_phase = check_num_phase(num_phase)
    check_choice("boundary", boundary, BOUNDARIES)
    if boundary == "valid" and num_frames < num_phase + 1:
        raise ValueError(
            f"frames: expected at least num_phase + 1 = {num_phase + 1} for boundary='valid', "
            f"got {num_frames}"
        )
    return num_phase
