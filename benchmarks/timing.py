"""Timing several functions within one run, in turn, so that what slows one slows the others."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from torch.utils.benchmark import Timer


@dataclass(frozen=True)
class Budget:
    """How long to measure: `rounds` turns, and in each at least `seconds` for every function."""

    rounds: int
    seconds: float


@dataclass(frozen=True)
class Sample:
    """Seconds per call of one function: the median of each round, and every replicate."""

    rounds: tuple[float, ...]
    times: tuple[float, ...]
    runs: int

    @property
    def median(self) -> float:
        return statistics.median(self.times)

    @property
    def iqr(self) -> float:
        return spread(self.times)


@dataclass(frozen=True)
class Ratio:
    """Median over the rounds, and their quartiles."""

    median: float
    low: float
    high: float


def alternate(
    calls: Mapping[str, Callable[[], object]], threads: Mapping[str, int], budget: Budget
) -> dict[str, Sample]:
    """Time every call in each of the rounds, forwards and backwards in turn.

    `Timer.blocked_autorange` warms up, chooses how many calls make one replicate, and waits for the
    GPU where there is one.
    """
    timers = {
        name: Timer("call()", globals={"call": call}, num_threads=threads[name])
        for name, call in calls.items()
    }
    blocks = {name: [] for name in timers}
    for number in range(budget.rounds):
        names = list(timers) if number % 2 == 0 else list(reversed(timers))
        for name in names:
            block = timers[name].blocked_autorange(min_run_time=budget.seconds)
            blocks[name].append(block)
    return {
        name: Sample(
            rounds=tuple(block.median for block in measured),
            times=tuple(time for block in measured for time in block.times),
            runs=sum(block.number_per_run * len(block.times) for block in measured),
        )
        for name, measured in blocks.items()
    }


def ratio(numerator: Sample, denominator: Sample, scale: float = 1.0) -> Ratio:
    """How many times longer one call takes than the other, compared round by round."""
    ratios = [scale * a / b for a, b in zip(numerator.rounds, denominator.rounds, strict=True)]
    low, high = np.quantile(ratios, [0.25, 0.75])
    return Ratio(statistics.median(ratios), float(low), float(high))


def spread(values: tuple[float, ...]) -> float:
    """The distance between the quartiles."""
    low, high = np.quantile(values, [0.25, 0.75])
    return float(high - low)
