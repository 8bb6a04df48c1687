"""`python -m benchmarks.report`: the documents' tables, from the newest results."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from benchmarks import table
from benchmarks.machine import ROOT
from benchmarks.results import RESULTS, Result, newest
from benchmarks.rows import Row
from mimamo.errors import InputError
from mimamo.files import replacing

PAGE = ROOT / "docs" / "explanation" / "benchmarks.md"
BEGIN, END = "<!-- benchmarks:begin -->", "<!-- benchmarks:end -->"
BUSY = 0.5  # processes per core before the run, above which its times are rough
# What the README shows of the machine measured last, in short.
CHOSEN = {
    "phase/full/reference": "phases of 64 frames: the published way",
    "phase/full/strong": "phases of 64 frames: well-written PyTorch",
    "phase/memory/full": "extra memory of these: their output",
    "pyramid/256/forward/plenoptic": "pyramid of 16 images of 256²: plenoptic",
    "pyramid/256/inverse/plenoptic": "its inverse: plenoptic",
    "predict/ours/plain": "a video of 10 s: plain sequential PyTorch",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    add = parser.add_argument
    add("--results", type=Path, default=RESULTS, help="folder of stored results")
    add("--readme", type=Path, default=ROOT / "README.md", help="gets a few rows between markers")
    add("--page", type=Path, default=PAGE, help="gets all rows between markers")
    options = parser.parse_args(arguments)
    try:
        found = by_machine(newest(options.results))
        if not found:
            raise InputError(f"{options.results}: expected stored results, found none")
        insert(options.page, full(found))
        insert(options.readme, chosen(found[0]))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def by_machine(found: Iterable[Result]) -> list[list[Result]]:
    """The results of each machine and device, the one measured last first."""
    machines = [list(group) for _, group in groupby(found, key=lambda one: _name([one]))]
    return sorted(machines, key=lambda suites: max(one.date for one in suites), reverse=True)


def full(machines: list[list[Result]]) -> str:
    """Every row of every machine; options are code, as two hyphens are typeset as a dash."""
    text = "\n\n".join(part for suites in machines for part in _tables(suites))
    return re.sub(r"--[a-z][\w-]*", r"`\g<0>`", text)


def chosen(suites: list[Result]) -> str:
    """A few rows of one machine, in lines of less than 120 characters."""
    rows = {row.id: row for row in _rows(suites)}
    lines = ["| Work: beside | Ours | Theirs | Ratio | Target |", "|---|---|---|---|---|"]
    for name, label in CHOSEN.items():
        if name in rows:
            _, _, _, ours, theirs, ratio, target, _ = table.cells(rows[name])
            lines.append(f"| {label} | {ours} | {theirs} | {ratio.split(' (')[0]} | {target} |")
    return "\n".join([*lines, "", f"Measured on {_name(suites)}."])


def terminal(result: Result) -> str:
    """Every row, those that lose and those that could not be measured too, and what to know."""
    title = f"{result.suite} on {result.device}" + " (quick: not to be quoted)" * result.quick
    inputs = [f"{name}: {value}" for name, value in result.inputs.items()]
    known = [result.circumstances, *inputs, *_remarks([result])]
    return "\n".join([title, *table.columns(result.rows), *known])


def insert(path: Path, text: str) -> None:
    """Put `text` between the markers of a file; InputError if it has none."""
    try:
        old = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    before, begin, rest = old.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise InputError(f"{path}: expected lines {BEGIN} and {END}, found none")
    with replacing(path) as temporary:
        temporary.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def _tables(suites: list[Result]) -> list[str]:
    """One machine's: on what and when it was measured, the rows, what to know of them."""
    lines: dict[str, list[str]] = {}
    for result in suites:
        lines.setdefault(result.circumstances, []).append(result.suite)
    told = [f"- {', '.join(names)}: {line}" for line, names in lines.items()]
    told += [
        f"- {name} of {result.suite}: {value}"
        for result in suites
        for name, value in result.inputs.items()
        if isinstance(value, str)
    ]
    told += [f"- {remark}" for remark in _remarks(suites)]
    parts = [f"## {_name(suites)}", "\n".join(told)]
    for title, aimed in (("With a target", True), ("Without a target", False)):
        rows = [row for row in _rows(suites) if (row.target is not None) == aimed]
        parts += [f"### {title}", table.markdown(rows)] if rows else []
    return parts


def _remarks(results: Sequence[Result]) -> list[str]:
    """What a reader of these results has to know, each once."""
    rows = _rows(results)
    told = [row.note for row in rows if row.note]
    sides = [side for row in rows for side in (row.ours, row.peer) if side]
    if most := max((side.left_out or 0 for side in sides), default=0):
        told.append(
            f"Up to {most:.2%} of the values are left out of the errors: there two correct "
            "computations may unwrap differently."
        )
    told += [
        f"{result.suite}: the machine was not idle before the run: times are rough"
        for result in results
        if result.load["before"][0] > BUSY * result.machine["cores"]
    ]
    return list(dict.fromkeys(told))


def _rows(suites: Iterable[Result]) -> list[Row]:
    return [row for result in suites for row in result.rows]


def _name(suites: list[Result]) -> str:
    return f"{suites[0].machine_name}, {suites[0].device}"


if __name__ == "__main__":
    sys.exit(main())
