"""Phase differences, and pyramids, as a good PyTorch user would write them: the peers to beat.

Each frame is transformed once, all frames in one batched FFT; masks and blur kernels are made once;
windows are views of the video until the unwrapping makes them differ; what can be done in place is.
No custom kernels, nothing that needs more than `torch`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from phasenet import reference

BLURS = ("conv2d", "matmul")


class StrongPhaseDifference(torch.nn.Module):
    """`phasenet.phase_difference_windows` with boundary "replicate".

    Of frames ``[T, H, W]``, or of clips ``[N, T, H, W]``, all of them at once.

    Args:
        size: height and width of the frames.
        num_phase, height, nbands, levels, unwrap: as in `phasenet.phase_difference_windows`.
        blur: "conv2d", two depthwise convolutions in channels_last, which is PyTorch's fastest
            convolution for this shape (see NOTES.md); or "matmul", products with the blur's
            banded matrices.
        dtype: float32 or float64, of frames that are not uint8.
        device: where the frames are.
    """

    def __init__(
        self,
        size: tuple[int, int],
        num_phase: int = 12,
        *,
        height: int = 4,
        nbands: int = 2,
        levels: Sequence[int] = (1, 2),
        unwrap: str = "full",
        blur: str = "conv2d",
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        if blur not in BLURS:
            raise ValueError(f"blur: expected one of {BLURS}, got {blur!r}")
        self.dtype, self.num_phase, self.unwrap = dtype, num_phase, unwrap
        mirrored = (2 * size[0], 2 * size[1])
        filters = _filters(mirrored, height, nbands, dtype)
        self.levels = torch.nn.ModuleList(
            _Level(*filters[level], num_phase, blur, dtype) for level in levels
        ).to(device)

    def forward(self, frames: Tensor) -> tuple[Tensor, ...]:
        """Planes ``[..., T, nbands * P, h, w]`` per level, in whatever layout they came to be."""
        frames = frames.to(self.dtype) / 255 if frames.dtype == torch.uint8 else frames
        spectrum = torch.fft.fft2(reference._mirror(frames))  # a real FFT, then its symmetric half
        if frames.ndim == 3:
            return tuple(level(spectrum, self.unwrap) for level in self.levels)
        spectrum = spectrum.movedim(0, 1)  # clips are as bands are
        planes = [level(spectrum, self.unwrap) for level in self.levels]
        return tuple(x.unflatten(1, (len(frames), -1)).movedim(1, 0) for x in planes)


class StrongPyramid:
    """`phasenet.SteerablePyramid` of float32 images ``[..., *size]``."""

    def __init__(self, size: tuple[int, int], height: int, nbands: int) -> None:
        self.filters = _filters(size, height, nbands, torch.float32)

    def __call__(self, images: Tensor) -> list[Tensor]:
        """Highpass, the bands of every level, lowpass."""
        spectrum = torch.fft.fft2(images)  # a real FFT, then its symmetric half
        parts = []
        for masks, rows, columns in self.filters:
            if len(rows) < spectrum.shape[-2]:
                kept = spectrum.index_select(-2, rows).index_select(-1, columns)
            else:
                kept = spectrum
            if masks.ndim == 3:
                parts.append(torch.fft.ifft2(kept[..., None, :, :] * masks))
            else:  # a residual, which is real
                half = kept.shape[-1] // 2 + 1
                parts.append(torch.fft.irfft2(kept[..., :half] * masks[:, :half], kept.shape[-2:]))
        return parts


class _Level(torch.nn.Module):
    """One level: masks ``[nbands, m, n]``, DC in the corner, and which frequencies it keeps."""

    def __init__(
        self,
        masks: Tensor,
        rows: Tensor,
        columns: Tensor,
        num_phase: int,
        blur: str,
        dtype: torch.dtype,
    ) -> None:
        super().__init__()
        self.num_phase, self.blur_kind = num_phase, blur
        self.h, self.w = masks.shape[-2] // 2, masks.shape[-1] // 2
        self.register_buffer("masks", masks)
        self.register_buffer("rows", rows)
        self.register_buffer("columns", columns)
        reach = reference.BLUR_TAPS // 2
        offsets = torch.arange(-reach, reach + 1, dtype=torch.float64)
        self.register_buffer("taps", _gaussian(offsets).to(dtype))
        for name, side in (("blur_rows", self.h), ("blur_columns", self.w)):
            at = torch.arange(side, dtype=torch.float64)
            distance = at[:, None] - at
            banded = _gaussian(distance).where(distance.abs() <= reach, 0.0)
            self.register_buffer(name, banded.to(dtype))

    def forward(self, spectrum: Tensor, unwrap: str) -> Tensor:
        """Spectra of mirrored frames ``[T, ..., 2H, 2W]`` to ``[T, ... * nbands * P, h, w]``."""
        if self.masks.shape[-2:] != spectrum.shape[-2:]:
            spectrum = spectrum.index_select(-2, self.rows).index_select(-1, self.columns)
        band = torch.fft.ifft2(spectrum[..., None, :, :] * self.masks)[..., : self.h, : self.w]
        band = band.flatten(1, -3)
        amplitude = band.abs().add_(reference.AMPLITUDE_FLOOR)
        phase = band.angle()

        # What unwrapping adds from the first frame of the video on. A window that starts at frame s
        # adds that less its value at s.
        wraps = _wraps(phase, unwrap).mul_(2 * math.pi)
        phase += wraps

        length, nbands = phase.shape[:2]
        count, before = self.num_phase + 1, self.num_phase // 2
        index = torch.arange(-before, length + self.num_phase - before, device=phase.device)
        index.clamp_(0, length - 1)

        def windows(x: Tensor) -> Tensor:  # [T, nbands, h, w] -> view [T, nbands, P + 1, h, w]
            return x[index].unfold(0, count, 1).movedim(-1, 2)

        first = wraps[index[:length], :, None]
        weighted = (windows(phase) - first).mul_(windows(amplitude))
        smooth = self._blur(weighted.flatten(1, 2)).unflatten(1, (nbands, count))
        smooth = smooth.div_(windows(self._blur(amplitude)))
        difference = smooth[:, :, 1:] - smooth[:, :, :-1]
        difference -= difference.mean((-2, -1), keepdim=True)
        limit = reference.MAX_DIFFERENCE
        return difference.clamp_(-limit, limit).flatten(1, 2)

    def _blur(self, planes: Tensor) -> Tensor:
        """Gaussian of planes ``[N, C, h, w]``, zeros outside."""
        if self.blur_kind == "matmul":
            return self.blur_rows @ planes @ self.blur_columns
        channels, reach = planes.shape[1], reference.BLUR_TAPS // 2
        planes = planes.contiguous(memory_format=torch.channels_last)
        down = self.taps.view(1, 1, -1, 1).repeat(channels, 1, 1, 1)
        along = self.taps.view(1, 1, 1, -1).repeat(channels, 1, 1, 1)
        planes = F.conv2d(planes, down, padding=(reach, 0), groups=channels)
        return F.conv2d(planes, along, padding=(0, reach), groups=channels)


def _wraps(phase: Tensor, unwrap: str) -> Tensor:
    """Turns that unwrapping adds to each frame, counted from the first: ``[T, ...]``."""
    jump = phase.diff(dim=0)
    turns = torch.zeros_like(phase)
    turns[1:].masked_fill_(jump > math.pi, -1)
    if unwrap == "full":  # the published code leaves jumps below -pi alone
        turns[1:].masked_fill_(jump < -math.pi, 1)
    return turns.cumsum_(0)


def _gaussian(distance: Tensor) -> Tensor:
    return torch.exp(-(distance**2) / (2 * reference.BLUR_STD**2))


def _filters(
    size: tuple[int, int], height: int, nbands: int, dtype: torch.dtype
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Of the highpass, each level's bands, and the lowpass: masks (everything between the image's
    spectrum and theirs), and the rows and columns of it that they keep; DC in the corner.
    """
    # Of one bright pixel, whose spectrum is 1 everywhere, the parts are the masks' inverse FFTs.
    pixel = torch.zeros(size, dtype=torch.float64)
    pixel[0, 0] = 1
    highpass, bands, lowpass = reference.SteerablePyramid(height, nbands)(pixel)
    kept = [torch.fft.fftshift(torch.arange(side)) for side in size]
    filters = []
    for part in (highpass, *bands, lowpass):
        masks = torch.fft.fft2(part).to(dtype.to_complex())
        filters.append((masks, *(torch.fft.ifftshift(axis) for axis in kept)))
        if part is not highpass:
            crop = reference._crop_slices(part.shape[-2:])
            kept = [axis[half] for axis, half in zip(kept, crop, strict=True)]
    return filters
