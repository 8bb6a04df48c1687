"""How a surface vibrates: its motion as a signal, and what frequencies there are in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from phasenet import _extension, checks
from phasenet.band_phase import band_phase
from phasenet.frames import as_tensor, grey_frames
from phasenet.motion_equations import frequency, turns
from phasenet.motion_pyramid import MotionPyramid
from phasenet.precision import complex_dtype, compute_dtype
from phasenet.runs import in_runs

_MARGIN = 2  # samples at the borders, beyond which is not the picture
_PROBED = 32  # frames that the local frequencies are measured in


class Peak(NamedTuple):
    """The strongest sine of a `Vibration`, in tensors ``[...]``.

    Attributes:
        frequency: in Hz.
        amplitude: in pixels, of motion to and fro in `direction`.
        direction: of the motion in radians from the x axis towards +y (downwards), -pi/2 to pi/2.
    """

    frequency: Tensor
    amplitude: Tensor
    direction: Tensor


class Vibration(NamedTuple):
    """What `vibration` returns.

    Attributes:
        signal: ``[..., T, 2]``, how far each frame is moved against the first, in pixels to the
            right and down.
        frequencies: ``[F]`` in Hz, F = T // 2 + 1.
        spectrum: complex ``[..., F, 2]``: the signal without its mean under a Hann window, scaled
            so that the magnitude of a sine at one of the frequencies is its amplitude in pixels.
    """

    signal: Tensor
    frequencies: Tensor
    spectrum: Tensor

    def peak(self, low: float = 0.0, high: float | None = None) -> Peak:
        """The strongest sine between two frequencies.

        Between those of the spectrum it is found by the ratio of the greatest value and its greater
        neighbour, exact for one sine alone under this window (Grandke, "Interpolation algorithms
        for discrete Fourier transforms of weighted signals", IEEE Trans. Instrumentation and
        Measurement 32(2), 1983).

        Args:
            low, high: in Hz; `high` None for half the frame rate.

        Raises:
            TypeError: `low` or `high` is no number.
            ValueError: there is no frequency above 0 between them.
        """
        low = checks.check_positive("low", low, zero=True)
        last = float(self.frequencies[-1])
        high = checks.check_positive("high", last if high is None else high)
        inside = (self.frequencies >= low) & (self.frequencies <= high)
        inside[0] = False  # the mean
        if not inside.any():
            step = last / max(1, len(self.frequencies) - 1)
            raise ValueError(
                f"low, high: expected a range that holds a frequency, of those every "
                f"{step:.4g} Hz to {last:.4g}, got {low:g} to {high:g}"
            )
        power = self.spectrum.abs().square().sum(-1)
        at = torch.where(inside, power, -1).argmax(-1, keepdim=True)
        # On either side of the greatest; a neighbour that is not there is nothing.
        sides = torch.nn.functional.pad(power, (1, 1)).sqrt()
        before, here, behind = (sides.gather(-1, at + i)[..., 0] for i in range(3))
        ratio = torch.maximum(before, behind) / here.clamp(min=torch.finfo(here.dtype).tiny)
        offset = ((2 * ratio - 1) / (ratio + 1)).clamp(0, 0.5)
        amplitude = here * (1 - offset.square()) / torch.sinc(offset)
        offset = torch.where(before > behind, -offset, offset)
        spacing = self.frequencies[1] - self.frequencies[0]
        x, y = self.spectrum.gather(-2, at[..., None].expand(*at.shape, 2))[..., 0, :].unbind(-1)
        both = 2 * (x * y.conj()).real
        direction = torch.atan2(both, x.abs().square() - y.abs().square()) / 2
        return Peak((at[..., 0] + offset) * spacing, amplitude, direction)


def vibration(
    frames: Tensor | np.ndarray,
    fps: float,
    *,
    height: int = 5,
    nbands: int = 4,
    levels: Sequence[int] = (1, 2, 3),
    weight: Tensor | np.ndarray | None = None,
    full_scale: float | None = None,
    color: bool = False,
) -> Vibration:
    """How what is seen in a film vibrates, as one thing: a signal in pixels and its spectrum.

    Between the first frame and another, each band's phase changes by minus the motion along its
    local frequency k, as in `local_motion`; here all pixels, bands and levels share one motion a
    frame, the least squares solution of ``p - p_first = -k . v``, each weighted by the product of
    the two amplitudes over the noise of its level. So thousands of phases are averaged, and motion
    is seen that is far below what any pixel tells (Davis, Rubinstein, Wadhwa, Mysore, Durand &
    Freeman, "The visual microphone: passive recovery of sound from video", ACM Trans. Graphics
    33(4), 2014, section 4, who add up the phases of each orientation; by k they become pixels
    along both axes). Local frequencies are those of the products of neighbouring samples, summed
    over up to 32 frames, which motion does not change. The first frame is taken to be the mean of
    these frames, turned back by how far each has moved, which has less noise.

    Motion against the first frame has to stay below about half a pixel on level 1, one on level 2,
    and so on: choose coarser levels for more. A phase change of nearly half a turn, which may have
    either sign, has little weight. With noise amplitudes come out too small, frequencies do not
    (``tests/phasenet/test_vibration.py`` has numbers). No `noise` is asked for as in
    `local_motion`: there is no prior that it would be weighed against, so nothing depends on it.

    Plain PyTorch on the compiled pyramid, some frames at a time, differentiable.

    Args:
        frames: ``[..., T, H, W]`` grey frames, T at least 2: a tensor or an array, floating in
            [0, 1], uint8, or of a camera of more bits uint16 or int16. With `color`
            ``[..., T, 3, H, W]``.
        fps: frames a second.
        height, nbands, levels: as for `local_motion`.
        weight: ``[H, W]``, at least 0, how much each pixel counts, such as 1 on the thing that
            vibrates and 0 elsewhere, a tensor or an array; or a mask of booleans; None for all
            alike. The border, two samples of each level, does not count where there is three times
            that.
        full_scale, color: as for `local_motion`.

    Returns:
        `Vibration`, float64 for float64 frames, else float32. What has structure in one direction
        alone has a motion along that direction only; what has none does not move.

    Raises:
        TypeError, ValueError: as `local_motion`; for a `weight` that is no such tensor, and an
            `fps` that is not positive.
    """
    fps = checks.check_positive("fps", fps)
    frames, _ = grey_frames(frames, full_scale, color)
    height, nbands, levels = checks.check_phase_options(
        "frames", frames, height, nbands, levels, "full", "[..., T, H, W]"
    )
    _extension.check_device("frames", frames)
    *batch, length, h, w = frames.shape
    if length < 2:
        raise ValueError(f"frames: expected at least 2 frames, got {length}")
    dtype = compute_dtype(frames.dtype)
    if weight is None:
        weight = torch.ones(h, w, dtype=dtype, device=frames.device)
    weight = as_tensor("weight", weight)
    if isinstance(weight, Tensor) and weight.dtype == torch.bool:
        weight = weight.to(dtype)
    checks.check_images("weight", weight, 2, "[H, W]")
    if tuple(weight.shape) != (h, w) or weight.device != frames.device:
        raise ValueError(
            f"weight: expected shape {[h, w]} on {frames.device}, got {list(weight.shape)} "
            f"on {weight.device}"
        )
    weight = weight.to(dtype)
    told = not (torch.compiler.is_compiling() or weight.is_meta)
    if told and not bool((weight >= 0).all()):
        raise ValueError(f"weight: expected values of at least 0, got {float(weight.min())}")
    pyramid = MotionPyramid((h, w), height, nbands, 1, frames.new_empty((0, 0), dtype=dtype))
    films = frames.reshape(math.prod(batch), length, h, w)
    signals = [_motion(film, weight, pyramid, levels) for film in films]
    signal = torch.stack(signals) if signals else films.new_zeros((0, length, 2), dtype=dtype)
    signal = signal.reshape(*batch, length, 2)
    window = torch.hann_window(length, dtype=dtype, device=frames.device)
    swing = signal - signal.mean(-2, keepdim=True)
    count = length // 2 + 1
    frequencies = torch.arange(count, dtype=dtype, device=frames.device) * fps / length
    if films.shape[0]:
        spectrum = torch.fft.rfft(swing * window[:, None], dim=-2) * (2 / window.sum())
    else:  # which MKL refuses
        spectrum = signal.new_zeros((*batch, count, 2), dtype=complex_dtype(dtype))
    return Vibration(signal, frequencies, spectrum)


def _motion(film: Tensor, weight: Tensor, pyramid: MotionPyramid, levels: Sequence[int]) -> Tensor:
    """[T, 2] of a film [T, H, W]."""
    steps = [2 ** (level - 1) for level in levels]

    def bands_of(frames: Tensor) -> list[Tensor]:
        pictures = frames.to(weight.dtype) / (255 if frames.dtype == torch.uint8 else 1)
        found = pyramid.some_bands(pictures, [level - 1 for level in levels])
        return list(found.values())

    length = film.shape[0]
    places = torch.linspace(0, length - 1, min(length, _PROBED)).round().long()
    probed = bands_of(film[places])  # the first frame is one of them
    surfaces = [
        _Surface(bands[0], *_frequencies(bands), _shares(weight, step, pyramid), step)
        for bands, step in zip(probed, steps, strict=True)
    ]
    # Their mean, as if they had not moved, has less noise than the first alone.
    moved = _moved(probed, surfaces)
    surfaces = [
        surface._replace(bands=surface.held(bands, moved).mean(0))
        for surface, bands in zip(surfaces, probed, strict=True)
    ]
    return in_runs(lambda run: (_moved(bands_of(run), surfaces),), film)[0]


class _Surface(NamedTuple):
    """What moves, on a level: bands and local frequencies along x and y [nbands, h, w].

    `weight` is [h, w], `step` the distance of samples in pixels.
    """

    bands: Tensor
    k_x: Tensor
    k_y: Tensor
    weight: Tensor
    step: int

    def held(self, bands: Tensor, motion: Tensor) -> Tensor:
        """Bands of frames that have moved by [T, 2], turned back."""
        x, y = (part[:, None, None, None] / self.step for part in motion.unbind(-1))
        phase = self.k_x * x + self.k_y * y
        return bands * torch.complex(phase.cos(), phase.sin())


def _moved(levels: Sequence[Tensor], surfaces: Sequence[_Surface]) -> Tensor:
    """Motion [..., T, 2] of frames against the surfaces; bands are [..., T, nbands, h, w]."""
    sums: Tensor | float = 0.0
    for bands, (still, k_x, k_y, weight, step) in zip(levels, surfaces, strict=True):
        turn = bands * still.conj()
        q = -step * band_phase(turn)
        # As in `local_motion`: a change by half a turn may have either sign.
        share = (turn.abs() + turn.real) * (weight / step**4)
        pairs = ((k_x, k_x), (k_x, k_y), (k_y, k_y), (k_x, q), (k_y, q))
        sums = sums + torch.stack([(share * a * b).sum((-3, -2, -1)) for a, b in pairs])
    assert isinstance(sums, Tensor)
    trace = sums[0] + sums[2] + torch.finfo(sums.dtype).tiny
    xx, xy, yy, x_q, y_q = sums / trace
    ridge = 4 * torch.finfo(sums.dtype).eps  # one direction alone stays solvable
    xx, yy = xx + ridge, yy + ridge
    determinant = xx * yy - xy * xy
    return torch.stack([yy * x_q - xy * y_q, xx * y_q - xy * x_q], -1) / determinant[..., None]


def _shares(weight: Tensor, step: int, pyramid: MotionPyramid) -> Tensor:
    """What each sample of a level counts, [h, w]: nothing beyond the picture and close to it."""
    inside = torch.zeros_like(weight)
    y, x = (_MARGIN * step if side > 3 * _MARGIN * step else 0 for side in weight.shape)
    h, w = weight.shape
    inside[y : h - y, x : w - x] = weight[y : h - y, x : w - x]
    whole = weight.new_zeros(pyramid.sides)
    pyramid.cut(whole).copy_(inside)
    return whole[::step, ::step]


def _frequencies(bands: Tensor) -> tuple[Tensor, Tensor]:
    """Radians a sample along x and y of bands [T, nbands, h, w], of all frames together."""
    x, y = (frequency(turns(bands, dim).sum(0), dim) for dim in (-1, -2))
    return x, y
