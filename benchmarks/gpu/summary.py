"""What a check found, in 40 lines at most."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap
from typing import Any

from benchmarks.rows import Row
from benchmarks.table import WIDTH, columns

LINES = 40
EACH = 3  # kernels
Records = Sequence[dict[str, Any]]


def summary(records: Records) -> str:
    """The machine, the steps, the rows, and as many of the slowest kernels as still fit."""
    rows = measured_rows(records)
    lines = [*_machine(records), *_steps(records), *(columns(rows) if rows else [])]
    kernels = list(_kernels(records))
    left = LINES - len(lines)
    if len(kernels) > left:
        kernels = kernels[: max(left - 1, 0)]
        kernels.append("  ... and the rest in records.jsonl")
    return "\n".join(line[:WIDTH] for line in [*lines, *kernels][:LINES])


def of_kind(records: Records, kind: str) -> list[dict[str, Any]]:
    """The records of that kind, without its name."""
    return [
        {name: value for name, value in record.items() if name != "record"}
        for record in records
        if record["record"] == kind
    ]


def measured_rows(records: Records) -> list[Row]:
    return [Row.from_dict(record) for record in of_kind(records, "row")]


def _machine(records: Records) -> Iterable[str]:
    for one in of_kind(records, "machine")[-1:]:
        names = ("gpu", "architecture", "torch", "cuda", "python")
        yield ", ".join(f"{name} {one[name]}" for name in names if one.get(name))
    for one in of_kind(records, "bandwidth")[-1:]:
        clocks = one.get("clocks") or {}
        told = [f"{name} {clocks[name]}" for name in ("clocks.sm", "clocks.mem") if name in clocks]
        rate = f"copying {one['bytes_per_second'] / 1e12:.3f} TB/s, read and written"
        yield ", ".join([rate, *told])


def _steps(records: Records) -> Iterator[str]:
    lost = of_kind(records, "lost")
    for step in dict.fromkeys(one["step"] for one in lost):
        of_step = [one for one in lost if one["step"] == step]
        numbers = ", ".join(str(one["number"]) for one in of_step)
        yield f"LOST      {step}: {numbers}; the first: {of_step[0]['reason']}"
    passed = []
    for one in of_kind(records, "step"):
        name, took = one["step"], f"{one['seconds']:.0f} s"
        if one["status"] == "passed":
            passed.append(f"{name} {took}")
        else:
            yield f"{one['status'].upper():9} {name}: {one['reason']} ({took})"
    yield from wrap(
        ", ".join(passed), WIDTH, initial_indent="passed".ljust(10), subsequent_indent=" " * 10
    )


def _kernels(records: Records) -> Iterator[str]:
    kernels = of_kind(records, "kernel")
    yield from (f"kernels of {one['work']}: {one['gap']}" for one in kernels if "gap" in one)
    timed = [one for one in kernels if "seconds" in one]
    if timed:
        yield f"kernels, the slowest {EACH} of each work, µs a call, launches a call"
    for work in dict.fromkeys(one["work"] for one in timed):
        of_work = [one for one in timed if one["work"] == work]
        for one in sorted(of_work, key=lambda one: -one["seconds"])[:EACH]:
            kernel = one["kernel"].replace("phasenet::cuda::", "")
            name = kernel.replace("(anonymous namespace)::", "")
            yield f"{one['seconds'] * 1e6:9.1f} {one['launches']:6.1f}  {work}: {name}"
