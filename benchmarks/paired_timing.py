"""Timing several implementations of one thing: checked first, then timed in turn.

What slows one slows the others, so that a ratio is within one run. On a GPU the times are those of
CUDA events.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, repeat
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.benchmark import Timer

from benchmarks.rows import Measured, Row

REPLICATE = 2e-3  # seconds that one replicate on a GPU takes at least
CACHES = 2  # what does not stay in the cache is so many times as large


class Budget(NamedTuple):
    """How long to measure: `rounds` turns, and in each about `seconds` for every side."""

    rounds: int
    seconds: float


class Parity(NamedTuple):
    """Relative error against the float64 reference, the share of values left out of it, and the
    error from which on the result is wrong."""

    error: float
    left_out: float | None = None
    bar: float | None = None


@dataclass(frozen=True)
class Side:
    """One implementation.

    Attributes:
        call: does the work once; None with a `gap` or a `bound`.
        check: of what `call` returns.
        threads: if not those of the run.
        gap: why it cannot take part.
        optional: an exception of its first call is a gap, not a failure.
        bound: seconds that are given, not measured.
    """

    call: Callable[[], Any] | None = None
    check: Callable[[Any], Parity] | None = None
    threads: int | None = None
    gap: str | None = None
    optional: bool = False
    bound: float | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a side; `rounds` are the medians of each round, or one for all of them."""

    measured: Measured | None = None
    rounds: Sequence[float] = ()
    threads: int = 1
    gap: str | None = None
    bar: float | None = None

    @classmethod
    def of(cls, values: Sequence[float], threads: int = 1) -> Outcome:
        """Of a number a round, however it was measured."""
        return cls(summary(values, len(values)), values, threads)


def paired_timing(
    sides: Mapping[str, Side],
    threads: int,
    budget: Budget,
    device: str = "cpu",
    flushed: bool = False,
) -> dict[str, Outcome]:
    """Check every side once, then time those that can take part, forwards and backwards in turn.

    With `flushed`, on a GPU, each call is a replicate of its own, before which other memory is read
    until the cache holds nothing else: what is written to it would be written back within the call.
    """
    cuda = device == "cuda"
    flush = torch.zeros(CACHES * cache_bytes() // 4, device="cuda") if cuda and flushed else None
    checked = {name: _check(side) for name, side in sides.items()}
    able = [name for name, (gap, _) in checked.items() if gap is None and sides[name].call]
    blocks: dict[str, list[tuple[Sequence[float], int]]] = {name: [] for name in able}
    for number in range(budget.rounds):
        for name in able if number % 2 == 0 else reversed(able):
            call, own = sides[name].call, sides[name].threads or threads
            if cuda:
                blocks[name].append(_by_events(call, budget.seconds, flush))
            else:
                timer = Timer("call()", globals={"call": call}, num_threads=own)
                block = timer.blocked_autorange(min_run_time=budget.seconds)
                blocks[name].append((block.times, block.number_per_run))
    outcomes = {}
    for name, side in sides.items():
        (gap, parity), own = checked[name], side.threads or threads
        if side.bound is not None:
            outcomes[name] = Outcome.of([side.bound], own)
        elif name not in blocks:
            outcomes[name] = Outcome(threads=own, gap=gap)
        else:
            times = [time for block, _ in blocks[name] for time in block]
            runs = sum(len(block) * each for block, each in blocks[name])
            rounds = [median(block) for block, _ in blocks[name]]
            bar = parity.bar if parity else None
            outcomes[name] = Outcome(summary(times, runs, parity), rounds, own, bar=bar)
    return outcomes


def compared(
    ours: Outcome, peer: Outcome, *, kind: str = "speedup", scale: float = 1.0, **row: Any
) -> Row:
    """A row that compares two outcomes, round by round; a "share" is of the median of the whole.

    Its ratio, times `scale`, is the peer's time over ours for a "speedup", else ours over theirs.
    """
    numbers: dict[str, Any] = {"gap": ours.gap or peer.gap}
    if ours.measured and peer.measured:
        over, under = (peer, ours) if kind == "speedup" else (ours, peer)
        whole = [under.measured.median] if kind == "share" else under.rounds
        ratios = scale * np.divide(over.rounds, whole)
        quartiles = np.quantile(ratios, [0.25, 0.5, 0.75])
        names = ("ratio_low", "ratio", "ratio_high")
        numbers |= dict(zip(names, quartiles.tolist(), strict=True))
    return Row(
        threads=ours.threads, ours=ours.measured, peer=peer.measured, kind=kind,
        error_bar=ours.bar, **numbers, **row,
    )  # fmt: skip


def summary(values: Sequence[float], runs: int, parity: Parity | None = None) -> Measured:
    """Median and distance between the quartiles."""
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75]).tolist()
    error, left_out = parity[:2] if parity else (None, None)
    return Measured(middle, high - low, runs, error, left_out)


def rotated(tensor: Tensor, device: str) -> Iterator[Tensor]:
    """Endless copies on a GPU, of which those of one turn do not fit its cache; else `tensor`."""
    return copies(tensor.to(device), cache_bytes()) if device == "cuda" else repeat(tensor)


def copies(tensor: Tensor, cache: int) -> Iterator[Tensor]:
    """Endless copies of `tensor`, those of one turn larger than the cache together."""
    count = max(2, -(-CACHES * cache // (tensor.numel() * tensor.element_size())))
    return cycle([tensor.clone() for _ in range(count)])


def cache_bytes() -> int:
    """Bytes of the GPU's L2 cache."""
    return torch.cuda.get_device_properties(torch.cuda.current_device()).L2_cache_size


def _check(side: Side) -> tuple[str | None, Parity | None]:
    """Why the side cannot take part, if it cannot, and how far off it is."""
    if side.gap or side.call is None:
        return side.gap, None
    try:
        with warnings.catch_warnings():
            if side.optional:
                warnings.simplefilter("ignore")
            result = side.call()
            return None, side.check(result) if side.check else None
    except Exception as error:  # whatever a peer raises here, it cannot take part
        if not side.optional:
            raise
        return reason(error), None


def reason(error: Exception) -> str:
    """Why there is no number: the exception and the first line of its message."""
    first = str(error).strip().partition("\n")[0] or "no message"
    return f"fails with {type(error).__name__}: {first}"[:300]


def _by_events(
    call: Callable[[], Any], seconds: float, flush: Tensor | None
) -> tuple[list[float], int]:
    """Seconds a call of replicates that take about `seconds` together, and the calls of each."""

    def replicates(count: int, each: int) -> list[float]:
        pairs = [[torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in range(count)]
        for start, end in pairs:
            if flush is not None:
                flush.max()
            start.record()
            for _ in range(each):
                call()
            end.record()
        torch.cuda.synchronize()
        return [start.elapsed_time(end) / 1000 / each for start, end in pairs]

    once = max(replicates(2, 1)[-1], 1e-9)  # the first warms up
    each = 1 if flush is not None else max(1, round(REPLICATE / once))
    return replicates(max(1, min(1000, int(seconds / (each * once)))), each), each
