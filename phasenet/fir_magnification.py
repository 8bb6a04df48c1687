"""Magnified motion of films: phases filtered in time, those of some bands after those of others."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from phasenet import checks
from phasenet.band_phase import band_phase
from phasenet.motion_pyramid import MagnifyOptions, limited
from phasenet.temporal_filters import filter_from_both_ends, fir_matrix, fir_taps
from phasenet.turn_phase import turn_phase

_PHASE_BYTES = 400 << 20  # of the phases of a film that are there at a time
_RUN_PIXELS = 1 << 19  # of the frames that are transformed at a time
_BLOCK = 1 << 21  # phases that are filtered at a time
_ROWS = 64  # frames of the filter's result that are made of the same frames


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
        self._gains = options.gains(self._pyramid.scales)
        self._limits = options.limit_angles(self._pyramid.scales)
        self._taps = fir_taps(options.low, options.high, options.fps, most)
        self._origin = [band_phase(bands) for bands in self._pyramid.bands(still)[0]]
        # How far phases had moved in a frame that was seen; it is gone on from there.
        self._known = [torch.zeros_like(phases) for phases in self._origin]

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
                moved = self._moved(frames[run], group, self._room([group], run.stop - run.start))
                for scale, phases in moved.items():
                    group.of(self._known[scale]).copy_(phases[-1])
        for known in self._known:
            known.neg_()

    def change(
        self,
        frames: Tensor,
        begin: int,
        end: int,
        following: int,
        told: Callable[[float], object] | None = None,
    ) -> Tensor:
        """What is added to some frames, ``[end - begin, H, W]``.

        Args:
            frames: of the film, as the magnifier's `grey` takes them.
            begin, end: which of them; `reach` frames before and after are there too, but at the
                ends of the film.
            following: which of `frames` the next ones begin with.
            told: called with the share of the work that is done.
        """
        length = len(frames)
        size = min(length, self.longest) * max(self._sizes)
        checks.check_memory("frames", frames, "phases of a band", size)
        dtype, device = self._origin[0].dtype, frames.device
        result = torch.zeros(end - begin, *self._pyramid.size, dtype=dtype, device=device)
        matrix = fir_matrix(self._taps, length)[begin:end]
        groups = self._groups(length)
        room = self._room(groups, length)
        for number, group in enumerate(groups):
            planes = self._moved(frames, group, room)
            for scale, moved in planes.items():
                group.of(self._known[scale]).copy_(moved[min(following, length - 1)])
                rows = (self._gains[scale] * matrix).to(result)
                self._filter(moved, rows, begin, self._limits[scale])
            for run in self._runs(begin, end):
                there = slice(run.start - begin, run.stop - begin)
                turns = {scale: moved[there] for scale, moved in planes.items()}
                result[there] += self._change(self._grey(frames[run]), group, turns)
                if told is not None:
                    within = (1 + there.stop / (end - begin)) / 2
                    told((number + within) / len(groups))
        return result

    def _groups(self, length: int) -> list[_Group]:
        """Bands whose phases are there at the same time, of so many frames."""
        return _groups(self._sizes, self._options.nbands, _PHASE_BYTES // length)

    def _runs(self, begin: int, end: int) -> list[slice]:
        high, wide = self._pyramid.sides
        step = max(1, _RUN_PIXELS // (high * wide))
        return [slice(t, min(t + step, end)) for t in range(begin, end, step)]

    def _room(self, groups: Sequence[_Group], length: int) -> Tensor:
        """Memory for the phases of any of these groups; fresh memory for each costs time."""
        some = self._origin[0]
        most = max(len(x.bands) * sum(self._sizes[scale] for scale in x.scales) for x in groups)
        return some.new_empty(length * most // some.element_size())

    def _moved(self, frames: Tensor, group: _Group, room: Tensor) -> dict[int, Tensor]:
        """How far phases are from the origin, unwrapped in time: [T, bands, h, w] of each scale."""
        count, taken = len(frames), 0
        origin = {scale: group.of(self._origin[scale]) for scale in group.scales}
        last = {scale: group.of(self._known[scale]) for scale in group.scales}
        moved = {}
        for scale, x in origin.items():
            moved[scale] = room[taken : taken + count * x.numel()].view(count, *x.shape)
            taken += count * x.numel()
        for run in self._runs(0, count):
            bands = self._pyramid.some_bands(self._grey(frames[run]), group.scales, group.bands)
            for scale, planes in bands.items():
                phases, steps = band_phase(planes), moved[scale][run]
                torch.sub(phases[0], last[scale] + origin[scale], out=steps[0])
                torch.sub(phases[1:], phases[:-1], out=steps[1:])
                whole = torch.mul(steps, 1 / (2 * torch.pi), out=phases).round_()
                steps.sub_(whole, alpha=2 * torch.pi)
                for step in steps:  # several times as fast as cumsum along the first axis
                    last[scale] = step.add_(last[scale])
        return moved

    def _filter(self, moved: Tensor, matrix: Tensor, begin: int, limit: float) -> None:
        """Turns of the frames from `begin` on in the place of the phases of the first frames."""
        length, phases = len(moved), moved.flatten(1)
        step = max(1, _BLOCK // length)
        # Frames of a whole film depend on nearly all: that gains more than leaving out zeros does.
        is_full = len(matrix) == length <= 2 * self.reach
        for at in range(0, phases.shape[1], step):
            there = phases[: len(matrix), at : at + step]
            if is_full:
                filter_from_both_ends(matrix, there)
            else:
                block = phases[:, at : at + step].clone()
                for first in range(0, len(matrix), _ROWS):
                    rows = matrix[first : first + _ROWS]
                    least = max(begin + first - self.reach, 0)
                    near = slice(least, begin + first + len(rows) + self.reach)
                    torch.matmul(rows[:, near], block[near], out=there[first : first + len(rows)])
            if limit:
                there.copy_(limited(there, limit))

    def _change(self, frames: Tensor, group: _Group, turns: dict[int, Tensor]) -> Tensor:
        """What turning the phases of these planes adds to `frames`."""
        bands = self._pyramid.some_bands(frames, group.scales, group.bands)
        for scale, turn in turns.items():
            planes = base = bands[scale]
            if self._options.attenuate:
                origin = group.of(self._origin[scale])
                base = torch.polar(planes.abs(), origin.expand_as(turn))
            turned = turn_phase(base, turn, smoothing=self._options.smoothing)
            bands[scale] = turned.sub_(planes)
        return self._pyramid.some_pictures(bands, group.bands)


class _Group(NamedTuple):
    """The bands of some scales and orientations."""

    scales: list[int]
    bands: range

    def of(self, planes: Tensor) -> Tensor:
        """Those of a scale's planes ``[nbands, h, w]``; a view."""
        return planes[self.bands.start : self.bands.stop]


def _groups(sizes: Sequence[int], nbands: int, most: int) -> list[_Group]:
    """Bands whose phases are there at the same time: `most` bytes a frame, or one band.

    Whole orientations where they fit, as each transform of a frame is one more.
    """
    if (together := most // sum(sizes)) > 0:
        scales, firsts = [*range(len(sizes))], range(0, nbands, together)
        return [_Group(scales, range(x, min(x + together, nbands))) for x in firsts]
    parts: list[list[int]] = [[]]
    held = 0
    for scale, size in enumerate(sizes):
        if parts[-1] and held + size > most:
            parts.append([])
            held = 0
        parts[-1].append(scale)
        held += size
    return [_Group(part, range(band, band + 1)) for band in range(nbands) for part in parts]
