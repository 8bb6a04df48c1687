"""Rows to come: each is measured on its own, so that one that fails ends no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from benchmarks import device_timing
from benchmarks.contest import Outcome, Parity, Side, contest
from benchmarks.rows import Measured, Row
from benchmarks.settings import Settings
from benchmarks.timing import Budget

GRAPH_GAP = "a CUDA graph needs a GPU"


@dataclass(frozen=True)
class Task:
    """A row to come: the fields that are known before, and what measures it."""

    names: dict[str, Any]
    measure: Callable[[], Row]


def measured(tasks: Iterable[Task], settings: Settings) -> Iterator[Row]:
    """The rows one by one; one whose measurement raises is a gap."""
    for task in tasks:
        settings.tell(task.names["id"])
        try:
            with torch.inference_mode():
                row = task.measure()
        except Exception as error:  # whatever it is, the next row may be well
            first = (str(error).strip() or "no message").splitlines()[0]
            gap = f"fails with {type(error).__name__}: {first}"[:300]
            row = Row(threads=settings.threads, gap=gap, **task.names)
        yield row


def timed(settings: Settings, sides: dict[str, Side], flushed: bool = False) -> dict[str, Outcome]:
    """Check the sides, then time them in turn by the device's clock."""
    budget = Budget(1, 0.001) if settings.quick else Budget(5, 0.05)
    time = partial(device_timing.alternate, device=settings.device, flushed=flushed)
    return contest(sides, settings.threads, budget, time)


def in_graph(
    settings: Settings, call: Callable[[], Any], check: Callable[[Any], Parity] | None = None
) -> Side:
    """A side that replays `call` from a CUDA graph; elsewhere than on a GPU, the call itself."""
    if check and settings.operator_gap:
        return Side(check=check, gap=settings.operator_gap)
    replay = device_timing.graphed(call) if settings.device == "cuda" else call
    return Side(replay, check)


def bounded(ours: Outcome, bound: float, **row: Any) -> Row:
    """A row that compares a measured time with a given one."""
    numbers: dict[str, Any] = {"gap": ours.gap}
    if ours.sample:
        rounds = torch.tensor(ours.sample.rounds, dtype=torch.float64) / bound
        low, median, high = rounds.quantile(
            torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64)
        ).tolist()
        numbers |= {"ratio": median, "ratio_low": low, "ratio_high": high}
    return Row(
        threads=ours.threads, ours=ours.measured, peer=Measured(bound, 0.0, 1),
        error_bar=ours.parity.bar if ours.parity else None, **numbers, **row,
    )  # fmt: skip
