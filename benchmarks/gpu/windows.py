"""Phase differences of windows on a GPU, beside what the memory allows and beside peers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu.facts import bandwidth
from benchmarks.paired_timing import Parity, Side
from benchmarks.suites import Settings
from benchmarks.suites.clips import moving_texture
from benchmarks.suites.comparison import Check, Task
from benchmarks.suites.phase import (
    COMPILED,
    MODES,
    NUM_PHASE,
    REFERENCE,
    SIDE,
    STRONG,
    PhaseComparison,
    parity,
)  # fmt: skip

CLIPS, LENGTH = 16, 64
DISTINCT = 2  # clips; the others repeat them, as making one takes a while
QUICK_CLIPS, QUICK_LENGTH = 2, 2
LATENCY = 60e-6  # seconds
WRITE = "writing its output once at the measured copy bandwidth"
BOUND = "a bound of 60 µs"
GRAPH = ", in a CUDA graph"


def tasks(settings: Settings) -> Iterator[Task]:
    """Clips at once beside the floor of writing the output, one beside a bound; then the peers."""
    cost: dict[str, Any] = {"kind": "cost"}
    slow = "slow-peers"
    works = [Windows(settings, mode) for mode in MODES]
    for mode, many in zip(MODES, works, strict=True):
        one = Windows(settings, mode, count=1)
        yield many.task("graph", WRITE + GRAPH, many.graphed, flushed=True, target=1.5, **cost)
        yield many.task("write", WRITE, many.beside(many.floor), **cost)
        yield one.task("latency", BOUND + GRAPH, one.graphed, flushed=True, target=1.0, **cost)
        yield one.task("launched", BOUND, one.beside(one.floor), **cost)
        yield many.task("strong", STRONG, many.beside(many.strong), "peers", target=20.0)
        yield many.task("reference", REFERENCE, many.beside(many.reference), slow, target=300.0)
    for many in works:  # last, as compiling takes minutes
        yield many.task("compiled", COMPILED, many.beside(many.compiled), slow, target=20.0)


class Windows(PhaseComparison):
    """So many clips at once, float32 ``[N, T, H, W]``, in one unwrap mode."""

    def __init__(self, settings: Settings, unwrap: str, count: int | None = None) -> None:
        several, length = (QUICK_CLIPS, QUICK_LENGTH) if settings.quick else (CLIPS, LENGTH)
        clips = [_clip(length, i % DISTINCT) for i in range(count or several)]
        self.clips = torch.stack(clips)
        super().__init__(settings, "cuda/windows", unwrap, self.clips.float() / 255, self._error)

    def floor(self, inputs: Iterator[Tensor] | None = None) -> Side:
        """For one clip the bound, for several the time that writing every output byte takes."""
        clips, frames = self.clips.shape[:2]
        if clips == 1:
            return Side(bound=LATENCY)
        values = clips * frames * 2 * NUM_PHASE * (SIDE**2 + (SIDE // 2) ** 2)
        return Side(bound=4 * values / bandwidth(self.settings.device))

    def graphed(self) -> dict[str, Side]:
        """The operator in a graph, and the floor."""
        frames = self.on_device()
        ours = self.in_graph(lambda: self.call(frames), self.check)
        return {"ours": ours, "peer": self.floor()}

    def _error(self, planes: Sequence[Tensor]) -> Parity:
        """Of the first clip and of the last."""
        errors = [check([x[index] for x in planes]) for index, check in self._checks.items()]
        return max(errors, key=lambda parity: parity.error)

    @cached_property
    def _checks(self) -> dict[int, Check]:
        length, last = self.clips.shape[1], len(self.clips) - 1
        return {i: _parity(length, i % DISTINCT, self.unwrap) for i in {0, last}}


@cache
def _clip(length: int, seed: int) -> Tensor:
    return moving_texture(length, seed=seed)


@cache
def _parity(length: int, seed: int, unwrap: str) -> Check:
    return parity(_clip(length, seed), unwrap)
