"""Magnified motion of films: the phases of many frames filtered by a matrix, band by band."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from phasenet import checks
from phasenet.band_phase import band_phase
from phasenet.motion_pyramid import MagnifyOptions
from phasenet.temporal_filters import fir_matrix, fir_taps
from phasenet.turn_phase import turn_phase

_PHASE_BYTES = 256 << 20  # of the phases of a film that are there at a time
_RUN_PIXELS = 1 << 19  # of the frames that are transformed at a time

_Plane = tuple[int, int]  # a scale and an orientation


class FilmMagnifier:
    """Magnifies the frames of a film, chunk after chunk, each filtered with frames on either side.

    Args:
        still: grey ``[H, W]``, what motion is counted from.
        options: of `phasenet.magnify_motion`.
        grey: makes some frames grey, ``[t, H, W]``, of the dtype of `still`.
        most: frames there are at most before and after one, where that is known.
    """

    def __init__(
        self,
        still: Tensor,
        options: MagnifyOptions,
        grey: Callable[[Tensor], Tensor],
        most: int = sys.maxsize,
    ) -> None:
        self._options, self._grey = options, grey
        self._pyramid = options.pyramid(still)
        self._taps = fir_taps(options.low, options.high, options.fps, most)
        self._origin = [band_phase(bands) for bands in self._pyramid.bands(still)[0]]
        # How far phases had moved in a frame that was seen; it is gone on from there.
        self._known: dict[_Plane, Tensor] = {}

    @property
    def reach(self) -> int:
        """How many frames before and after one it depends on."""
        return len(self._taps) // 2

    @property
    def longest(self) -> int:
        """How many frames to take at a time, with those on either side."""
        return max(_PHASE_BYTES // max(self._sizes), 4 * self.reach + 1)

    @property
    def _sizes(self) -> list[int]:
        """Bytes of the phases of one orientation, for each scale."""
        return [phases[0].nbytes for phases in self._origin]

    def count_from(self, frames: Tensor) -> None:
        """Nothing is moved in the last of these frames, the film's first, which is `still` itself.

        Phases are followed from frame to frame, and may come to it by a turn more or less.
        """
        for run in self._runs(0, len(frames)):
            for group in self._groups(run.stop - run.start):
                moved = self._moved(frames[run], group)
                self._known |= {at: plane[-1] for at, plane in zip(group, moved, strict=True)}
        self._known = {at: -plane for at, plane in self._known.items()}

    def change(self, frames: Tensor, begin: int, end: int, following: int) -> Tensor:
        """What is added to some frames, ``[end - begin, H, W]``.

        Args:
            frames: of the film, as the magnifier's `grey` takes them.
            begin, end: which of them; `reach` frames before and after are there too, but at the
                ends of the film.
            following: which of `frames` the next ones begin with.
        """
        length = len(frames)
        size = min(length, self.longest) * max(self._sizes)
        checks.check_memory("frames", frames, "phases of a band", size)
        dtype, device = self._origin[0].dtype, frames.device
        result = torch.zeros(end - begin, *self._pyramid.size, dtype=dtype, device=device)
        matrix = self._options.gain * fir_matrix(self._taps, length)[begin:end]
        known: dict[_Plane, Tensor] = {}
        for group in self._groups(length):
            moved = self._moved(frames, group)
            if following < length:
                both = zip(group, moved, strict=True)
                known |= {at: plane[following].clone() for at, plane in both}
            for run in self._runs(begin, end):
                there = slice(run.start - begin, run.stop - begin)
                rows = matrix[there].to(result)
                turns = [(rows @ plane.flatten(1)).unflatten(1, plane.shape[1:]) for plane in moved]
                result[there] += self._change(self._grey(frames[run]), group, turns)
            del moved  # before the next group's
        self._known = known
        return result

    def _groups(self, length: int) -> Iterator[list[_Plane]]:
        """Planes whose phases are there at the same time, of so many frames."""
        return _groups(self._sizes, self._options.nbands, _PHASE_BYTES // length)

    def _runs(self, begin: int, end: int) -> list[slice]:
        high, wide = self._pyramid.sides
        step = max(1, _RUN_PIXELS // (high * wide))
        return [slice(t, min(t + step, end)) for t in range(begin, end, step)]

    def _moved(self, frames: Tensor, group: Sequence[_Plane]) -> list[Tensor]:
        """How far the phases are from the origin, unwrapped in time: [T, h, w] of each plane."""
        count = len(frames)
        planes = [self._origin[scale][band] for scale, band in group]
        last = [
            self._known.get(at, torch.zeros_like(plane))
            for at, plane in zip(group, planes, strict=True)
        ]
        moved = [plane.new_empty((count, *plane.shape)) for plane in planes]
        for run in self._runs(0, count):
            bands = self._pyramid.some_bands(self._grey(frames[run]), _scales(group))
            for i, (scale, band) in enumerate(group):
                phases = band_phase(bands[scale][:, band]) - planes[i]
                step = torch.cat([last[i][None], phases]).diff(dim=0)
                step -= 2 * torch.pi * torch.round(step / (2 * torch.pi))
                step[0] += last[i]
                torch.cumsum(step, 0, out=moved[i][run])
                last[i] = moved[i][run.stop - 1]
        return moved

    def _change(self, frames: Tensor, group: Sequence[_Plane], turns: Sequence[Tensor]) -> Tensor:
        """What turning the phases of these planes adds to `frames`."""
        bands = self._pyramid.some_bands(frames, _scales(group))
        changes = {scale: torch.zeros_like(planes) for scale, planes in bands.items()}
        for (scale, band), turn in zip(group, turns, strict=True):
            plane = bands[scale][:, band]
            base = plane
            if self._options.attenuate:
                base = torch.polar(plane.abs(), self._origin[scale][band].expand_as(turn))
            turned = turn_phase(base, turn, smoothing=self._options.smoothing)
            torch.sub(turned, plane, out=changes[scale][:, band])
        return self._pyramid.some_pictures(changes)


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


def _scales(group: Sequence[_Plane]) -> list[int]:
    return sorted({scale for scale, _ in group})
