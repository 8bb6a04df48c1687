"""The pyramid that magnification works on: everything of a picture but its finest detail and mean
lies in bands with a phase."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from phasenet import checks, reference
from phasenet import pyramid_operators as operators
from phasenet.carried_share import carried_shares
from phasenet.coefficients import PyramidCoeffs
from phasenet.pyramid import SteerablePyramid
from phasenet.shapes import coefficient_specs, level_sizes

_MARGIN = 16  # pixels that part opposite borders, at least


class MagnifyOptions(NamedTuple):
    """Options of `phasenet.magnify_motion`, checked."""

    factor: float
    fps: float
    low: float
    high: float
    nbands: int
    height: int | None
    bands_per_octave: int
    smoothing: float
    attenuate: bool
    limit: float | None

    def limit_angles(self, scales: int) -> list[float]:
        """What turns of each scale stay below, in radians; 0 for no limit."""
        if self.limit is None:
            return [0.0] * scales
        return [
            math.pi * min(1.0, self.limit * 2 ** -((scale + 1) / self.bands_per_octave))
            for scale in range(scales)
        ]

    def gains(self, scales: int) -> list[float]:
        """Of the filtered phases, of which those that are attenuated are taken away beside.

        They make up for what phases do not carry along, so that textures move by the factor; a
        single wave then moves by that much more.
        """
        *octave, low = carried_shares(self.nbands, self.bands_per_octave, self.smoothing)
        shares = [octave[scale % len(octave)] for scale in range(scales - 1)]
        return [(self.factor - 1) / share + float(self.attenuate) for share in (*shares, low)]

    def pyramid(self, values: Tensor) -> MotionPyramid:
        return MotionPyramid(
            values.shape[-2:], self.height, self.nbands, self.bands_per_octave, values[..., :0, :0]
        )


def magnify_options(
    factor: float,
    fps: float,
    low: float,
    high: float,
    nbands: int,
    height: int | None,
    bands_per_octave: int,
    smoothing: float,
    attenuate: bool,
    limit: float | None,
) -> MagnifyOptions:
    """Return them as numbers; refuse what `phasenet.magnify_motion` does not take."""
    factor = checks.check_number("factor", factor)
    fps = checks.check_positive("fps", fps)
    low = checks.check_positive("low", low, zero=True)
    high = checks.check_positive("high", high)
    if not low < high <= fps / 2:
        raise ValueError(
            f"low, high: expected low < high <= fps / 2 = {fps / 2:g} Hz, got {low:g} and {high:g}"
        )
    tall, nbands = checks.check_pyramid_options(3 if height is None else height, nbands)
    height = None if height is None else tall
    bands_per_octave, _ = checks.check_octave(bands_per_octave, None)
    smoothing = checks.check_smoothing(smoothing)
    checks.check_flag("attenuate", attenuate)
    limit = None if limit is None else checks.check_positive("limit", limit)
    return MagnifyOptions(
        factor, fps, low, high, nbands, height, bands_per_octave, smoothing, attenuate, limit
    )


def limited(turns: Tensor, limit: float) -> Tensor:
    """Turns that stay below `limit`, and up to half of it are what they were to 1.5 %."""
    return turns / (1 + (turns / limit) ** 4) ** 0.25


class MotionPyramid:
    """Bands of pictures of one size, and the pictures of changed bands.

    The pictures are continued first, to sides that transforms are fast at, by straight lines from
    each border to the opposite one, which keep moving with the picture as mirror images would not.
    The lowpass, which would stay where it is, is split by the angular masks alone, so that all its
    frequencies but 0 move too.

    Args:
        size: (H, W) of the pictures.
        height, nbands, bands_per_octave: of `phasenet.SteerablePyramid`; None for the largest
            height.
        like: a tensor of the dtype that is computed in, on the device.
    """

    def __init__(
        self,
        size: Sequence[int],
        height: int | None,
        nbands: int,
        bands_per_octave: int,
        like: Tensor,
    ) -> None:
        self.size = tuple(size)
        self.sides = [_fast_side(side + _MARGIN) for side in size]
        checks.check_height_fits("frames", self.sides, height or 3, self.size)
        self.pyramid = SteerablePyramid(
            height or checks.max_height(self.sides), nbands, bands_per_octave=bands_per_octave
        )
        low = level_sizes(self.sides, self.pyramid.height)[-1]
        self._masks = _angular_masks(low, nbands).to(like)

    @property
    def scales(self) -> int:
        """How many there are, the lowpass's bands counted as the last."""
        return self.pyramid.bands_per_octave * (self.pyramid.height - 2) + 1

    def bands(self, pictures: Tensor) -> tuple[list[Tensor], PyramidCoeffs]:
        """Complex bands ``[..., nbands, h, w]`` of each scale and of the lowpass, and the whole."""
        coeffs = self.pyramid(self._continued(pictures))
        return [*coeffs.bands, self._split(coeffs.lowpass)], coeffs

    def pictures(self, bands: Sequence[Tensor], coeffs: PyramidCoeffs) -> Tensor:
        """The pictures of `coeffs` with these bands, ``[..., H, W]``."""
        lowpass = self._joined(bands[-1]) + coeffs.lowpass.mean((-2, -1), keepdim=True)
        return self.cut(
            self.pyramid.inverse(PyramidCoeffs(coeffs.highpass, tuple(bands[:-1]), lowpass))
        )

    def some_bands(
        self, pictures: Tensor, scales: Sequence[int], bands: range | None = None
    ) -> dict[int, Tensor]:
        """Of these scales the bands of these orientations alone; nothing else is computed."""
        parts, some = [scale + 1 for scale in scales], [*(bands or ())]
        found = operators.pyramid(self._continued(pictures), *self._options, parts, some)
        last = self.scales - 1
        return {x: self._split(found[-1], bands) if x == last else found[x + 1] for x in scales}

    def some_pictures(self, planes: dict[int, Tensor], bands: range) -> Tensor:
        """The pictures of the bands of some scales and orientations, all others being zero."""
        some = next(iter(planes.values()))
        real, batch, (height, nbands, count, width) = (
            some.real.dtype,
            some.shape[:-3],
            self._options,
        )
        specs = coefficient_specs(batch, self.sides, height, len(bands), count, real)
        parts = [some.new_zeros((), dtype=dtype).expand(shape) for shape, dtype in specs]
        for scale, of_scale in planes.items():
            is_low = scale == self.scales - 1
            parts[scale + 1] = self._joined(of_scale, bands) if is_low else of_scale
        options = count, width, [scale + 1 for scale in planes], nbands, [*bands]
        return self.cut(operators.inverse(parts[0], parts[1:-1], parts[-1], *options))

    @property
    def _options(self) -> tuple[int, int, int, float]:
        pyramid = self.pyramid
        return pyramid.height, pyramid.nbands, pyramid.bands_per_octave, pyramid.width

    def _split(self, lowpass: Tensor, bands: range | None = None) -> Tensor:
        masks = self._masks_of(bands)
        return torch.fft.ifft2(2 * masks * torch.fft.fft2(lowpass)[..., None, :, :])

    def _joined(self, planes: Tensor, bands: range | None = None) -> Tensor:
        masks = self._masks_of(bands)
        both = torch.fft.fft2(planes.real) * (masks + _opposite(masks))
        return torch.fft.ifft2(both.sum(-3)).real

    def _masks_of(self, bands: range | None) -> Tensor:
        return self._masks if bands is None else self._masks[bands.start : bands.stop]

    def cut(self, whole: Tensor) -> Tensor:
        """What lies over the pictures themselves of planes of the continued ones' size; a view."""
        top, left = ((m - n) // 2 for n, m in zip(self.size, self.sides, strict=True))
        h, w = self.size
        return whole[..., top : top + h, left : left + w]

    def _continued(self, pictures: Tensor) -> Tensor:
        (n, m), (high, wide) = self.size, self.sides
        top, left = (high - n) // 2, (wide - m) // 2
        whole = pictures.new_empty((*pictures.shape[:-2], high, wide))
        whole[..., top : top + n, left : left + m] = pictures
        rows = whole[..., top : top + n, :]
        self._between(rows[..., left + m :], rows[..., :left], rows, (left + m - 1, left), -1)
        self._between(whole[..., top + n :, :], whole[..., :top, :], whole, (top + n - 1, top), -2)
        return whole

    @staticmethod
    def _between(
        behind: Tensor, before: Tensor, whole: Tensor, borders: tuple[int, int], dim: int
    ) -> None:
        """Straight lines from the one border to the other, behind the picture and on before it."""
        last, first = (whole.narrow(dim, border, 1) for border in borders)
        count = behind.shape[dim] + before.shape[dim]
        part = torch.arange(1, count + 1, dtype=whole.dtype, device=whole.device) / (count + 1)
        lines = torch.lerp(last, first, part[:, None] if dim == -2 else part)
        there, rest = lines.split((behind.shape[dim], before.shape[dim]), dim)
        behind.copy_(there)
        before.copy_(rest)


def _fast_side(least: int) -> int:
    """The least multiple of 16 from `least` on with no prime factor above 7."""
    side = -(-least // 16) * 16
    while True:
        rest = side
        for factor in (2, 3, 5, 7):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return side
        side += 16


def _angular_masks(size: Sequence[int], nbands: int) -> Tensor:
    """Of each band on the half plane of its direction, [nbands, h, w]; their squares sum to 1.

    The mean has none.
    """
    axes = (torch.fft.fftfreq(side, dtype=torch.float64) for side in size)
    angle = torch.atan2(*torch.meshgrid(*axes, indexing="ij"))
    doubled = [reference._analytic_angular_mask(angle, band, nbands) for band in range(nbands)]
    masks = torch.stack(doubled) / 2
    masks[:, 0, 0] = 0
    return masks


def _opposite(spectrum: Tensor) -> Tensor:
    """The values at the opposite frequencies."""
    return F.pad(spectrum, (0, 1, 0, 1), mode="circular").flip(-2, -1)[..., :-1, :-1]
