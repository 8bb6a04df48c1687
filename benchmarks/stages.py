"""Where the time of a longer job goes, stage by stage."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from time import perf_counter

import numpy as np
import torch

from benchmarks.rows import Measured, Row
from benchmarks.timing import Sample, spread


class Stopwatch:
    """Sums seconds per stage, run by run."""

    def __init__(self, device: str = "cpu") -> None:
        self.runs: list[dict[str, float]] = []
        self._device = device

    def begin(self) -> None:
        """A new run starts here."""
        self.runs.append(defaultdict(float))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the block to a stage of the current run."""
        start = self._now()
        yield
        self.runs[-1][name] += self._now() - start

    def seconds(self, *names: str) -> tuple[float, ...]:
        """Of these stages together, per run; the first run warmed up and does not count."""
        return tuple(sum(run[name] for name in names) for run in self.runs[1:])

    def _now(self) -> float:
        if self._device == "cuda":
            torch.cuda.synchronize()
        return perf_counter()


def share_row(
    id: str, work: str, against: str, size: str, threads: int, *,
    seconds: tuple[float, ...], whole: Sample, target: float | None = None, note: str | None = None,
) -> Row:  # fmt: skip
    """A row that tells which share of the whole a stage takes."""
    low, high = np.quantile(seconds, [0.25, 0.75]) / whole.median
    return Row(
        id, work, against, size, threads,
        ours=Measured(median(seconds), spread(seconds), len(seconds)),
        peer=Measured(whole.median, whole.iqr, whole.runs),
        kind="share", ratio=median(seconds) / whole.median,
        ratio_low=float(low), ratio_high=float(high), target=target, note=note,
    )  # fmt: skip
