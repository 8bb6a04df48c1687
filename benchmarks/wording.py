"""Numbers as people read them; the terminal's table and the README's use the same."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.results import Result
from benchmarks.rows import Measured, Row

BUSY = 0.5  # processes per core before the run, above which its times are rough


def measured(value: Measured | None, unit: str) -> str:
    """Median and spread, "1.32 ms ± 0.04"."""
    if value is None:
        return "—"
    factor, name = _scale(value.median, unit)
    iqr = value.iqr / factor
    return f"{value.median / factor:.4g} {name} ± {iqr:{'.0f' if iqr >= 10 else '.2g'}}"


def ratio(row: Row) -> str:
    """ "21.3x" or "2.4 %", or that there is a gap."""
    return "gap" if row.ratio is None else _number(row.ratio, row.kind)


def quartiles(row: Row) -> str:
    """From the lower to the upper, "20.8x to 21.9x"."""
    if row.ratio_low is None or row.ratio_high is None:
        return ""
    low, high = (_number(value, row.kind) for value in (row.ratio_low, row.ratio_high))
    return f"{low} to {high}"


def target(row: Row) -> str:
    """ "≥ 20x: reached"; empty without one."""
    if row.target is None:
        return ""
    sign = "≥" if row.more_is_better else "≤"
    verdict = {True: ", reached", False: ", missed", None: ""}[row.reached]
    return f"{sign} {_number(row.target, row.kind)}{verdict}"


def error(value: Measured | None) -> str:
    """ "1.3e-07"."""
    return "—" if value is None or value.error is None else f"{value.error:.1e}"


def left_out(rows: Iterable[Row]) -> str:
    """The largest share of values that could not be compared, as a sentence; empty if none."""
    sides = [side for row in rows for side in (row.ours, row.peer) if side]
    most = max((side.left_out or 0 for side in sides), default=0)
    if not most:
        return ""
    return (
        f"Up to {most:.2%} of the values are left out of the errors: there two correct "
        "computations may unwrap differently."
    )


def circumstances(result: Result) -> str:
    """The machine, what ran on it, and how busy it was, in one line."""
    parts = [
        result.machine["gpu"] or result.machine["cpu"],
        f"{result.machine['cores']} cores",
        f"{result.machine['memory_gib']:.0f} GiB",
        result.machine["instruction_set"],
        f"{result.threads} threads",
        *(f"{name} {result.versions[name]}" for name in ("torch", "phasenet")),
        *(f"{name} {version}" for name, version in _peers(result)),
        f"commit {commit(result)}",
        f"load {result.load['before'][0]:.1f}",
    ]
    return ", ".join(parts)


def notes(rows: Iterable[Row]) -> list[str]:
    """What a reader of these rows has to know, each once."""
    return list(dict.fromkeys(row.note for row in rows if row.note))


def busy(result: Result) -> str:
    """A warning where the machine was not idle before the run; else empty."""
    if result.load["before"][0] <= BUSY * result.machine["cores"]:
        return ""
    return "the machine was not idle before the run: times are rough"


def commit(result: Result) -> str:
    """The short commit, with a "+" where the sources had changed since."""
    return (result.commit["id"] or "unknown")[:10] + ("+" if result.commit["changed"] else "")


def _peers(result: Result) -> list[tuple[str, str]]:
    names = ("plenoptic", "pyrtools")
    return [(name, result.versions[name]) for name in names if result.versions.get(name)]


def _number(value: float, kind: str) -> str:
    if kind == "share":
        return f"{100 * value:.3g} %"
    if kind == "cosine":
        return f"{value:.5f}"
    return f"{value:.0f}x" if value >= 100 else f"{value:.3g}x"


def _scale(value: float, unit: str) -> tuple[float, str]:
    steps = [(2**20, "MiB"), (2**10, "KiB"), (1, "B")]
    if unit == "s":
        steps = [(1, "s"), (1e-3, "ms"), (1e-6, "µs")]
    return next((step for step in steps if value >= step[0]), steps[-1])
