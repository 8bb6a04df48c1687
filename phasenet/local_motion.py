"""Motion in pixels from the phases of complex bands."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from phasenet import checks, memory, reference
from phasenet.denoised_phase import mirrored_bands
from phasenet.precision import without_autocast
from phasenet.runs import in_runs


def local_motion(
    frames: Tensor, *, height: int = 4, nbands: int = 4, levels: Sequence[int] = (1, 2)
) -> Tensor:
    """Motion between consecutive frames, in pixels per frame, at every pixel.

    A phase moves with what it belongs to: its change in time is minus the motion along the band's
    local frequency, ``dp/dt + grad p . v = 0`` (Fleet & Jepson, "Computation of component image
    velocity from local phase information", IJCV 1990). Each band of each level gives one such
    equation; v solves all of them in the least squares sense within the 11 x 11 Gaussian window
    (standard deviation 2, on the grid of the level), each weighted by its squared amplitude. The
    local frequency is measured on the bands themselves, so no calibration enters.

    Where only one direction has structure (an edge), the motion along it is zero: what is given is
    the motion across. Where there is no structure at all it is zero. A level measures motion up to
    half its wavelength, about one pixel on level 1, two on level 2, and so on: choose coarser
    levels for faster motion. Borders are mirrored, so within about ten pixels of them
    motion across the border is underestimated. Between equal frames, and where frames are flat or
    black, it is exactly zero. NaN or infinity in a frame makes the two motions that it takes part
    in NaN, and no other.

    Plain PyTorch on the compiled pyramid, differentiable, some frames at a time. The error on
    textures that move by known sub-pixel shifts is below 2 % of the shift
    (``tests/phasenet/test_local_motion.py``).

    Args:
        frames: ``[..., T, H, W]`` grey frames in [0, 1], uint8 or floating, T at least 2.
        height, levels: as in `phasenet.phase_difference`.
        nbands: orientations; at least 2, so that motion has two components.

    Returns:
        ``[..., T - 1, 2, H, W]``, component 0 along x (to the right), 1 along y (downwards),
        float64 for float64 frames, else float32.

    Raises:
        TypeError, ValueError: as `phasenet.phase_difference`.
    """
    height, nbands, levels = checks.check_phase_options(
        "frames", frames, height, nbands, levels, "full", "[..., T, H, W]"
    )
    if frames.shape[-3] < 2:
        raise ValueError(f"frames: expected at least 2 frames, got {frames.shape[-3]}")
    memory.check_result("frames", frames, "motions", 2 * frames.numel())

    def of_run(run: Tensor) -> tuple[Tensor, ...]:
        return (_motion(run, height, nbands, levels),)

    return in_runs(of_run, frames, overlap=1)[0]


def _motion(frames: Tensor, height: int, nbands: int, levels: Sequence[int]) -> Tensor:
    size = frames.shape[-2:]
    total = None
    for level, bands in zip(levels, mirrored_bands(frames, height, nbands, levels), strict=True):
        equations = _normal_equations(bands, 2 ** (level - 1))
        equations = _resample(reference._blur(equations), size, 2 ** (level - 1))
        total = equations if total is None else total + equations
    assert total is not None
    return _solve(total)


def _normal_equations(bands: Tensor, step: int) -> Tensor:
    """Sums over bands of a^2 (k_x^2, k_x k_y, k_y^2, -k_x p_t, -k_y p_t), [..., T - 1, 5, h, w].

    `step` is the distance of the level's samples in pixels.
    """
    before, after = bands[..., :-1, :, :, :], bands[..., 1:, :, :, :]
    turn = after * before.conj()
    k_x, k_y = ((_steps(before, dim) + _steps(after, dim)).angle() / step for dim in (-1, -2))
    p_t, weight = turn.angle(), turn.abs()
    products = (k_x * k_x, k_x * k_y, k_y * k_y, -k_x * p_t, -k_y * p_t)
    return torch.stack([(weight * product).sum(-3) for product in products], dim=-3)


def _steps(band: Tensor, dim: int) -> Tensor:
    """The turn from one sample to the next, from both sides of each sample, amplitude-weighted."""
    size = band.shape[dim]
    step = band.narrow(dim, 1, size - 1) * band.narrow(dim, 0, size - 1).conj()
    zero = torch.zeros_like(band.narrow(dim, 0, 1))
    return torch.cat([step, zero], dim) + torch.cat([zero, step], dim)


def _resample(planes: Tensor, size: Sequence[int], step: int) -> Tensor:
    """Linear interpolation from samples at every `step` pixels to all pixels."""
    rows, columns = (
        _interpolation(pixels, samples, step, planes)
        for pixels, samples in zip(size, planes.shape[-2:], strict=True)
    )
    with without_autocast(planes.device):
        return rows @ planes @ columns.transpose(0, 1)


def _interpolation(pixels: int, samples: int, step: int, like: Tensor) -> Tensor:
    """Weights [pixels, samples]; behind the last sample its value holds."""
    position = torch.arange(pixels, device=like.device, dtype=like.dtype)[:, None] / step
    sample = torch.arange(samples, device=like.device, dtype=like.dtype)
    return (1 - (position.clamp(max=samples - 1) - sample).abs()).clamp(min=0)


def _solve(equations: Tensor) -> Tensor:
    """v of the 2 x 2 systems, regularised by a small part of their trace."""
    xx, xy, yy, x_t, y_t = equations.unbind(-3)
    tiny = torch.finfo(equations.dtype).tiny
    ridge = 1e-4 * (xx + yy) + tiny**0.5
    xx, yy = xx + ridge, yy + ridge
    # The determinant has the fourth power of the amplitude, which float32 may not hold.
    trace = xx + yy
    xx, xy, yy, x_t, y_t = (part / trace for part in (xx, xy, yy, x_t, y_t))
    determinant = xx * yy - xy * xy
    v_x, v_y = yy * x_t - xy * y_t, xx * y_t - xy * x_t
    # Without any structure the determinant is the square of almost nothing.
    return torch.stack([v_x, v_y], dim=-3) / determinant.clamp(min=tiny)[..., None, :, :]
