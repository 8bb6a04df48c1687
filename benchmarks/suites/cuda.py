"""Phase differences and pyramids on a GPU, beside what the memory allows and beside peers.

Each row is measured on its own, so that one that fails ends no other.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from benchmarks.gpu import pyramids, windows
from benchmarks.gpu.facts import bandwidth
from benchmarks.paired_timing import Budget
from benchmarks.rows import Row
from benchmarks.suites import Settings, SuiteRun
from benchmarks.suites.comparison import measure

GROUPS = ("own", "peers", "slow-peers")


def run(settings: Settings) -> SuiteRun:
    """Time every row. Elsewhere than on a GPU only `--quick` measures anything, to see it work."""
    if gap := settings.gpu_gap:
        return [Row("cuda/all", "all rows", "its peers", "any", settings.threads, gap=gap)], {}
    rows = list(chain.from_iterable(measured(group, settings) for group in GROUPS))
    rate = bandwidth(settings.device)
    return rows, {"copy bandwidth, bytes read and written per second": rate}


def measured(group: str, settings: Settings) -> Iterator[Row]:
    """The rows of a group one by one; one whose measurement raises is a gap."""
    budget = Budget(1, 0.001) if settings.quick else Budget(5, 0.05)
    for task in [*windows.tasks(settings), *pyramids.tasks(settings)]:
        if task.group != group:
            continue
        try:
            row = measure(task, settings, budget)
        except Exception as error:  # whatever it is, the next row may be well
            first = (str(error).strip() or "no message").splitlines()[0]
            gap = f"fails with {type(error).__name__}: {first}"[:300]
            row = Row(threads=settings.threads, gap=gap, **task.row)
        yield row
