"""`python -m benchmarks.report`: the README's tables and picture from the newest stored results."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import plot, wording
from benchmarks.machine import ROOT
from benchmarks.results import RESULTS, Result, newest
from benchmarks.rows import Row
from mimamo.errors import InputError
from mimamo.files import output_folder, replacing

BEGIN, END = "<!-- benchmarks:begin -->", "<!-- benchmarks:end -->"
HEADINGS = ("Work", "Against", "Size", "Ours", "Theirs", "Ratio", "Target", "Errors")


def main(
    results: Annotated[Path, typer.Option(help="Folder of the stored results.")] = RESULTS,
    readme: Annotated[Path, typer.Option(help="Gets the table, between its markers.")] = (
        ROOT / "README.md"
    ),
    picture: Annotated[Path, typer.Option(help="PNG to write.")] = ROOT / "docs/benchmarks.png",
) -> None:
    """Make the table and the picture; without markers in the README the table is printed."""
    try:
        found = newest(results)
        if not found:
            raise InputError(f"{results}: expected stored results, found none")
        text = markdown(found)
        output_folder(picture.parent)
        plot.draw(*_pictured(found), picture)
        if not insert(readme, text):
            print(text)
            print(f"{readme}: no lines {BEGIN} and {END}; table printed", file=sys.stderr)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(2) from None


def markdown(found: Iterable[Result]) -> str:
    """The tables of the machine measured last, and folded below them those of all others."""
    machines = [
        list(group)
        for _, group in groupby(found, key=lambda result: (result.machine_name, result.device))
    ]
    machines.sort(key=lambda suites: max(result.date for result in suites), reverse=True)
    last, *others = machines
    parts = [_tables(last)]
    for suites in others:
        name = f"{suites[0].machine_name}, {suites[0].device}"
        parts += [f"<details><summary>Measured on {name}</summary>", _tables(suites), "</details>"]
    return "\n\n".join(parts)


def _tables(suites: list[Result]) -> str:
    """One machine: the rows with a target, and folded below them all others."""
    rows = [row for result in suites for row in result.rows]
    aimed = [row for row in rows if row.target is not None]
    others = [row for row in rows if row.target is None]
    parts = [_provenance(suites), *([_table(aimed), _notes(aimed)] if aimed else [])]
    if others:
        summary = "<details><summary>Rows without a target</summary>"
        parts += [summary, _table(others), _notes(others), "</details>"]
    return "\n\n".join(filter(None, parts))


def insert(readme: Path, text: str) -> bool:
    """Put `text` between the markers of `readme`; return whether it has them."""
    try:
        old = readme.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{readme}: cannot be read: {error.strerror}") from error
    before, begin, rest = old.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        return False
    with replacing(readme) as temporary:
        temporary.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
    return True


def _provenance(suites: list[Result]) -> str:
    """On what, with what and when; suites of several commits are told apart."""
    lines = {wording.circumstances(result): [] for result in suites}
    for result in suites:
        lines[wording.circumstances(result)].append(result.suite)
    told = "; ".join(f"{', '.join(names)}: {line}" for line, names in lines.items())
    left_out = wording.left_out(row for result in suites for row in result.rows)
    busy = [f"{result.suite}: {wording.busy(result)}" for result in suites if wording.busy(result)]
    inputs = [
        f"{name} of {result.suite}: {value}"
        for result in suites
        for name, value in result.inputs.items()
        if isinstance(value, str)
    ]
    return (
        "Medians ± interquartile range; each ratio is within one run, its sides measured in turn, "
        "with its quartiles. Errors, ours / theirs, are relative to the float64 reference. "
        f"{left_out}\n\nMeasured on {told}. {'; '.join(inputs)}." + "".join(f" {x}." for x in busy)
    )


def _notes(rows: Iterable[Row]) -> str:
    return "\n".join(f"- {note}" for note in wording.notes(rows))


def _table(rows: Iterable[Row]) -> str:
    lines = [HEADINGS, ("---",) * len(HEADINGS)]
    for row in rows:
        lines.append(
            (
                row.work, row.against, row.size,
                wording.measured(row.ours, row.unit), wording.measured(row.peer, row.unit),
                f"gap: {row.gap}" if row.gap else _ratio(row),
                wording.target(row), f"{wording.error(row.ours)} / {wording.error(row.peer)}",
            )
        )  # fmt: skip
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _ratio(row: Row) -> str:
    spread = "" if row.ratio_low == row.ratio_high else f" ({wording.quartiles(row)})"
    return f"**{wording.ratio(row)}**{spread}"


def _pictured(found: list[Result]) -> tuple[list[Row], str]:
    """The rows with targets of the machine measured last, or all of them if none has one."""
    last = max(found, key=lambda result: result.date)
    place = (last.machine_name, last.device)
    rows = [
        row
        for result in found
        if (result.machine_name, result.device) == place
        for row in result.rows
    ]
    aimed = [row for row in rows if row.target is not None]
    return aimed or rows, f"phasenet {last.versions['phasenet']}, {place[0]}, {place[1]}"


if __name__ == "__main__":
    typer.run(main)
