"""Motion in pixels from the phases of complex bands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, overload

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from phasenet import checks, reference
from phasenet.band_phase import band_phase
from phasenet.denoised_phase import mirrored_bands
from phasenet.frames import grey_frames
from phasenet.precision import compute_dtype, without_autocast
from phasenet.runs import in_runs
from phasenet.shapes import level_sizes

_RIDGE = 1e-4  # of the trace: what has one direction only stays solvable
# Power of all bands of level 1 for white noise of variance 1, times the sum of the blur's taps.
_NOISE_POWER = 0.612 * 25.1
_TYPICAL = 0.5  # pixels: standard deviation of the prior for level 1
_TILE = 32  # samples that one product of matrices blurs


@overload
def local_motion(
    frames: Tensor | np.ndarray,
    *,
    height: int = ...,
    nbands: int = ...,
    levels: Sequence[int] = ...,
    noise: float | None = ...,
    full_scale: float | None = ...,
    color: bool = ...,
    return_weight: Literal[False] = ...,
) -> Tensor: ...


@overload
def local_motion(
    frames: Tensor | np.ndarray,
    *,
    height: int = ...,
    nbands: int = ...,
    levels: Sequence[int] = ...,
    noise: float | None = ...,
    full_scale: float | None = ...,
    color: bool = ...,
    return_weight: Literal[True],
) -> tuple[Tensor, Tensor]: ...


def local_motion(
    frames: Tensor | np.ndarray,
    *,
    height: int = 4,
    nbands: int = 4,
    levels: Sequence[int] = (1, 2),
    noise: float | None = None,
    full_scale: float | None = None,
    color: bool = False,
    return_weight: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """Motion between consecutive frames, in pixels per frame, at every pixel.

    A phase moves with what it belongs to: its change in time is minus the motion along the band's
    local frequency, ``dp/dt + grad p . v = 0`` (Fleet & Jepson, "Computation of component image
    velocity from local phase information", IJCV 1990). Each band of each level gives one such
    equation; v solves all of them in the least squares sense within the 11 x 11 Gaussian window
    (standard deviation 2, on the grid of the level), each weighted by its squared amplitude. The
    local frequency is measured on the bands themselves, so no calibration enters.

    Each equation is further weighted by cos^2 of half its phase change, as a change by half a turn
    may have either sign. Phase changes that v leaves unexplained are taken for noise, at least
    `noise`, and weighed against a Gaussian prior of small motion whose standard
    deviation is the motion that the coarsest level measures well: half a pixel on level 1, one on
    level 2, and so on (Simoncelli, Adelson & Heeger, "Probability distributions of optical flow",
    CVPR 1991). So what the levels cannot measure (noise, what appears, motion beyond about twice
    that) is drawn towards zero and has a low weight; choose coarser levels for faster motion.

    Where only one direction has structure (an edge), the motion along it is zero: what is given is
    the motion across. Where there is no structure at all it is zero. Borders are mirrored, so
    within about ten pixels of them motion across the border is underestimated. Between equal
    frames, and where frames are flat or black, it is exactly zero. NaN or infinity in a frame makes
    the two motions that it takes part in NaN, and no other.

    Plain PyTorch on the compiled pyramid, differentiable, some frames at a time. On textures that
    move by known shifts the error is below 2 % of the shift from 0.01 to 0.7 pixels for frames that
    are not rounded. Rounding to 8 bits adds an error in pixels, whatever the shift: for textures of
    30 grey levels (standard deviation) up to 0.0035 pixels where there is much fine structure,
    0.006 where amplitudes fall with the frequency, and 0.025 where they fall with its square. That
    is 18, 32 and 85 % of a shift of 0.014 pixels, 3, 5 and 23 % of 0.1, 1, 2 and 5 % of 0.5
    (``tests/phasenet/test_local_motion.py``).

    Args:
        frames: ``[..., T, H, W]`` grey frames, T at least 2: a tensor or an array, floating in
            [0, 1], uint8, or of a camera of more bits uint16 or int16. With `color`
            ``[..., T, 3, H, W]``.
        height, levels: as in `phasenet.phase_difference`.
        nbands: orientations; at least 2, so that motion has two components.
        noise: standard deviation of the noise that each frame has, 1 being the full scale; None for
            what rounding to the frames' dtype adds, ``1 / (255 * sqrt(12))`` for uint8 and next to
            nothing for float32. Frames that have been rounded and scaled since want to be told.
        full_scale: the value that stands for 1, such as 4095 of a camera of 12 bits; None for the
            greatest of an integer dtype, and 1 of a floating one.
        color: the frames are RGB, of which the luma (ITU-R BT.601) is taken.
        return_weight: also return what the motion is worth.

    Returns:
        ``[..., T - 1, 2, H, W]``, component 0 along x (to the right), 1 along y (downwards),
        float64 for float64 frames, else float32. With `return_weight` a pair of this and the weight
        ``[..., T - 1, H, W]``, 0 to 1: ``m / (m + r)`` where r are the squared phase changes times
        squared amplitudes that no motion explains, or that noise has, and m those of a motion of
        half the prior's standard deviation. It is near 1 where amplitudes are high and phases
        change as one motion would have them, along an edge too, and 0 where there is nothing.

    Raises:
        TypeError, ValueError: as `phasenet.phase_difference`, and for a `noise` or `full_scale`
            that is no such number.

    Warns of frames ``[..., 3, H, W]`` without `color`, which may be 3 grey frames.
    """
    frames, rounding = grey_frames(frames, full_scale, color)
    noise = rounding if noise is None else checks.check_positive("noise", noise, zero=True)
    height, nbands, levels = checks.check_phase_options(
        "frames", frames, height, nbands, levels, "full", "[..., T, H, W]"
    )
    if frames.shape[-3] < 2:
        raise ValueError(f"frames: expected at least 2 frames, got {frames.shape[-3]}")
    size = (2 + return_weight) * frames.numel() * compute_dtype(frames.dtype).itemsize
    checks.check_memory("frames", frames, "motions", size)

    def bands_of(run: Tensor) -> tuple[Tensor, ...]:
        return mirrored_bands(run, height, nbands, levels)

    def of_bands(*bands: Tensor) -> tuple[Tensor, ...]:
        return _motion(bands, frames.shape[-2:], height, levels, noise)

    motion, weight = in_runs(of_bands, frames, overlap=1, prepare=bands_of)
    return (motion, weight) if return_weight else motion


def _motion(
    bands: Sequence[Tensor], size: Sequence[int], height: int, levels: Sequence[int], noise: float
) -> tuple[Tensor, Tensor]:
    found: dict[int, Tensor] = {}
    for level, of_level in zip(levels, bands, strict=True):
        sums = _blurred(_sums(of_level, 2 ** (level - 1)))
        found[level] = found[level] + sums if level in found else sums
    coarsest = max(levels)
    total = found[coarsest]
    sizes = level_sizes([2 * side for side in size], height)  # mirrored
    for level in range(coarsest - 1, 0, -1):
        total = _doubled(total, [side // 2 for side in sizes[level - 1]])
        total = total + found[level] if level in found else total
    # Never below the rounding of what is computed, so that nothing has no weight.
    noise = max(noise, 8 * torch.finfo(total.dtype).eps)
    power = sum(_NOISE_POWER * 4 ** (level - 1) for level in levels) * noise**2
    return _solve(total, power, 2 ** (coarsest - 1) * _TYPICAL)


def _sums(bands: Tensor, step: int) -> Tensor:
    """Sums of weighted products over bands, [..., T - 1, 6, h, w].

    With q = -p_t they are those of k_x^2, k_x k_y, k_y^2, k_x q, k_y q and q^2. `step` is the
    distance of the level's samples in pixels.
    """
    sums: list[Tensor] = []
    for band in bands.unbind(-3):  # one at a time stays in the cache
        turn = band[..., 1:, :, :] * band[..., :-1, :, :].conj()
        q = -step * band_phase(turn)
        # Amplitude squared times cos^2(p_t / 2): a change by half a turn may have either sign.
        weight = (turn.abs() + turn.real) * (0.5 / step**2)
        k_x, k_y = (_frequency(band, dim) for dim in (-1, -2))
        w_x, w_y, w_q = weight * k_x, weight * k_y, weight * q
        pairs = ((w_x, k_x), (w_x, k_y), (w_y, k_y), (w_x, q), (w_y, q), (w_q, q))
        sums = [
            torch.addcmul(sums[i], *pair) if sums else pair[0] * pair[1]
            for i, pair in enumerate(pairs)
        ]
    return torch.stack(sums, dim=-3)


def _frequency(band: Tensor, dim: int) -> Tensor:
    """Radians a sample along `dim` between consecutive frames, [..., T - 1, h, w].

    The turn from one sample to the next, from both sides of each sample and in both frames,
    amplitude-weighted.
    """
    size = band.shape[dim]
    step = band.narrow(dim, 1, size - 1) * band.narrow(dim, 0, size - 1).conj()
    step = step[..., 1:, :, :] + step[..., :-1, :, :]
    zero = torch.zeros_like(step.narrow(dim, 0, 1))
    return band_phase(torch.cat([step, zero], dim) + torch.cat([zero, step], dim))


def _blurred(planes: Tensor) -> Tensor:
    """`reference._blur` as products of matrices, a few times as fast as convolutions."""
    reach = reference.BLUR_TAPS // 2
    height, width = planes.shape[-2:]
    offset = torch.arange(_TILE + 2 * reach) - torch.arange(_TILE)[:, None] - reach
    taps = torch.exp(-offset.double().square() / (2 * reference.BLUR_STD**2))
    taps = torch.where(offset.abs() <= reach, taps, 0).to(planes)  # [tile, tile + 2 reach]
    size = _TILE + 2 * reach
    more = (reach, reach - width % -_TILE, reach, reach - height % -_TILE)
    planes = F.pad(planes, more)
    with without_autocast(planes.device):
        rows = planes.unfold(-1, size, _TILE) @ taps.transpose(0, 1)
        rows = rows.flatten(-2).narrow(-1, 0, width)
        columns = taps @ rows.unfold(-2, size, _TILE).transpose(-1, -2)
    return columns.flatten(-3, -2).narrow(-2, 0, height)


def _doubled(planes: Tensor, size: Sequence[int]) -> Tensor:
    """Linear interpolation from every second pixel to all; behind the last its value holds."""
    for dim, side in zip((planes.dim() - 2, planes.dim() - 1), size, strict=True):
        last = planes.narrow(dim, -1, 1)
        following = torch.cat([planes.narrow(dim, 1, planes.shape[dim] - 1), last], dim)
        pairs = torch.stack([planes, (planes + following) / 2], dim + 1).flatten(dim, dim + 1)
        planes = torch.cat([pairs, last], dim).narrow(dim, 0, side)
    return planes


def _solve(sums: Tensor, noise: float, typical: float) -> tuple[Tensor, Tensor]:
    """Motion [..., 2, H, W] and its weight [..., H, W].

    `noise` is the least of the sums' q^2 that counts as noise; `typical` is in pixels.
    """
    xx, xy, yy, x_q, y_q, q_q = sums.unbind(-3)
    # The determinant has the fourth power of the amplitude, which float32 may not hold.
    trace = xx + yy + torch.finfo(sums.dtype).tiny ** 0.5
    noise_share = noise / trace
    xx, xy, yy, x_q, y_q, q_q = (part / trace for part in (xx, xy, yy, x_q, y_q, q_q))
    v_x, v_y = _solved(xx, xy, yy, x_q, y_q, _RIDGE)
    rest = q_q - v_x * (2 * x_q - xx * v_x - xy * v_y) - v_y * (2 * y_q - xy * v_x - yy * v_y)
    rest = torch.maximum(rest, noise_share) / typical**2
    v_x, v_y = _solved(xx, xy, yy, x_q, y_q, _RIDGE + rest)
    return torch.stack([v_x, v_y], dim=-3), 1 / (1 + 4 * rest)


def _solved(
    xx: Tensor, xy: Tensor, yy: Tensor, x_q: Tensor, y_q: Tensor, ridge: Tensor | float
) -> tuple[Tensor, Tensor]:
    """v of the 2 x 2 systems with `ridge` on the diagonal."""
    a, c = xx + ridge, yy + ridge
    determinant = a * c - xy * xy
    return (c * x_q - xy * y_q) / determinant, (a * y_q - xy * x_q) / determinant
