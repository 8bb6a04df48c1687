"""`phase_difference_windows` as MIMAMO Net uses it: 12 differences, height 4, 2 bands, 2 levels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

import phasenet
from benchmarks.paired_timing import Parity, Side
from benchmarks.strong_pytorch import StrongPhaseDifference
from benchmarks.suites import Settings, SuiteRun
from benchmarks.suites.clips import moving_texture, wrap_shares
from benchmarks.suites.comparison import Check, Comparison, Task, measure
from benchmarks.suites.memory import memory_rows
from phasenet import reference
from phasenet.parity import ambiguous_planes, phase_error

NUM_PHASE, SIDE = 12, 48
MODES = ("published", "full")
REFERENCE = "phasenet.reference (a pyramid for each frame of each window)"
STRONG = "strong PyTorch (each frame once, batched FFT, separable conv2d)"
COMPILED = "strong PyTorch under torch.compile"
MATMUL = "strong PyTorch, blur as matrix products"
FLOOR = "allocating its output and writing it once"
# Above these errors a result is wrong. Phases of a video have low amplitudes, whose rounding
# errors are larger than those of random frames.
BARS = {torch.float32: 5e-5, torch.float64: 1e-11}

Planes = tuple[Tensor, ...]


def run(settings: Settings) -> SuiteRun:
    """Time every row of the suite."""
    length, long = (8, 32) if settings.quick else (64, 1024)
    frames = moving_texture(long)
    modes = [_Mode(settings, frames, length, mode) for mode in MODES]
    tasks = [*(task for mode in modes for task in mode.tasks()), *modes[0].more_tasks()]
    rows = [measure(task, settings) for task in tasks]
    settings.tell("phase/memory")
    rows += memory_rows(settings, length)
    shares = wrap_shares(frames[:length])
    return rows, {"wrap_share": shares, "clip": f"moving texture, {length} frames"}


class PhaseComparison(Comparison):
    """The operator and its peers in one unwrap mode.

    Args:
        settings: how to measure.
        suite: the first part of the rows' ids.
        unwrap: the mode.
        frames: float32, on the CPU.
        check: of the planes that are computed of them.
    """

    def __init__(
        self, settings: Settings, suite: str, unwrap: str, frames: Tensor, check: Check
    ) -> None:
        super().__init__(
            settings, frames, f"{suite}/{unwrap}", f"phase_difference_windows, unwrap {unwrap}",
            size(frames.shape),
        )  # fmt: skip
        self.unwrap, self.check = unwrap, check

    def call(self, frames: Tensor, out: Planes | None = None) -> Planes:
        return phasenet.phase_difference_windows(frames, NUM_PHASE, unwrap=self.unwrap, out=out)

    def ours(self, inputs: Iterator[Tensor], threads: int | None = None) -> Side:
        gap = self.settings.operator_gap
        return Side(lambda: self.call(next(inputs)), self.check, threads, gap)

    def strong(self, inputs: Iterator[Tensor], **options: Any) -> Side:
        peer = self._strong(**options)
        return Side(lambda: peer(next(inputs)), self.check)

    def compiled(self, inputs: Iterator[Tensor]) -> Side:
        if self.settings.quick:
            return Side(gap="not in a quick run: compiling takes a minute")
        peer = torch.compile(self._strong(), dynamic=False)
        return Side(lambda: peer(next(inputs)), self.check, optional=True)

    def reference(self, inputs: Iterator[Tensor]) -> Side:
        peer = reference.phase_difference_windows
        return Side(lambda: peer(next(inputs), NUM_PHASE, unwrap=self.unwrap), self.check)

    def _strong(self, **options: Any) -> StrongPhaseDifference:
        return StrongPhaseDifference(
            (SIDE, SIDE), NUM_PHASE, unwrap=self.unwrap, device=self.settings.device, **options
        )


class _Mode(PhaseComparison):
    """The rows of one unwrap mode, of uint8 frames; the first `length` are the usual clip."""

    def __init__(self, settings: Settings, frames: Tensor, length: int, unwrap: str) -> None:
        self.frames, self.clip, self.long = frames, frames[:length], frames.float() / 255
        check = parity(self.clip, unwrap)
        super().__init__(settings, "phase", unwrap, self.long[:length], check)

    def tasks(self) -> list[Task]:
        """Beside its peers, a long clip beside a short one and short ones at once, and threads.

        As many frames in short clips write as much as the long one.
        """
        long, length = len(self.long), len(self.clip)
        at_length = partial(self.task, kind="cost", size=size(self.long.shape))
        short = f"itself at {length} frames, per frame"
        clips = f"itself on {long // length} clips of {length} frames at once"
        return [
            self.task("reference", REFERENCE, self.beside(self.reference), slow=True, target=150),
            self.task("strong", STRONG, self.beside(self.strong), target=20),
            self.task("compiled", COMPILED, self.beside(self.compiled)),
            self.task("matmul", MATMUL, self.beside(partial(self.strong, blur="matmul"))),
            at_length("length", short, self._beside_short, scale=length / long, target=1.1),
            at_length("clips", clips, self._beside_clips),
            self.task("threads", "itself on 1 thread", self.beside_one_thread(), target=1.7),
        ]

    def more_tasks(self) -> list[Task]:
        """In other types, and beside what cannot be saved: the output has to be written.

        The peer is the strongest PyTorch: its depthwise convolution is slow in float64.
        """
        double, shape = torch.float64, self.inputs.shape
        matmul = partial(self.strong, blur="matmul", dtype=double)
        wide = self.beside(matmul, self.clip.to(double) / 255)
        narrow = self.beside(self.strong, self.clip)
        return [
            self.task("float64", MATMUL, wide, size=size(shape, "float64")),
            self.task("uint8", STRONG, narrow, size=size(shape, "uint8")),
            self.task("floor", FLOOR, self.beside(self._floor), kind="cost"),
        ]

    def _beside_short(self) -> dict[str, Side]:
        return {"ours": self._long(), "peer": self._written(self.inputs, self.check)}

    def _beside_clips(self) -> dict[str, Side]:
        clips = self.long.unflatten(0, (-1, len(self.clip)))
        peer = self._written(clips, lambda planes: self.check([x[0] for x in planes]))
        return {"ours": self._long(), "peer": peer}

    def _long(self) -> Side:
        """All frames; the parity is that of as many windows as usual in their middle."""
        start = (len(self.long) - len(self.clip)) // 2
        end = start + len(self.clip)
        context = self.frames[start - NUM_PHASE // 2 : end + NUM_PHASE - NUM_PHASE // 2]
        middle = parity(context, self.unwrap, boundary="valid")
        return self._written(self.long, lambda planes: middle([x[start:end] for x in planes]))

    def _written(self, frames: Tensor, check: Check) -> Side:
        """The operator, writing into the result of the first call: fresh memory has to be cleared
        by the system first."""
        frames, out = frames.to(self.settings.device), []

        def call() -> Planes:
            out[:] = [self.call(frames, *out)]
            return out[0]

        return Side(call, check, gap=self.settings.operator_gap)

    def _floor(self, inputs: Iterator[Tensor]) -> Side:
        shapes = [(len(self.clip), 2 * NUM_PHASE, side, side) for side in (SIDE, SIDE // 2)]
        device = self.settings.device
        return Side(lambda: [torch.full(shape, 0.5, device=device) for shape in shapes])


def parity(frames: Tensor, unwrap: str, boundary: str = "replicate") -> Check:
    """Return what tells the error of planes of frames in grey levels; the worst level counts."""
    exact = frames.double() / 255
    options: dict[str, Any] = {"boundary": boundary}
    expected = reference.phase_difference_windows(exact, NUM_PHASE, unwrap=unwrap, **options)
    ambiguous = ambiguous_planes(exact, NUM_PHASE, **options)

    def check(planes: Sequence[Tensor]) -> Parity:
        errors = [
            phase_error(got.cpu(), want, mask)
            for got, want, mask in zip(planes, expected, ambiguous, strict=True)
        ]
        error, left_out = (max(values) for values in zip(*errors, strict=True))
        return Parity(error, left_out, BARS[planes[0].dtype])

    return check


def size(shape: Sequence[int], dtype: str = "float32") -> str:
    return f"{'x'.join(map(str, shape))} {dtype}"
