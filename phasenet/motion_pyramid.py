"""The pyramid that magnification works on: everything of a picture but its finest detail and mean
lies in bands with a phase."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from phasenet import checks
from phasenet.coefficients import PyramidCoeffs
from phasenet.pyramid import SteerablePyramid

_MARGIN = 16  # pixels that part opposite borders, at least


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
        low = (math.ceil(side / 2 ** (self.pyramid.height - 2)) for side in self.sides)
        self._masks = _angular_masks(tuple(low), nbands).to(like)

    def bands(self, pictures: Tensor) -> tuple[list[Tensor], PyramidCoeffs]:
        """Complex bands ``[..., nbands, h, w]`` of each scale and of the lowpass, and the whole."""
        coeffs = self.pyramid(self._continued(pictures))
        spectrum = torch.fft.fft2(coeffs.lowpass)[..., None, :, :]
        return [*coeffs.bands, torch.fft.ifft2(2 * self._masks * spectrum)], coeffs

    def pictures(self, bands: Sequence[Tensor], coeffs: PyramidCoeffs) -> Tensor:
        """The pictures of `coeffs` with these bands, ``[..., H, W]``."""
        both = torch.fft.fft2(bands[-1].real) * (self._masks + _opposite(self._masks))
        lowpass = torch.fft.ifft2(both.sum(-3)).real
        lowpass = lowpass + coeffs.lowpass.mean((-2, -1), keepdim=True)
        whole = self.pyramid.inverse(PyramidCoeffs(coeffs.highpass, tuple(bands[:-1]), lowpass))
        top, left = ((m - n) // 2 for n, m in zip(self.size, self.sides, strict=True))
        h, w = self.size
        return whole[..., top : top + h, left : left + w]

    def _continued(self, pictures: Tensor) -> Tensor:
        for dim, (n, m) in enumerate(zip(self.size, self.sides, strict=True), start=-2):
            behind, before = pictures.narrow(dim, n - 1, 1), pictures.narrow(dim, 0, 1)
            part = torch.arange(1, m - n + 1, dtype=pictures.dtype, device=pictures.device)
            part = part / (m - n + 1)
            between = torch.lerp(behind, before, part[:, None] if dim == -2 else part)
            first = (m - n) // 2
            filled = between.split((m - n - first, first), dim)
            pictures = torch.cat([filled[1], pictures, filled[0]], dim)
        return pictures


def carried_share(nbands: int, bands_per_octave: int) -> float:
    """Which part of a motion turning all phases alike makes of isotropic noise.

    A turn moves the waves of a band, and leaves where they are strong. Of the mean square of their
    frequencies k along any direction, E|k|^2, the share |E k|^2 lies in what the whole band has in
    common; of the rest, half is in the phases and half in the amplitudes that stay.
    """
    n = nbands - 1
    # E k along the band's direction, for an energy of cos(angle)^(2n).
    common = math.gamma(n + 1) ** 2 / (math.gamma(n + 0.5) * math.gamma(n + 1.5))
    octaves = torch.linspace(-1, 1, 1001, dtype=torch.float64) / bands_per_octave
    radius = 2**octaves
    energy = torch.cos(math.pi / 2 * octaves * bands_per_octave) ** 2 * radius**2
    moments = [float((energy * radius**power).sum() / energy.sum()) for power in (1, 2)]
    rest = 1 - (moments[0] * common) ** 2 / moments[1]
    return 1 - rest / 2


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


def _angular_masks(size: tuple[int, int], nbands: int) -> Tensor:
    """Of each band on the half plane of its direction, [nbands, h, w]; their squares sum to 1.

    The mean has none, and where a frequency is its own opposite there is no half plane.
    """
    h, w = size
    f_y, f_x = torch.meshgrid(
        torch.fft.fftfreq(h, dtype=torch.float64),
        torch.fft.fftfreq(w, dtype=torch.float64),
        indexing="ij",
    )
    n = nbands - 1
    scale = math.sqrt(2 ** (2 * n) * math.factorial(n) ** 2 / (nbands * math.factorial(2 * n)))
    directions = torch.arange(nbands, dtype=torch.float64).view(-1, 1, 1) * math.pi / nbands
    cosine = torch.cos(torch.atan2(f_y, f_x) - directions)
    masks = scale * cosine.clamp(min=0) ** n
    masks[:, 0, 0] = 0
    return masks


def _opposite(spectrum: Tensor) -> Tensor:
    """The values at the opposite frequencies."""
    return F.pad(spectrum, (0, 1, 0, 1), mode="circular").flip(-2, -1)[..., :-1, :-1]
