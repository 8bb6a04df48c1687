"""The transforms of phasenet in plain PyTorch, written to be read beside the maths.

Same signatures and results as the functions of `phasenet`, no speed intended: every window of a
video builds its own pyramids, as the published implementation does. In float64 this is the oracle
of the tests.

Sources: J. Portilla and E. P. Simoncelli, "A parametric texture model based on joint statistics of
complex wavelet coefficients", IJCV 2000 (the pyramid); D. Deng, Z. Chen, Y. Zhou and B. Shi,
"MIMAMO Net: integrating micro- and macro-motion for video emotion recognition", AAAI 2020 (the
phase differences).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from phasenet import checks
from phasenet.coefficients import PyramidCoeffs
from phasenet.precision import as_computed, result_dtype, without_autocast
from phasenet.shapes import check_coefficients

BLUR_TAPS, BLUR_STD = 11, 2.0
MAX_DIFFERENCE = 5 * math.pi
AMPLITUDE_FLOOR = 1e-10


# --- The pyramid -----------------------------------------------------------------------------


class SteerablePyramid(torch.nn.Module):
    """The complex steerable pyramid and its inverse; see `phasenet.SteerablePyramid`."""

    def __init__(
        self,
        height: int = 4,
        nbands: int = 2,
        *,
        bands_per_octave: int = 1,
        width: float | None = None,
        boundary: str = "periodic",
    ) -> None:
        super().__init__()
        height, nbands = checks.check_pyramid_options(height, nbands, least=1)
        self.bands_per_octave, self.width = checks.check_octave(bands_per_octave, width)
        checks.check_choice("boundary", boundary, checks.IMAGE_BOUNDARIES)
        self.height, self.nbands, self.mirrors = height, nbands, boundary == "symmetric"

    def forward(self, images: Tensor) -> PyramidCoeffs:
        """See `phasenet.SteerablePyramid.forward`."""
        checks.check_images("images", images, 2, "[..., H, W]")
        x = _mirror(_to_float(images)) if self.mirrors else _to_float(images)
        size = x.shape[-2:]
        checks.check_height_fits("images", size, self.height, images.shape)
        n = self.nbands - 1

        log_radius, angle = _polar_grid(size, x)
        spectrum = _centred_fft(x)
        highpass = _centred_ifft(spectrum * _hi(log_radius, 0, self.width)).real
        spectrum = spectrum * _lo(log_radius, 0, self.width)

        bands = []
        for level in range(1, self.height - 1):
            masks = torch.stack(
                [_analytic_angular_mask(angle, b, self.nbands) for b in range(n + 1)]
            )
            for edge in self._edges(level):
                filtered = spectrum * _hi(log_radius, edge, self.width)
                bands.append(_centred_ifft(filtered[..., None, :, :] * masks * (-1j) ** n))
                spectrum = spectrum * _lo(log_radius, edge, self.width)

            crop = _crop_slices(spectrum.shape[-2:])
            log_radius, angle, spectrum = (
                log_radius[crop],
                angle[crop],
                spectrum[..., crop[0], crop[1]],
            )
        return PyramidCoeffs(highpass, tuple(bands), _centred_ifft(spectrum).real)

    if TYPE_CHECKING:  # torch.nn.Module's own returns Any

        def __call__(self, images: Tensor) -> PyramidCoeffs: ...

    def inverse(self, coeffs: PyramidCoeffs) -> Tensor:
        """See `phasenet.SteerablePyramid.inverse`."""
        checks.check_coefficients_type(coeffs)
        highpass, bands, lowpass = coeffs
        options = self.height, self.nbands, self.bands_per_octave
        check_coefficients(highpass, bands, lowpass, *options)
        n = self.nbands - 1
        log_radius, angle = _polar_grid(highpass.shape[-2:], highpass)

        # The grid of every level, finest first, so that the way back up can find them.
        grids = [(log_radius, angle)]
        for _ in range(2, self.height - 1):
            crop = _crop_slices(grids[-1][0].shape)
            grids.append((grids[-1][0][crop], grids[-1][1][crop]))

        spectrum = _centred_fft(lowpass)
        for level in range(self.height - 2, 0, -1):
            radius, angle = grids[level - 1]
            padded = spectrum.new_zeros(*spectrum.shape[:-2], *radius.shape)
            crop = _crop_slices(radius.shape)
            padded[..., crop[0], crop[1]] = spectrum
            spectrum = padded
            masks = torch.stack([_angular_mask(angle, b, self.nbands) for b in range(n + 1)])
            edges = self._edges(level)
            of_level = bands[len(edges) * (level - 1) : len(edges) * level]
            for edge, band in reversed(list(zip(edges, of_level, strict=True))):
                band_spectra = _centred_fft(band) * masks * 1j**n
                spectrum = spectrum * _lo(radius, edge, self.width)
                spectrum = spectrum + band_spectra.sum(-3) * _hi(radius, edge, self.width)
        spectrum = spectrum * _lo(log_radius, 0, self.width)
        spectrum = spectrum + _centred_fft(highpass) * _hi(log_radius, 0, self.width)
        image = _centred_ifft(spectrum).real
        h, w = image.shape[-2:]
        return image[..., : h // 2, : w // 2] if self.mirrors else image

    def _edges(self, level: int) -> list[float]:
        """log2 of the radii that the scales of a level reach down to, from the finest on."""
        count = self.bands_per_octave
        return [-(count * (level - 1) + i) / count for i in range(1, count + 1)]


def _polar_grid(size: Sequence[int], like: Tensor) -> tuple[Tensor, Tensor]:
    """log2 of the distance from DC (Nyquist of each axis at 1) and the angle, DC in the centre."""
    axes = [
        (torch.arange(m, device=like.device, dtype=torch.float64) - m // 2) / (m / 2) for m in size
    ]
    f_y, f_x = torch.meshgrid(*axes, indexing="ij")
    radius = torch.sqrt(f_x**2 + f_y**2)
    return radius.log2().to(like.dtype), torch.atan2(f_y, f_x).to(like.dtype)


def _hi(log_radius: Tensor, s: float, width: float = 1.0) -> Tensor:
    return torch.cos(math.pi / 2 * ((s - log_radius) / width).clamp(0, 1))


def _lo(log_radius: Tensor, s: float, width: float = 1.0) -> Tensor:
    return torch.sin(math.pi / 2 * ((s - log_radius) / width).clamp(0, 1))


def _angular_mask(angle: Tensor, band: int, nbands: int) -> Tensor:
    """``sqrt(c) cos(d)^n``: the squares of all bands sum to 1 in every direction."""
    n = nbands - 1
    c = 2 ** (2 * n) * math.factorial(n) ** 2 / (nbands * math.factorial(2 * n))
    return math.sqrt(c) * torch.cos(angle - math.pi * band / nbands) ** n


def _analytic_angular_mask(angle: Tensor, band: int, nbands: int) -> Tensor:
    """Twice the angular mask on the half plane around the band's direction, 0 on the other.

    A single band is for all directions alike, and keeps both half planes.
    """
    if nbands == 1:
        return _angular_mask(angle, band, nbands)
    d = torch.remainder(angle - math.pi * band / nbands + math.pi, 2 * math.pi) - math.pi
    mask = 2 * _angular_mask(angle, band, nbands)
    return torch.where(d.abs() < math.pi / 2, mask, 0.0)


def _crop_slices(size: Sequence[int]) -> tuple[slice, slice]:
    """The central half of a centred spectrum, along each axis."""
    slices = []
    for m in size:
        half = math.ceil((m - 0.5) / 2)
        start = math.ceil((m + 0.5) / 2) - math.ceil((half + 0.5) / 2)
        slices.append(slice(start, start + half))
    return slices[0], slices[1]


def _centred_fft(x: Tensor) -> Tensor:
    if x.numel() == 0:  # torch.fft refuses to transform nothing
        return x.to(x.dtype.to_complex())
    return torch.fft.fftshift(torch.fft.fft2(x), dim=(-2, -1))


def _centred_ifft(spectrum: Tensor) -> Tensor:
    if spectrum.numel() == 0:
        return spectrum
    return torch.fft.ifft2(torch.fft.ifftshift(spectrum, dim=(-2, -1)))


# --- Phase differences -----------------------------------------------------------------------


def phase_difference(
    clips: Tensor,
    *,
    height: int = 4,
    nbands: int = 2,
    levels: Sequence[int] = (1, 2),
    unwrap: str = "full",
    dtype: torch.dtype | None = None,
) -> tuple[Tensor, ...]:
    """See `phasenet.phase_difference`."""
    height, nbands, levels = checks.check_phase_options(
        "clips", clips, height, nbands, levels, unwrap, "[..., P+1, H, W]"
    )
    if clips.shape[-3] < 2:
        raise ValueError(f"clips: expected at least 2 frames, got {clips.shape[-3]}")
    frames = _mirror(_to_float(clips))
    bands = SteerablePyramid(height, nbands)(frames).bands
    planes = [_band_phase_difference(bands[level - 1], unwrap) for level in levels]
    dtype = result_dtype(clips, dtype) or frames.dtype
    return tuple(plane.to(dtype) for plane in planes)


def phase_difference_windows(
    frames: Tensor,
    num_phase: int = 12,
    *,
    height: int = 4,
    nbands: int = 2,
    levels: Sequence[int] = (1, 2),
    unwrap: str = "full",
    boundary: str = "replicate",
    dtype: torch.dtype | None = None,
) -> tuple[Tensor, ...]:
    """See `phasenet.phase_difference_windows`. Transforms a frame once for each window it is in."""
    height, nbands, levels = checks.check_phase_options(
        "frames", frames, height, nbands, levels, unwrap, "[..., T, H, W]"
    )
    num_frames = frames.shape[-3]
    num_phase = checks.check_window_count(num_frames, num_phase, boundary)
    offsets = torch.arange(num_phase + 1)
    if boundary == "replicate":
        starts = torch.arange(num_frames) - num_phase // 2
    else:
        starts = torch.arange(num_frames - num_phase)
    index = (starts[:, None] + offsets).clamp(0, max(num_frames - 1, 0)).to(frames.device)
    clips = frames[..., index, :, :]
    per_level = phase_difference(
        clips, height=height, nbands=nbands, levels=levels, unwrap=unwrap, dtype=dtype
    )
    return tuple(planes.flatten(-4, -3) for planes in per_level)


def _mirror(x: Tensor) -> Tensor:
    """Half-sample symmetric extension of both axes to twice the size."""
    x = torch.cat([x, x.flip(-1)], dim=-1)
    return torch.cat([x, x.flip(-2)], dim=-2)


def _band_phase_difference(band: Tensor, unwrap: str) -> Tensor:
    """Bands ``[..., P+1, nbands, h, w]`` of mirrored frames to ``[..., nbands, P, h/2, w/2]``."""
    h, w = band.shape[-2] // 2, band.shape[-1] // 2
    band = band[..., :h, :w].movedim(-4, -3)  # the mirror undone; frames after bands
    amplitude = band.abs() + AMPLITUDE_FLOOR
    phase = _unwrap(torch.atan2(band.imag, band.real), unwrap)
    denoised = _blur(amplitude * phase) / _blur(amplitude)
    difference = denoised.diff(dim=-3)
    difference = difference - difference.mean(dim=(-2, -1), keepdim=True)
    return difference.clamp(-MAX_DIFFERENCE, MAX_DIFFERENCE)


def _unwrap(phase: Tensor, mode: str) -> Tensor:
    """Add multiples of 2 pi along the frames (dimension -3) so that jumps stay below pi.

    "full" is what ``numpy.unwrap`` computes. "published" is the published code, whose remainder
    takes the sign of the dividend: jumps above pi are corrected, jumps below -pi are left alone.
    """
    jump = phase.diff(dim=-3)
    remainder = torch.remainder if mode == "full" else torch.fmod
    wrapped = remainder(jump + math.pi, 2 * math.pi) - math.pi
    wrapped = torch.where((wrapped == -math.pi) & (jump > 0), math.pi, wrapped)
    correction = torch.where(jump.abs() < math.pi, 0.0, wrapped - jump)
    first, rest = phase[..., :1, :, :], phase[..., 1:, :, :]
    return torch.cat([first, rest + correction.cumsum(dim=-3)], dim=-3)


def _blur(x: Tensor, std: float = BLUR_STD) -> Tensor:
    """Separable Gaussian of the last two dimensions, cut off at 2.5 `std`, zeros outside.

    It is not normalised.
    """
    reach = math.ceil(2.5 * std)
    taps = torch.arange(-reach, reach + 1, dtype=x.dtype, device=x.device)
    taps = torch.exp(-(taps**2) / (2 * std**2))
    planes = x.reshape(-1, 1, *x.shape[-2:])
    with without_autocast(x.device):
        planes = F.conv2d(planes, taps.view(1, 1, -1, 1), padding=(reach, 0))
        planes = F.conv2d(planes, taps.view(1, 1, 1, -1), padding=(0, reach))
    return planes.reshape(x.shape)


# --- Magnified motion --------------------------------------------------------------------------


def turn_phase(bands: Tensor, turns: Tensor, *, smoothing: float = 2.0) -> Tensor:
    """See `phasenet.turn_phase`."""
    angle = _smoothed(bands.abs() + AMPLITUDE_FLOOR, turns, smoothing)
    return bands * torch.polar(torch.ones_like(angle), angle)


def _smoothed(weight: Tensor, turns: Tensor, smoothing: float) -> Tensor:
    """``B(weight turns) / B(weight)``; `turns` without smoothing."""
    if smoothing == 0 or turns.numel() == 0:
        return turns
    return _blur(weight * turns, smoothing) / _blur(weight, smoothing)


def _to_float(x: Tensor) -> Tensor:
    return x.to(torch.float32) / 255 if x.dtype == torch.uint8 else as_computed(x)
