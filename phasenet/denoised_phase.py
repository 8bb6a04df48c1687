"""Phases of a video's bands, unwrapped in time and smoothed: what phase differences are made of."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from phasenet import _extension, checks, reference
from phasenet.band_phase import band_phase
from phasenet.precision import compute_dtype
from phasenet.pyramid import SteerablePyramid
from phasenet.runs import in_runs
from phasenet.shapes import band_elements


def denoised_phase(
    frames: Tensor,
    *,
    height: int = 4,
    nbands: int = 2,
    levels: Sequence[int] = (1, 2),
    unwrap: str = "full",
) -> tuple[Tensor, ...]:
    """Phases of every frame, unwrapped from the first frame on and smoothed by amplitude.

    With phase p, amplitude a and the 11 x 11 Gaussian blur B of standard deviation 2 this is
    ``B(a p) / B(a)`` (Wadhwa et al., "Phase-based video motion processing", SIGGRAPH 2013). The
    difference of consecutive frames, less its mean and clamped, is `phase_difference`.

    Plain PyTorch on the compiled pyramid, differentiable; memory is that of all frames' bands.
    Equal consecutive frames have equal phases; those of black frames are 0, those of flat ones come
    from rounding errors. NaN or infinity in a frame makes its own phases and, as unwrapping goes
    on from them, all later ones of its video NaN.

    Args:
        frames: ``[..., T, H, W]`` grey frames in [0, 1], uint8 or floating, T at least 1.
        height, nbands, levels, unwrap: as in `phasenet.phase_difference`.

    Returns:
        One tensor ``[..., nbands, T, h, w]`` in radians for each level, float64 for float64 frames,
        else float32.

    Raises:
        TypeError, ValueError: as `phasenet.phase_difference`.
    """
    height, nbands, levels = checks.check_phase_options(
        "frames", frames, height, nbands, levels, unwrap, "[..., T, H, W]"
    )
    # Bands are complex, and all there before the first phase is.
    elements = band_elements(frames.shape[:-2], frames.shape[-2:], nbands, levels)
    size = 2 * elements * compute_dtype(frames.dtype).itemsize
    checks.check_memory("frames", frames, "bands", size)
    phases = []
    for bands in mirrored_bands(frames, height, nbands, levels):
        bands = bands.movedim(-3, -4)
        amplitude = bands.abs() + reference.AMPLITUDE_FLOOR
        phase = reference._unwrap(band_phase(bands), unwrap)
        if phase.numel() > 0:
            phase = reference._blur(amplitude * phase) / reference._blur(amplitude)
        phases.append(phase)
    return tuple(phases)


def mirrored_bands(
    frames: Tensor, height: int, nbands: int, levels: Sequence[int]
) -> tuple[Tensor, ...]:
    """Complex bands ``[..., T, nbands, h, w]`` of each level over the frames themselves."""
    _extension.check_device("frames", frames)
    pyramid = SteerablePyramid(height, nbands, boundary="symmetric")

    def of_run(run: Tensor) -> tuple[Tensor, ...]:
        bands = pyramid(run, levels=levels, residuals=False).unmirrored().bands
        return tuple(bands[level - 1].contiguous() for level in levels)  # without the mirror images

    return in_runs(of_run, frames)
