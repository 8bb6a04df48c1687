"""`python -m benchmarks.gpu.measure GROUP`: one group of measurements, a JSON line each on stdout.

A line is printed the moment its number is there: what was measured before a failure or the end of
the time is kept by who reads (`benchmarks.gpu_check`).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import torch

from benchmarks import machine, suites
from benchmarks.gpu.kernels import kernel_times
from benchmarks.results import circumstances
from benchmarks.suites import Settings, cuda


def records(group: str, settings: Settings) -> Iterator[dict[str, Any]]:
    """What a group measures, one after the other."""
    if group == "kernels":
        yield from kernel_times(settings)
        return
    epoch = group == "epoch"  # trains, and imports what training needs
    rows = suites.run("epoch", settings)[0] if epoch else cuda.measured(group, settings)
    for row in rows:
        yield {"record": "row", **row.to_dict()}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu.measure", description=__doc__)
    parser.add_argument("group", choices=(*cuda.GROUPS, "kernels", "epoch"))
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
