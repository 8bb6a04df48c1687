"""`python -m benchmarks.gpu.groups GROUP`: one group of rows of a GPU, a JSON line each on stdout.

Phase differences and pyramids, beside what the memory allows and beside peers; each row on its own,
so that one that fails ends no other. A line is printed the moment its number is there, and before
the number of what comes next: who reads keeps what was measured before the end of the time, and
goes on in another process behind what ended this one (`benchmarks.gpu_check`).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from itertools import chain, count, islice
from typing import Any

import torch

from benchmarks import machine
from benchmarks.gpu import pyramids, windows
from benchmarks.gpu.facts import bandwidth
from benchmarks.gpu.kernels import in_turn, kernel_times
from benchmarks.gpu.plan import GAVE_UP
from benchmarks.paired_timing import Budget, reason
from benchmarks.results import circumstances
from benchmarks.rows import Row
from benchmarks.suites import Settings, SuiteRun
from benchmarks.suites.comparison import measure

GROUPS = ("own", "peers", "slow-peers")
WHOLE = {"epoch": "benchmarks.suites.epoch", "predict": "benchmarks.gpu.predict"}  # no part alone


def run(settings: Settings) -> SuiteRun:
    """Time every row. Elsewhere than on a GPU only `--quick` measures anything, to see it work."""
    if gap := settings.gpu_gap:
        return [Row("cuda/all", "all rows", "its peers", "any", settings.threads, gap=gap)], {}
    rows = list(chain.from_iterable(measured(group, settings) for group in GROUPS))
    rate = bandwidth(settings.device)
    return rows, {"copy bandwidth, bytes read and written per second": rate}


def measured(group: str, settings: Settings, start: int = 0) -> Iterator[Row]:
    """The rows of a group one by one, from row `start`; one whose measurement raises is a gap."""
    budget = Budget(1, 0.001) if settings.quick else Budget(5, 0.05)
    of_group = (
        (task for task in operator.tasks(settings) if task.group == group)
        for operator in (windows, pyramids)
    )
    for task in islice(in_turn(*of_group), start, None):
        try:
            row = measure(task, settings, budget)
        except Exception as error:  # whatever it is, the next row may be well
            row = Row(threads=settings.threads, gap=reason(error), **task.row)
        yield row


def records(group: str, settings: Settings, start: int = 0) -> Iterator[dict[str, Any]]:
    """What a group measures; its number comes before what another process can be begun with."""
    if group in WHOLE:  # imports what training or videos need
        yield from map(_record, import_module(WHOLE[group]).rows(settings))
        return
    found: Iterator[list[dict[str, Any]]]
    if group == "kernels":
        found = kernel_times(settings, start)
    else:
        found = ([_record(row)] for row in measured(group, settings, start))
    for number in count(start):
        yield {"record": "begun", "number": number}
        if (several := next(found, None)) is None:
            return
        yield from several


def _record(row: Row) -> dict[str, Any]:
    return {"record": "row", **row.to_dict()}


def is_dead(device: str) -> bool:
    """Whether the GPU's context refuses everything, as it does after an illegal access."""
    try:
        if device == "cuda":
            torch.cuda.synchronize()
    except RuntimeError:
        return True
    return False


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu.groups", description=__doc__)
    parser.add_argument("group", choices=(*GROUPS, "kernels", *WHOLE))
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument(
        "--operators", metavar="FILE", help="library whose operators replace the CPU's"
    )
    parser.add_argument("--start", type=int, default=0, help="what to go on with (0)")
    options = parser.parse_args(arguments)
    if options.operators:
        torch.ops.load_library(options.operators)
    quick = options.device == "cpu"
    settings = Settings(options.device, torch.get_num_threads(), quick)
    known = {"load": machine.load_average(), **circumstances(settings)}
    tell({"record": "context", **known})
    for record in records(options.group, settings, options.start):
        tell(record)
        if record.get("gap") and is_dead(options.device):
            sys.exit(GAVE_UP)
    tell({"record": "end"})


def tell(record: dict[str, Any]) -> None:
    print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
