"""`python -m benchmarks.gpu.measure GROUP`: one group of measurements, a JSON line each on stdout.

A line is printed the moment its number is there: what was measured before a failure or the end of
the time is kept by who reads (`benchmarks.gpu_check`).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any

import torch

from benchmarks import machine
from benchmarks.gpu import pyramids
from benchmarks.gpu.kernels import kernel_times
from benchmarks.gpu.tasks import Task, measured
from benchmarks.gpu.windows import MODES, Windows
from benchmarks.results import now
from benchmarks.settings import Settings


def _windows(settings: Settings) -> list[Windows]:
    return [Windows(settings, mode) for mode in MODES]


def _own(settings: Settings) -> list[Task]:
    parts = [*_windows(settings), *pyramids.shapes(settings)]
    return list(chain.from_iterable(part.own() for part in parts))


def _peers(settings: Settings) -> list[Task]:
    parts = [*_windows(settings), *pyramids.shapes(settings)]
    return list(chain.from_iterable(part.peers() for part in parts))


def _slow_peers(settings: Settings) -> list[Task]:
    return list(chain.from_iterable(part.slow_peers() for part in _windows(settings)))


TASKS: dict[str, Callable[[Settings], list[Task]]] = {
    "own": _own, "peers": _peers, "slow-peers": _slow_peers,
}  # fmt: skip
GROUPS = (*TASKS, "kernels", "epoch")


def records(group: str, settings: Settings) -> Iterator[dict[str, Any]]:
    """What a group measures, one after the other."""
    if group == "kernels":
        yield from kernel_times(settings)
        return
    if group == "epoch":
        from benchmarks.suites import epoch  # trains, and imports what training needs

        rows = iter(epoch.run(settings).rows)
    else:
        rows = measured(TASKS[group](settings), settings)
    for row in rows:
        yield {"record": "row", **row.to_dict()}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu.measure", description=__doc__)
    parser.add_argument("group", choices=GROUPS)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument(
        "--operators", metavar="FILE", help="library whose operators replace the CPU's"
    )
    options = parser.parse_args(arguments)
    if options.operators:
        torch.ops.load_library(options.operators)

    def tell(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    settings = Settings(
        options.device, torch.get_num_threads(), quick=options.device == "cpu", tell=tell
    )
    context = {
        "record": "context", "device": settings.device, "threads": settings.threads,
        "quick": settings.quick, "machine": machine.machine(settings.device),
        "versions": machine.versions(), "commit": machine.commit(),
        "load": machine.load_average(), "date": now(),
    }  # fmt: skip
    for record in chain([context], records(options.group, settings)):
        print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
