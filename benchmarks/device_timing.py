"""Timing on a device: CUDA events, inputs that are not in the cache, CUDA graphs.

The same code runs on the CPU, with the clock of the process, so that it can be tested there.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import cycle
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from benchmarks.timing import Budget, Sample

CACHES = 2  # inputs are rotated through so many times the L2 cache
CPU_CACHE = 4 << 20  # bytes, where no device tells
REPLICATE = 2e-3  # seconds that one replicate takes at least
COPY_BYTES = 1 << 30


def cache_bytes(device: str) -> int:
    """Bytes of the L2 cache."""
    if device != "cuda":
        return CPU_CACHE
    return torch.cuda.get_device_properties(torch.cuda.current_device()).L2_cache_size


def rotated(tensor: Tensor, device: str) -> Iterator[Tensor]:
    """Endless copies of `tensor` on the device; those of one turn do not fit the cache together."""
    bytes_each = max(1, tensor.numel() * tensor.element_size())
    count = max(2, -(-CACHES * cache_bytes(device) // bytes_each))
    return cycle([tensor.to(device, copy=True) for _ in range(count)])


def alternate(
    calls: Mapping[str, Callable[[], Any]], budget: Budget, device: str, flushed: bool = False
) -> dict[str, Sample]:
    """Time everything in each of the rounds, forwards and backwards in turn.

    With `flushed` each call is a replicate of its own, before which other memory is read until the
    cache holds nothing else: written lines would be written back within the measured call.
    """
    timers = {name: _Timer(call, device, flushed) for name, call in calls.items()}
    blocks: dict[str, list[list[float]]] = {name: [] for name in timers}
    for number in range(budget.rounds):
        names = list(timers) if number % 2 == 0 else list(reversed(timers))
        for name in names:
            blocks[name].append(timers[name].block(budget.seconds))
    return {
        name: Sample(
            rounds=tuple(statistics.median(block) for block in measured),
            times=tuple(time for block in measured for time in block),
            runs=timers[name].each * sum(map(len, measured)),
        )
        for name, measured in blocks.items()
    }


@cache
def bandwidth(device: str) -> float:
    """Bytes per second that copying within the device's memory reads and writes together."""
    size = COPY_BYTES if device == "cuda" else COPY_BYTES >> 6
    source = torch.empty(size, dtype=torch.uint8, device=device).random_()
    target = torch.empty_like(source)
    call = {"copy": lambda: target.copy_(source)}
    return 2 * size / alternate(call, Budget(5, 0.05), device)["copy"].median


def graphed(call: Callable[[], Any]) -> Callable[[], Any]:
    """`call` recorded once in a CUDA graph; what is returned replays it."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):  # plans and workspaces are made before
            call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        kept = call()  # the graph writes here

    def replay() -> Any:
        graph.replay()
        return kept

    return replay


class _Timer:
    """Times one function, and remembers how many calls make a replicate."""

    def __init__(self, call: Callable[[], Any], device: str, flushed: bool) -> None:
        self.call, self.device = call, device
        self.flush = (
            torch.zeros(CACHES * cache_bytes(device) // 4, dtype=torch.int32, device=device)
            if flushed
            else None
        )
        self._replicates(2, 1)  # warm
        once = statistics.median(self._replicates(3, 1))
        self.each = 1 if flushed else max(1, round(REPLICATE / max(once, 1e-9)))

    def block(self, seconds: float) -> list[float]:
        """Seconds a call, for replicates that take about so long together."""
        first = self._replicates(1, self.each)
        count = max(1, min(1000, int(seconds / max(first[0] * self.each, 1e-9))))
        return self._replicates(count, self.each)

    def _replicates(self, count: int, each: int) -> list[float]:
        if self.device == "cuda":
            return self._by_events(count, each)
        times = []
        for _ in range(count):
            self._flush()
            start = perf_counter()
            self._run(each)
            times.append((perf_counter() - start) / each)
        return times

    def _by_events(self, count: int, each: int) -> list[float]:
        pairs: Sequence[tuple[Any, Any]] = [
            tuple(torch.cuda.Event(enable_timing=True) for _ in range(2)) for _ in range(count)
        ]
        for start, end in pairs:
            self._flush()
            start.record()
            self._run(each)
            end.record()
        torch.cuda.synchronize()
        return [start.elapsed_time(end) / 1000 / each for start, end in pairs]

    def _flush(self) -> None:
        if self.flush is not None:
            self.flush.max()

    def _run(self, each: int) -> None:
        for _ in range(each):
            self.call()
