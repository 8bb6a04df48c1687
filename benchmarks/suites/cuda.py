"""`python -m benchmarks.suites.cuda GROUP`: one group of rows of a GPU, a JSON line each on stdout.

Phase differences and pyramids, beside what the memory allows and beside peers; each row on its own,
so that one that fails ends no other. A line is printed the moment its number is there: what was
measured before a failure or the end of the time is kept by who reads (`benchmarks.gpu_check`).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import torch

from benchmarks import machine, suites
from benchmarks.gpu import pyramids, windows
from benchmarks.gpu.facts import bandwidth
from benchmarks.gpu.kernels import kernel_times
from benchmarks.paired_timing import Budget, reason
from benchmarks.results import circumstances
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
            row = Row(threads=settings.threads, gap=reason(error), **task.row)
        yield row


def records(group: str, settings: Settings) -> Iterator[dict[str, Any]]:
    """What a group measures, one after the other."""
    if group == "kernels":
        yield from kernel_times(settings)
        return
    epoch = group == "epoch"  # trains, and imports what training needs
    rows = suites.run("epoch", settings)[0] if epoch else measured(group, settings)
    for row in rows:
        yield {"record": "row", **row.to_dict()}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.suites.cuda", description=__doc__)
    parser.add_argument("group", choices=(*GROUPS, "kernels", "epoch"))
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument(
        "--operators", metavar="FILE", help="library whose operators replace the CPU's"
    )
    options = parser.parse_args(arguments)
    if options.operators:
        torch.ops.load_library(options.operators)
    quick = options.device == "cpu"
    settings = Settings(options.device, torch.get_num_threads(), quick)
    known = {"load": machine.load_average(), **circumstances(settings)}
    for record in chain([{"record": "context", **known}], records(options.group, settings)):
        print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
