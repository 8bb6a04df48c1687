"""How much of a motion is carried by phases that turn: what the gain of magnification makes up for.

A turn moves the waves of a band, and leaves where they are strong. With k the frequencies in a band
and E the mean over its energy, what moves goes with E|k|^2. Of that |E k|^2 lies in what the whole
band has in common. Of the rest, half is in the amplitudes, which stay, and half in the phases: by
how much they change from place to place in another way, of which smoothing keeps what places as far
as it reaches have in common.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from phasenet import reference

_GRID = 64  # samples a side, more than there is anything in common over


def carried_shares(nbands: int, bands_per_octave: int, smoothing: float) -> tuple[float, ...]:
    """For isotropic noise, of each scale of an octave and of the lowpass.

    Args:
        nbands, bands_per_octave: of the pyramid.
        smoothing: standard deviation of the blur of phases, in pixels of the band.
    """
    axis = 2 * math.pi * torch.fft.fftfreq(_GRID, dtype=torch.float64)
    k = torch.stack(torch.meshgrid(axis, axis, indexing="ij"))
    octaves = (k.norm(dim=0) / math.pi).log2()
    angular = reference._analytic_angular_mask(torch.atan2(*k), 0, nbands)
    angular[0, 0] = 0  # what is constant does not move
    edges = [-i / bands_per_octave for i in range(bands_per_octave + 1)]
    width = 1 / bands_per_octave
    low = [reference._lo(octaves, edge, width) for edge in edges]
    high = [reference._hi(octaves, edge, width) for edge in edges]
    radial = [*(low[i] * high[i + 1] for i in range(bands_per_octave)), low[0]]
    return tuple(_share((mask * angular).square(), k, smoothing) for mask in radial)


def _share(energy: Tensor, k: Tensor, smoothing: float) -> float:
    """Of a band with this `energy` at frequencies `k`, ``[2, h, w]`` in radians a sample."""
    energy = energy / energy.sum()
    common = (energy * k).sum((1, 2), keepdim=True)
    off = k - common
    rest = float((energy * off.square()).sum())
    # Of two places so far apart, what their phases' change has in common: that of the imaginary
    # part of b* b', b the band and b' its slope without the common one, Gaussian both.
    band, slope = torch.fft.ifft2(energy), torch.fft.ifft2(energy * off.square().sum(0))
    both = torch.fft.ifft2(energy * off)
    alike = (slope.conj() * band).real + both.abs().square().sum(0)
    kept = float((_blur(smoothing) * alike).sum() / alike[0, 0])
    moved = float(common.square().sum())
    return (moved + kept * rest / 2) / (moved + rest)


def _blur(std: float) -> Tensor:
    """`reference._blur` by lag, its sum 1."""
    reach = math.ceil(2.5 * std)
    taps = torch.arange(-reach, reach + 1, dtype=torch.float64)
    total = torch.exp(-0.5 * (taps / std) ** 2).sum() if reach else 1.0
    lag = torch.fft.fftfreq(_GRID, 1 / _GRID, dtype=torch.float64)
    line = torch.where(lag.abs() <= reach, torch.exp(-0.5 * (lag / (std or 1.0)) ** 2), 0) / total
    return torch.outer(line, line)
