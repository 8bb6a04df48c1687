"""What a check found, in 40 lines at most."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import wrap
from typing import Any

LINES, WIDTH = 40, 118
Records = Sequence[dict[str, Any]]


def table(records: Records) -> str:
    """The machine, the steps, the rows, and as many of the slowest kernels as still fit."""
    lines = [*_machine(records), *_steps(records), *_rows(records)]
    kernels = list(_kernels(records))
    left = LINES - len(lines)
    if len(kernels) > left:
        kernels = kernels[: max(left - 1, 0)]
        kernels.append("  ... and the rest in records.jsonl")
    return "\n".join(line[:WIDTH] for line in [*lines, *kernels][:LINES])


def of_kind(records: Records, kind: str) -> list[dict[str, Any]]:
    return [record for record in records if record["record"] == kind]


def _machine(records: Records) -> Iterable[str]:
    for one in of_kind(records, "machine")[-1:]:
        names = ("gpu", "architecture", "torch", "cuda", "python")
        yield ", ".join(f"{name} {one[name]}" for name in names if one.get(name))
    for one in of_kind(records, "bandwidth")[-1:]:
        clocks = one.get("clocks") or {}
        names = [name for name in ("clocks.sm", "clocks.mem") if name in clocks]
        told = [f"copying {one['bytes_per_second'] / 1e12:.3f} TB/s, read and written"]
        yield ", ".join([*told, *(f"{name} {clocks[name]}" for name in names)])


def _steps(records: Records) -> Iterable[str]:
    told = []
    for one in of_kind(records, "step"):
        if one["status"] == "passed":
            told.append(f"{one['step']} {one['seconds']:.0f} s")
        else:
            told_of = f"{one['step']}: {one['reason']} ({one['seconds']:.0f} s)"
            yield f"{one['status'].upper():9} {told_of}"
    indent = " " * 10
    yield from wrap(
        ", ".join(told), WIDTH, initial_indent="passed".ljust(10), subsequent_indent=indent
    )


def _rows(records: Records) -> Iterable[str]:
    rows = of_kind(records, "row")
    if rows:
        yield f"{'row':38}{'ours':>11}{'peer':>11}{'ratio':>9}{'target':>8}{'error':>10}"
    for row in rows:
        if row["gap"]:
            yield f"{row['id']:38} {row['gap']}"
            continue
        ours, peer, error = row["ours"], row["peer"], row["ours"]["error"]
        bar = row["error_bar"]
        wrong = bar is not None and (error is None or not error <= bar)
        mark = (
            "  WRONG" if wrong else {True: "  reached", False: "  missed", None: ""}[row["reached"]]
        )
        target = "" if row["target"] is None else f"{row['target']:g}"
        told = "" if error is None else f"{error:.1e}"
        yield (
            f"{row['id']:38}{_time(ours):>11}{_time(peer):>11}{row['ratio']:>9.2f}{target:>8}"
            f"{told:>10}{mark}"
        )


def _time(measured: dict[str, Any] | None) -> str:
    if measured is None:
        return "-"
    seconds = measured["median"]
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1e6:.1f} µs"


def _kernels(records: Records) -> Iterable[str]:
    kernels = of_kind(records, "kernel")
    for one in kernels:
        if "gap" in one:
            yield f"kernels of {one['work']}: {one['gap']}"
    told = [one for one in kernels if "seconds" in one]
    if told:
        yield "kernels, µs a call, launches a call"
    for one in sorted(told, key=lambda one: -one["seconds"]):
        name = one["kernel"].replace("phasenet::cuda::", "").replace("(anonymous namespace)::", "")
        yield f"{one['seconds'] * 1e6:9.1f} {one['launches']:6.1f}  {one['work']}: {name}"
