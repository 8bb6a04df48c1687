"""Rows as people read them: the same cells in the terminal, in Markdown and in the picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.results import Result
from benchmarks.rows import Measured, Row

HEADINGS = ("Work", "Against", "Size", "Ours", "Theirs", "Ratio", "Target", "Errors")
BUSY = 0.5  # processes per core before the run, above which its times are rough
_UNITS = {
    "s": ((1, "s"), (1e-3, "ms"), (1e-6, "µs")),
    "bytes": ((2**20, "MiB"), (2**10, "KiB"), (1, "B")),
}


def cells(row: Row, threads: int | None = None) -> tuple[str, ...]:
    """One row's; its threads are told where they are not those of the run."""
    size = (
        row.size
        if row.threads == (threads or row.threads)
        else f"{row.size}, {row.threads} threads"
    )
    errors = " / ".join(
        "—" if side is None or side.error is None else f"{side.error:.1e}"
        for side in (row.ours, row.peer)
    )
    ratio = (
        f"gap: {row.gap}" if row.gap else f"**{number(row.ratio or 0, row.kind)}**{_spread(row)}"
    )
    times = (measured(side, row.unit) for side in (row.ours, row.peer))
    return (row.work, row.against, size, *times, ratio, _target(row), errors)


def markdown(rows: Iterable[Row]) -> str:
    lines = [HEADINGS, ("---",) * len(HEADINGS), *map(cells, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def terminal(result: Result) -> str:
    """Every row, those that lose and those that could not be measured too, and what to know."""
    title = f"{result.suite} on {result.device}" + " (quick: not to be quoted)" * result.quick
    lines = [title]
    for row in result.rows:
        work, against, size, ours, theirs, ratio, target, errors = cells(row, result.threads)
        told = "  ".join(filter(None, (ratio.replace("*", ""), target)))
        lines.append(f"{row.id}: {work}, {size}\n  against {against}")
        lines.append(f"  {told}" if row.gap else f"  {ours} / {theirs}  {told}  errors {errors}")
    lines += [circumstances(result), *(f"{x}: {y}" for x, y in result.inputs.items())]
    return "\n".join([*lines, *remarks([result])])


def measured(value: Measured | None, unit: str) -> str:
    """Median and spread, "1.32 ms ± 0.04"."""
    if value is None:
        return "—"
    steps = _UNITS[unit]
    factor, name = next((step for step in steps if value.median >= step[0]), steps[-1])
    iqr = value.iqr / factor
    return f"{value.median / factor:.4g} {name} ± {iqr:{'.0f' if iqr >= 10 else '.2g'}}"


def number(value: float | None, kind: str) -> str:
    """A ratio: "21.3x", "2.4 %" or "0.99985"."""
    if value is None:
        return "gap"
    if kind == "share":
        return f"{100 * value:.3g} %"
    if kind == "cosine":
        return f"{value:.5f}"
    return f"{value:.0f}x" if value >= 100 else f"{value:.3g}x"


def circumstances(result: Result) -> str:
    """The machine, what ran on it, and how busy it was, in one line."""
    machine, versions = result.machine, result.versions
    commit = (result.commit["id"] or "unknown")[:10] + ("+" if result.commit["changed"] else "")
    packages = ("torch", "phasenet", "plenoptic", "pyrtools")
    parts = [
        machine["gpu"] or machine["cpu"], f"{machine['cores']} cores",
        f"{machine['memory_gib']:.0f} GiB", machine["instruction_set"], f"{result.threads} threads",
        *(f"{name} {versions[name]}" for name in packages if versions.get(name)),
        f"commit {commit}", f"load {result.load['before'][0]:.1f}",
    ]  # fmt: skip
    return ", ".join(parts)


def remarks(results: Sequence[Result]) -> list[str]:
    """What a reader of these results has to know, each once."""
    rows = [row for result in results for row in result.rows]
    told = [row.note for row in rows if row.note]
    most = max(
        (side.left_out or 0 for row in rows for side in (row.ours, row.peer) if side), default=0
    )
    if most:
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


def _spread(row: Row) -> str:
    if row.ratio_low == row.ratio_high:
        return ""
    low, high = (number(value, row.kind) for value in (row.ratio_low, row.ratio_high))
    return f" ({low} to {high})"


def _target(row: Row) -> str:
    if row.target is None:
        return ""
    verdict = {True: ", reached", False: ", missed", None: ""}[row.reached]
    return f"{'≥' if row.more_is_better else '≤'} {number(row.target, row.kind)}{verdict}"
