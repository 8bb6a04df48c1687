"""Magnified motion, frame by frame, beside the same by hand on plenoptic's and on our pyramid."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

import phasenet
from benchmarks.paired_timing import Side, rotated
from benchmarks.suites import Settings, SuiteRun
from benchmarks.suites.comparison import Comparison, measure
from phasenet import PyramidCoeffs
from phasenet.checks import max_height
from phasenet.temporal_filters import iir_sections

FACTOR, FPS, LOW, HIGH = 20.0, 30.0, 0.8, 1.6
REACH = 5
TAPS = torch.exp(-(torch.arange(-REACH, REACH + 1) ** 2) / 8.0)

Blur = Callable[[Tensor], Tensor]  # of planes [N, h, w]


class FilmShape(NamedTuple):
    """Frames, and the pyramid of octaves that they are magnified by."""

    height: int
    width: int
    nbands: int

    def __str__(self) -> str:
        return f"a frame of {self.width}x{self.height} bands {self.nbands} octaves float32"


SHAPES, QUICK_SHAPES = (FilmShape(360, 640, 4),), (FilmShape(48, 64, 2),)


def run(settings: Settings) -> SuiteRun:
    """Time every row of the suite."""
    rows = []
    for shape in QUICK_SHAPES if settings.quick else SHAPES:
        beside = MagnifyComparison(settings, shape)
        for threads in sorted({1, settings.threads}):
            rows += [
                measure(beside.task(f"{name}/{threads}", against, make), settings)
                for name, against, make in beside.peers(threads)
            ]
    return rows, {"frames": "uniform noise"}


class MagnifyComparison(Comparison):
    """A stream and its peers, on frames of one size."""

    def __init__(self, settings: Settings, shape: FilmShape) -> None:
        generator = torch.Generator().manual_seed(0)
        frames = torch.rand(1, shape.height, shape.width, generator=generator)
        prefix = f"magnify/{shape.width}x{shape.height}"
        super().__init__(settings, frames, prefix, "magnified motion", str(shape))
        self.shape = shape

    def peers(self, threads: int) -> Iterator[tuple[str, str, Callable[[], dict[str, Side]]]]:
        summed = partial(self._by_plenoptic, by_shifted_sums)
        for name, whose, blur, make in (
            ("plenoptic", "plenoptic", "conv2d", partial(self._by_plenoptic, by_convolution)),
            ("plenoptic-sums", "plenoptic", "shifted sums", summed),
            ("by-hand", "phasenet", "shifted sums", self._by_hand),
        ):

            def sides(make: Callable[[], Callable[[Tensor], Any]] = make) -> dict[str, Side]:
                peer = self._side(make, threads, optional=True)
                return {"ours": self._side(self._stream, threads), "peer": peer}

            yield name, f"by hand on {whose}'s pyramid, recursive filter, blur by {blur}", sides

    def _side(
        self, make: Callable[[], Callable[[Tensor], Any]], threads: int, optional: bool = False
    ) -> Side:
        frames = rotated(self.inputs, self.settings.device)
        push = cache(make)  # where a peer is missing, that is its first call's failure
        gap = self.settings.operator_gap
        return Side(lambda: push()(next(frames)[0]), threads=threads, optional=optional, gap=gap)

    def _stream(self) -> Callable[[Tensor], Tensor]:
        magnifier = phasenet.MotionMagnifier(
            FACTOR, fps=FPS, low=LOW, high=HIGH, nbands=self.shape.nbands, bands_per_octave=1
        )
        return magnifier.push

    def _by_hand(self) -> Callable[[Tensor], Tensor]:
        size = (self.shape.height, self.shape.width)
        pyramid = phasenet.SteerablePyramid(max_height(size), self.shape.nbands)
        turn = Turned(by_shifted_sums)

        def push(frame: Tensor) -> Tensor:
            high, bands, low = pyramid(frame)
            return pyramid.inverse(PyramidCoeffs(high, tuple(map(turn, range(99), bands)), low))

        return push

    def _by_plenoptic(self, blur: Blur) -> Callable[[Tensor], Tensor]:
        plenoptic = importlib.import_module("plenoptic")
        height = int(math.log2(min(self.shape.height, self.shape.width))) - 2  # it has no more
        pyramid = plenoptic.process.SteerablePyramidFreq(
            (self.shape.height, self.shape.width), height=height, order=self.shape.nbands - 1,
            is_complex=True, downsample=True, tight_frame=False,
        ).to(self.settings.device)  # fmt: skip
        turn = Turned(blur)

        def push(frame: Tensor) -> Tensor:
            parts = pyramid(frame[None, None])
            for level in range(height):
                parts[level] = turn(level, parts[level][0, 0])[None, None]
            return pyramid.recon_pyr(parts)

        return push


def by_convolution(planes: Tensor) -> Tensor:
    """Blurred planes, as one writes it first."""
    taps = TAPS.to(planes)
    planes = F.conv2d(planes[:, None], taps.view(1, 1, -1, 1), padding=(REACH, 0))
    return F.conv2d(planes, taps.view(1, 1, 1, -1), padding=(0, REACH))[:, 0]


def by_shifted_sums(planes: Tensor) -> Tensor:
    """The same as a sum of planes that are shifted, which is several times as fast on a CPU."""
    taps = TAPS.tolist()
    for dim, pad in ((-2, (0, 0, REACH, REACH)), (-1, (REACH, REACH))):
        wide, side = F.pad(planes, pad), planes.shape[dim]
        planes = taps[REACH] * wide.narrow(dim, REACH, side)
        for k in range(REACH):
            both = wide.narrow(dim, k, side) + wide.narrow(dim, 2 * REACH - k, side)
            planes.add_(both, alpha=taps[k])
    return planes


class Turned:
    """The turn of a band's phases in plain PyTorch, with what it remembers of each level."""

    def __init__(self, blur: Blur) -> None:
        self._sections, self._blur = iir_sections(LOW, HIGH, FPS), blur
        self._state: dict[int, list[Tensor]] = {}

    def __call__(self, level: int, bands: Tensor) -> Tensor:
        phase, amplitude = bands.angle(), bands.abs() + 1e-10
        count = len(self._sections) // 5
        if level not in self._state:
            self._state[level] = [phase, *(torch.zeros_like(phase) for _ in range(1 + 2 * count))]
        state = self._state[level]
        step = phase - state[0]
        state[0] = phase
        state[1] = state[1] + step - 2 * torch.pi * torch.round(step / (2 * torch.pi))
        value = state[1]
        for i in range(count):
            b0, b1, b2, a1, a2 = self._sections[5 * i : 5 * i + 5]
            given, one, two = value, state[2 + 2 * i], state[3 + 2 * i]
            value = b0 * given + one
            state[2 + 2 * i] = b1 * given - a1 * value + two
            state[3 + 2 * i] = b2 * given - a2 * value
        turn = (FACTOR - 1) * self._blur(amplitude * value) / self._blur(amplitude)
        return bands * torch.polar(torch.ones_like(turn), turn)
