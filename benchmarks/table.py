"""Rows as people read them: in Markdown, and in columns for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from benchmarks import documented
from benchmarks.rows import Measured, Row

HEADINGS = ("Work", "Against", "Size", "Ours", "Theirs", "Ratio", "Target", "Errors")
WIDTH = 118
_UNITS = {
    "s": ((1, "s"), (1e-3, "ms"), (1e-6, "µs")),
    "bytes": ((2**20, "MiB"), (2**10, "KiB"), (1, "B")),
}


def cells(row: Row) -> tuple[str, ...]:
    """What stands below `HEADINGS`."""
    if row.gap:
        ratio = f"gap: {row.gap}"
    else:
        low, middle, high = (
            number(value or 0, row.kind) for value in (row.ratio_low, row.ratio, row.ratio_high)
        )
        ratio = f"**{middle}**" + f" ({low} to {high})" * (row.ratio_low != row.ratio_high)
    times = (measured(side, row.unit) for side in (row.ours, row.peer))
    errors = " / ".join(_error(side) for side in (row.ours, row.peer))
    return (row.work, row.against, row.size, *times, ratio, _target(row), errors)


def markdown(rows: Iterable[Row]) -> str:
    return documented.markdown(HEADINGS, map(cells, rows))


def columns(rows: Iterable[Row]) -> Iterator[str]:
    """A heading and a line of at most `WIDTH` characters for each row, gaps too."""
    yield f"{'row':36}{'ours':>18}{'theirs':>18}{'ratio':>9}  {'target':18}{'error':>8}"
    for row in rows:
        ours, theirs = (measured(side, row.unit) for side in (row.ours, row.peer))
        told = (
            f"  gap: {row.gap}"
            if row.gap
            else f"{ours:>18}{theirs:>18}{number(row.ratio or 0, row.kind):>9}  "
            f"{_target(row):18}{_error(row.ours):>8}" + "  WRONG" * row.wrong
        )
        yield f"{row.id:36}{told}"[:WIDTH].rstrip()


def measured(value: Measured | None, unit: str) -> str:
    """Median and spread, "1.32 ms ± 0.04"."""
    if value is None:
        return "—"
    steps = _UNITS[unit]
    factor, name = next((step for step in steps if value.median >= step[0]), steps[-1])
    iqr = value.iqr / factor
    return f"{value.median / factor:.4g} {name} ± {iqr:{'.0f' if iqr >= 10 else '.2g'}}"


def number(value: float, kind: str) -> str:
    """A ratio: "21.3x", "2.4 %" or "0.99985"."""
    if kind == "share":
        return f"{100 * value:.3g} %"
    if kind == "cosine":
        return f"{value:.5f}"
    return f"{value:.0f}x" if value >= 100 else f"{value:.3g}x"


def _error(side: Measured | None) -> str:
    return "—" if side is None or side.error is None else f"{side.error:.1e}"


def _target(row: Row) -> str:
    if row.target is None:
        return ""
    verdict = {True: ", reached", False: ", missed", None: ""}[row.reached]
    return f"{'≥' if row.more_is_better else '≤'} {number(row.target, row.kind)}{verdict}"
