"""Magnified motion of whole films: the phases of all frames filtered by a matrix, band by band."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from phasenet import checks
from phasenet.band_phase import band_phase
from phasenet.motion_pyramid import MagnifyOptions, MotionPyramid
from phasenet.temporal_filters import fir_matrix, fir_taps
from phasenet.turn_phase import turn_phase

_PHASE_BYTES = 256 << 20  # of the phases of a film that are there at a time
_RUN_PIXELS = 1 << 19  # of the frames that are transformed at a time

_Plane = tuple[int, int]  # a scale and an orientation


def magnify_film(
    video: Tensor,
    still: Tensor,
    number: int | None,
    options: MagnifyOptions,
    pyramid: MotionPyramid,
    result: Tensor,
) -> None:
    """Add to `result` what makes the motion of `video` larger.

    Args:
        video: ``[T, H, W]``.
        still: ``[H, W]``, what motion is counted from.
        number: that of `still` among the frames, None if it is none of them.
        options, pyramid: of `phasenet.magnify_motion`.
        result: ``[T, H, W]``.
    """
    length = len(video)
    taps = fir_taps(options.low, options.high, options.fps, length - 1)
    origin = [band_phase(bands) for bands in pyramid.bands(still)[0]]
    sizes = [phases[0].nbytes for phases in origin]  # of one orientation
    # Each chunk of frames is filtered with as many on both sides as there are taps.
    halo = len(taps) // 2
    most = max(_PHASE_BYTES // max(sizes), 4 * halo + 1)
    chunk = length if length <= most else most - 2 * halo
    checks.check_memory("frames", video, "phases of a band", min(length, most) * max(sizes))
    for begin in range(0, length, chunk):
        end = min(begin + chunk, length)
        start, stop = max(begin - halo, 0), min(end + halo, length)
        matrix = options.gain * fir_matrix(taps, stop - start)[begin - start : end - start]
        for group in _groups(sizes, options.nbands, _PHASE_BYTES // (stop - start)):
            moved = _moved(video[start:stop], pyramid, origin, group)
            if number is not None and start <= number < stop:
                _count_from(moved, number - start)
            for run in _runs(begin, end, pyramid):
                rows = matrix[run.start - begin : run.stop - begin].to(video)
                turns = [(rows @ plane.flatten(1)).unflatten(1, plane.shape[1:]) for plane in moved]
                result[run] += _change(video[run], pyramid, origin, group, turns, options)
            del moved  # before the next group's


def _groups(sizes: Sequence[int], nbands: int, most: int) -> Iterator[list[_Plane]]:
    """Planes whose phases are there at the same time: `most` bytes a frame, or one."""
    group: list[_Plane] = []
    held = 0
    for plane in [(scale, band) for scale in range(len(sizes)) for band in range(nbands)]:
        if group and held + sizes[plane[0]] > most:
            yield group
            group, held = [], 0
        group.append(plane)
        held += sizes[plane[0]]
    yield group


def _runs(begin: int, end: int, pyramid: MotionPyramid) -> list[slice]:
    step = max(1, _RUN_PIXELS // (pyramid.sides[0] * pyramid.sides[1]))
    return [slice(t, min(t + step, end)) for t in range(begin, end, step)]


def _scales(group: Sequence[_Plane]) -> list[int]:
    return sorted({scale for scale, _ in group})


def _moved(
    video: Tensor, pyramid: MotionPyramid, origin: Sequence[Tensor], group: Sequence[_Plane]
) -> list[Tensor]:
    """How far the phases are from `origin`, unwrapped in time: [T, h, w] of each plane."""
    moved = [video.new_empty((len(video), *origin[scale].shape[-2:])) for scale, _ in group]
    before = [origin[scale][band] for scale, band in group]
    for run in _runs(0, len(video), pyramid):
        bands = pyramid.some_bands(video[run], _scales(group))
        for i, (scale, band) in enumerate(group):
            phases = band_phase(bands[scale][:, band])
            step = torch.cat([before[i][None], phases]).diff(dim=0)
            step -= 2 * torch.pi * torch.round(step / (2 * torch.pi))
            if run.start > 0:
                step[0] += moved[i][run.start - 1]
            torch.cumsum(step, 0, out=moved[i][run])
            before[i] = phases[-1]
    return moved


def _count_from(moved: Sequence[Tensor], frame: int) -> None:
    """Nothing is moved at the reference itself, which is come to by way of others."""
    for plane in moved:
        plane -= plane[frame].clone()


def _change(
    frames: Tensor,
    pyramid: MotionPyramid,
    origin: Sequence[Tensor],
    group: Sequence[_Plane],
    turns: Sequence[Tensor],
    options: MagnifyOptions,
) -> Tensor:
    """What turning the phases of these planes adds to `frames`."""
    bands = pyramid.some_bands(frames, _scales(group))
    changes = {scale: torch.zeros_like(planes) for scale, planes in bands.items()}
    for (scale, band), turn in zip(group, turns, strict=True):
        plane = bands[scale][:, band]
        base = plane
        if options.attenuate:
            base = torch.polar(plane.abs(), origin[scale][band].expand_as(turn))
        turned = turn_phase(base, turn, smoothing=options.smoothing)
        torch.sub(turned, plane, out=changes[scale][:, band])
    return pyramid.some_pictures(changes)
