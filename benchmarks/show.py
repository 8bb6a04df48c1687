"""A result as a table in the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from benchmarks import wording
from benchmarks.results import Result
from benchmarks.rows import Row

WIDTH = 150  # where the output is not a terminal
_STYLES = {True: "green", False: "red", None: ""}


def console() -> Console:
    """A console that does not fold the table when it is piped."""
    found = Console()
    return found if found.is_terminal else Console(width=WIDTH)


def table(result: Result) -> Table:
    """Every row, those that lose and those that could not be measured too."""
    drawn = Table(
        title=f"{result.suite} on {result.device}" + (" (quick: not to be quoted)" * result.quick),
        caption=caption(result),
    )
    for heading in ("work", "against"):
        drawn.add_column(heading, overflow="fold")
    for heading in ("ours", "theirs", "ratio", "target", "our error", "their error"):
        drawn.add_column(heading, justify="right", no_wrap="error" not in heading)
    for row in result.rows:
        drawn.add_row(
            f"{row.work}\n[dim]{_size(row, result)}[/dim]", row.against,
            wording.measured(row.ours, row.unit), wording.measured(row.peer, row.unit),
            f"{wording.ratio(row)}\n[dim]{wording.quartiles(row)}[/dim]", wording.target(row),
            wording.error(row.ours), wording.error(row.peer),
            style=_STYLES[row.reached],
        )  # fmt: skip
    return drawn


def caption(result: Result) -> str:
    """Circumstances, input, gaps, notes, and a warning where the machine was busy."""
    lines = [wording.circumstances(result)]
    lines += [f"{name}: {value}" for name, value in result.inputs.items()]
    lines += [f"gap: {row.id}: {row.gap}" for row in result.rows if row.gap]
    lines.append(wording.left_out(result.rows))
    lines += [*wording.notes(result.rows), wording.busy(result)]
    return "\n".join(filter(None, lines))


def _size(row: Row, result: Result) -> str:
    count = "" if row.threads == result.threads else f", {row.threads} threads"
    return f"{row.size}{count}"
