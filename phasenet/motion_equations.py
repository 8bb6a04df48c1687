"""The equations of `local_motion`: what the phases of bands say about motion, and its solution."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from phasenet import reference
from phasenet.band_phase import band_phase
from phasenet.precision import without_autocast
from phasenet.shapes import level_sizes

RIDGE = 1e-4  # of the trace: what has one direction only stays solvable
# Power of all bands of level 1 for white noise of variance 1, times the sum of the blur's taps.
_NOISE_POWER = 0.612 * 25.1
TYPICAL = 0.5  # pixels: standard deviation of the prior for level 1
_TILE = 32  # samples that one product of matrices blurs
_SMALL = 160  # samples a side, of which one product is faster than tiles


def window_sums(
    bands: Sequence[Tensor],
    size: Sequence[int],
    height: int,
    levels: Sequence[int],
    seen: Tensor | None = None,
    exactly: bool = True,
) -> Tensor:
    """Sums of `_sums` over the windows of all levels, on the grid of frames of `size`.

    Args:
        bands: of `levels`, each ``[..., T, nbands, h, w]``.
        size: (H, W) of the frames.
        height: of the pyramid.
        levels: of the bands.
        seen: ``[..., T - 1, H, W]``, which pixels count; None for all of them.
        exactly: as for `blurred`.

    Returns:
        ``[..., T - 1, 6, H, W]``.
    """
    found: dict[int, Tensor] = {}
    for level, of_level in zip(levels, bands, strict=True):
        step = 2 ** (level - 1)
        sums = _sums(of_level, step, exactly)
        if seen is not None:
            h, w = sums.shape[-2:]
            sums = sums * seen[..., None, ::step, ::step][..., :h, :w]
        sums = blurred(sums, exactly)
        found[level] = found[level] + sums if level in found else sums
    coarsest = max(levels)
    total = found[coarsest]
    sizes = level_sizes([2 * side for side in size], height)  # mirrored
    for level in range(coarsest - 1, 0, -1):
        total = doubled(total, [side // 2 for side in sizes[level - 1]])
        total = total + found[level] if level in found else total
    return total


def noise_power(noise: float, levels: Sequence[int], dtype: torch.dtype) -> float:
    """What noise of a frame adds to the sums' q^2; that of rounding at least.

    So nothing has no weight.
    """
    noise = max(noise, 8 * torch.finfo(dtype).eps)
    return sum(_NOISE_POWER * 4 ** (level - 1) for level in levels) * noise**2


def _sums(bands: Tensor, step: int, exactly: bool) -> Tensor:
    """Sums of weighted products over bands, [..., T - 1, 6, h, w].

    With q = -p_t they are those of k_x^2, k_x k_y, k_y^2, k_x q, k_y q and q^2. `step` is the
    distance of the level's samples in pixels. What is not summed `exactly` is summed at once if it
    is small.
    """
    if not exactly and max(bands.shape[-2:]) <= _SMALL:
        found = _products(bands.movedim(-3, -4), step)
        return torch.stack([(a * b).sum(-4) for a, b in found], dim=-3)
    sums: list[Tensor] = []
    for band in bands.unbind(-3):  # one at a time stays in the cache
        sums = [
            torch.addcmul(sums[i], *pair) if sums else pair[0] * pair[1]
            for i, pair in enumerate(_products(band, step))
        ]
    return torch.stack(sums, dim=-3)


def _products(band: Tensor, step: int) -> tuple[tuple[Tensor, Tensor], ...]:
    """The factors of what `_sums` adds up, of bands [..., T, h, w]."""
    turn = band[..., 1:, :, :] * band[..., :-1, :, :].conj()
    q = -step * band_phase(turn)
    # Amplitude squared times cos^2(p_t / 2): a change by half a turn may have either sign.
    weight = (turn.abs() + turn.real) * (0.5 / step**2)
    k_x, k_y = (_frequency(band, dim) for dim in (-1, -2))
    w_x, w_y, w_q = weight * k_x, weight * k_y, weight * q
    return (w_x, k_x), (w_x, k_y), (w_y, k_y), (w_x, q), (w_y, q), (w_q, q)


def _frequency(band: Tensor, dim: int) -> Tensor:
    """Radians a sample along `dim` between consecutive frames, [..., T - 1, h, w], of both."""
    turn = turns(band, dim)
    return frequency(turn[..., 1:, :, :] + turn[..., :-1, :, :], dim)


def turns(band: Tensor, dim: int) -> Tensor:
    """From one sample along `dim` to the next, one fewer than samples."""
    size = band.shape[dim]
    return band.narrow(dim, 1, size - 1) * band.narrow(dim, 0, size - 1).conj()


def frequency(turn: Tensor, dim: int) -> Tensor:
    """Radians a sample along `dim` at each sample, of the `turns` from both sides together."""
    zero = torch.zeros_like(turn.narrow(dim, 0, 1))
    return band_phase(torch.cat([turn, zero], dim) + torch.cat([zero, turn], dim))


def blurred(planes: Tensor, exactly: bool = False) -> Tensor:
    """`reference._blur` as products of matrices.

    What is blurred `exactly` has the same last bits whatever else is: smaller planes are blurred by
    one product along each axis, larger ones by tiles that are copied first, which is faster.
    """
    height, width = planes.shape[-2:]
    if not exactly and max(height, width) <= _SMALL:
        down, across = (_taps(torch.arange(side), 0, planes) for side in (height, width))
        with without_autocast(planes.device):
            return down @ (planes @ across)
    reach = reference.BLUR_TAPS // 2
    size = _TILE + 2 * reach
    taps = _taps(torch.arange(_TILE), reach, planes)
    more = (reach, reach - width % -_TILE, reach, reach - height % -_TILE)
    planes = F.pad(planes, more)
    with without_autocast(planes.device):
        rows = planes.unfold(-1, size, _TILE) @ taps.transpose(0, 1)
        rows = rows.flatten(-2).narrow(-1, 0, width)
        tiles = rows.unfold(-2, size, _TILE).transpose(-1, -2)
        columns = taps @ (tiles if exactly else tiles.contiguous())
    return columns.flatten(-3, -2).narrow(-2, 0, height)


def _taps(places: Tensor, more: int, like: Tensor) -> Tensor:
    """The blur at `places`, of samples from `more` before the first to `more` after the last."""
    samples = torch.arange(-more, len(places) + more)
    offset = samples - places[:, None]
    taps = torch.exp(-offset.double().square() / (2 * reference.BLUR_STD**2))
    return torch.where(offset.abs() <= reference.BLUR_TAPS // 2, taps, 0).to(like)


def doubled(planes: Tensor, size: Sequence[int]) -> Tensor:
    """Linear interpolation from every second pixel to all; behind the last its value holds."""
    for dim, side in zip((planes.dim() - 2, planes.dim() - 1), size, strict=True):
        last = planes.narrow(dim, -1, 1)
        following = torch.cat([planes.narrow(dim, 1, planes.shape[dim] - 1), last], dim)
        pairs = torch.stack([planes, (planes + following) / 2], dim + 1).flatten(dim, dim + 1)
        planes = torch.cat([pairs, last], dim).narrow(dim, 0, side)
    return planes


def unexplained(sums: Tensor, noise: float) -> tuple[tuple[Tensor, ...], Tensor]:
    """The sums but q^2, over their trace, and what the best motion leaves of q^2, pixels squared.

    `noise` is the least of the sums' q^2 that counts as noise.
    """
    xx, xy, yy, x_q, y_q, q_q = sums.unbind(-3)
    # The determinant has the fourth power of the amplitude, which float32 may not hold.
    trace = xx + yy + torch.finfo(sums.dtype).tiny ** 0.5
    noise_share = noise / trace
    xx, xy, yy, x_q, y_q, q_q = (part / trace for part in (xx, xy, yy, x_q, y_q, q_q))
    v_x, v_y = solved(xx, xy, yy, x_q, y_q, RIDGE)
    rest = q_q - v_x * (2 * x_q - xx * v_x - xy * v_y) - v_y * (2 * y_q - xy * v_x - yy * v_y)
    return (xx, xy, yy, x_q, y_q), torch.maximum(rest, noise_share)


def solved(
    xx: Tensor, xy: Tensor, yy: Tensor, x_q: Tensor, y_q: Tensor, ridge: Tensor | float
) -> tuple[Tensor, Tensor]:
    """v of the 2 x 2 systems with `ridge` on the diagonal."""
    a, c = xx + ridge, yy + ridge
    determinant = a * c - xy * xy
    return (c * x_q - xy * y_q) / determinant, (a * y_q - xy * x_q) / determinant
