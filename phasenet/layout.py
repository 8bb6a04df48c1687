"""What a pyramid's coefficients are given as: real, at the image's size, or with its energy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from phasenet.coefficients import PyramidCoeffs


class Layout(NamedTuple):
    """Linear maps of the operators' coefficients, and their inverses.

    Attributes:
        real: bands are their real parts, what filters with both half planes give.
        downsample: every level has its own size; else all have the image's.
        tight_frame: the sum of squared magnitudes is the image's.
    """

    real: bool = False
    downsample: bool = True
    tight_frame: bool = False

    @property
    def is_usual(self) -> bool:
        return self == Layout()

    def of(self, coeffs: PyramidCoeffs, size: Sequence[int]) -> PyramidCoeffs:
        """The operators' coefficients, of images of `size`, as this says.

        Those of no size are parts that were left out, and stay so.
        """
        nbands = coeffs.bands[0].shape[-3]

        def arranged(x: Tensor) -> Tensor:
            if 0 in x.shape[-2:]:
                return x.real if self.real and x.is_complex() else x
            share = self._share(x, size, nbands)
            if self.real and x.is_complex():
                x = x.real.contiguous()
            if not self.downsample:
                x = resized(x, size)
            return x if share == 1 else x * share

        return coeffs.map(arranged)

    def undo(
        self, coeffs: PyramidCoeffs, sizes: Sequence[Sequence[int]], parts: Sequence[int] = ()
    ) -> PyramidCoeffs:
        """The operators' coefficients again.

        Args:
            coeffs: what `of` gives, perhaps changed.
            sizes: (h, w) of each scale and of the lowpass.
            parts: what is wanted, by their numbers; all if none is. Others have any shape.
        """
        size, nbands = coeffs.highpass.shape[-2:], coeffs.bands[0].shape[-3]

        def plain(x: Tensor, own: Sequence[int], is_band: bool, number: int) -> Tensor:
            if parts and number not in parts:
                return x.new_empty(x.shape, dtype=x.dtype.to_complex()) if is_band else x
            share = self._share(x, size, nbands)
            x = x if share == 1 else x / share
            if not self.downsample:
                x = resized(x, own)
            return torch.complex(x, torch.zeros_like(x)) if self.real and is_band else x

        *of_bands, low = sizes
        bands = [
            plain(x, own, True, i)
            for i, (x, own) in enumerate(zip(coeffs.bands, of_bands, strict=True), 1)
        ]
        highpass = plain(coeffs.highpass, size, False, 0)
        lowpass = plain(coeffs.lowpass, low, False, len(bands) + 1)
        return PyramidCoeffs(highpass, tuple(bands), lowpass)

    def _share(self, x: Tensor, image: Sequence[int], nbands: int) -> float:
        """What coefficients are multiplied by, for `x` as the operators or as this gives it.

        Samples of a small level stand for more of the image's, and an analytic band has twice the
        energy of its real part.
        """
        if not self.tight_frame:
            return 1
        area = math.prod(x.shape[-2:] if self.downsample else image)
        analytic = x.is_complex() and not self.real and nbands > 1
        return math.sqrt(area / math.prod(image) / (2 if analytic else 1))


def resized(x: Tensor, size: Sequence[int]) -> Tensor:
    """Planes ``[..., h, w]`` with frequencies added, zeros, or left out, to be of `size`.

    What is left out has to be zero at the Nyquist frequency of an even side, as the pyramid's parts
    are. The spectrum is kept, so that values are divided by what the area grows by.
    """
    if tuple(x.shape[-2:]) == tuple(size):
        return x
    if x.numel() == 0:  # torch.fft refuses to transform nothing
        return x.new_zeros((*x.shape[:-2], *size))
    spectrum = torch.fft.fftshift(torch.fft.fft2(x), dim=(-2, -1))
    before = [new // 2 - old // 2 for new, old in zip(size, x.shape[-2:], strict=True)]
    after = [n - o - b for n, o, b in zip(size, x.shape[-2:], before, strict=True)]
    spectrum = F.pad(spectrum, (before[1], after[1], before[0], after[0]))
    result = torch.fft.ifft2(torch.fft.ifftshift(spectrum, dim=(-2, -1)))
    return result if x.is_complex() else result.real
