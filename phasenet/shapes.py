"""Shapes and dtypes of a pyramid's coefficients."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from phasenet import checks
from phasenet.layout import Layout
from phasenet.out import Part
from phasenet.precision import complex_dtype


def level_sizes(
    size: Sequence[int], height: int, bands_per_octave: int = 1
) -> list[tuple[int, int]]:
    """Sizes (h, w) of each scale of levels 1 to ``height - 2`` and of the lowpass, for `size`."""
    # An operator may be called with any, on the meta device too.
    for name, value, most in (
        ("height", height, checks.MAX_HEIGHT),
        ("bands_per_octave", bands_per_octave, checks.MAX_BANDS_PER_OCTAVE),
    ):
        if value > most:
            raise ValueError(f"{name}: expected at most {most}, got {value}")
    h, w = size
    sizes = []
    for _ in range(height - 2):
        sizes += [(h, w)] * bands_per_octave
        h, w = (h + 1) // 2, (w + 1) // 2
    return [*sizes, (h, w)]


def band_elements(
    batch: Sequence[int], size: Sequence[int], nbands: int, levels: Sequence[int]
) -> int:
    """Coefficients in the bands of `levels` of images ``[*batch, *size]``."""
    # The height only has to reach the last of the levels.
    sizes = level_sizes(size, max(levels) + 2)
    return math.prod(batch) * nbands * sum(math.prod(sizes[level - 1]) for level in levels)


def check_coefficients(
    highpass: Tensor,
    bands: Sequence[Tensor],
    lowpass: Tensor,
    height: int,
    nbands: int,
    bands_per_octave: int,
    layout: Layout | None = None,
    given: Sequence[int] = (),
) -> list[Part]:
    """Refuse what are not the coefficients of one pyramid of these options; name them.

    Of those that are not of `given`, by their numbers, only the dtype is looked at; but for the
    highpass, which says the image's size.
    """
    checks.check_images("coeffs.highpass", highpass, 2, "[..., H, W]")
    if highpass.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"coeffs.highpass: expected dtype float32 or float64, got {highpass.dtype}")
    checks.check_level_count("coeffs.bands", bands, height, bands_per_octave)
    size = highpass.shape[-2:]
    if given and not size.numel():
        raise ValueError(
            f"coeffs.highpass: expected the size of the image, got {list(highpass.shape)}; compute "
            "parts with residuals=True, or give zeros of that size"
        )
    checks.check_height_fits("coeffs.highpass", size, height, highpass.shape)
    options = height, nbands, bands_per_octave
    specs = coefficient_specs(highpass.shape[:-2], size, *options, highpass.dtype, layout)
    parts = named("coeffs", (highpass, bands, lowpass), specs)
    for i, (name, tensor, shape, dtype) in enumerate(parts):
        if given and i not in (0, *given) and isinstance(tensor, Tensor):
            shape = tensor.shape
        checks.check_tensor(name, tensor, shape, dtype, highpass.device)
    return parts


Spec = tuple[tuple[int, ...], torch.dtype]


def coefficient_specs(
    batch: Sequence[int],
    size: Sequence[int],
    height: int,
    nbands: int,
    bands_per_octave: int,
    dtype: torch.dtype,
    layout: Layout | None = None,
    parts: Sequence[int] = (),
) -> list[Spec]:
    """Shape and dtype of highpass, of each scale's bands and of lowpass, computed in `dtype`.

    Those that are not of `parts`, by their numbers, have sides of 0; no part means all.
    """
    layout = layout or Layout()
    *sizes, low_size = level_sizes(size, height, bands_per_octave)
    if not layout.downsample:
        sizes, low_size = [(size[0], size[1])] * len(sizes), (size[0], size[1])
    of_bands = dtype if layout.real else complex_dtype(dtype)
    specs = [
        ((*batch, *size), dtype),
        *(((*batch, nbands, *s), of_bands) for s in sizes),
        ((*batch, *low_size), dtype),
    ]
    return [
        (shape if not parts or i in parts else (*shape[:-2], 0, 0), dtype)
        for i, (shape, dtype) in enumerate(specs)
    ]


def named(
    name: str, coeffs: tuple[Tensor, Sequence[Tensor], Tensor], specs: Sequence[Spec]
) -> list[Part]:
    highpass, bands, lowpass = coeffs
    levels = [f"{name}.bands[{i}]" for i in range(len(bands))]
    names = (f"{name}.highpass", *levels, f"{name}.lowpass")
    tensors = (highpass, *bands, lowpass)
    return [(n, x, *spec) for n, x, spec in zip(names, tensors, specs, strict=True)]
