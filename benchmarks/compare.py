"""Two results side by side: what became slower?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from benchmarks import wording
from benchmarks.results import Result
from benchmarks.rows import Row
from mimamo.errors import InputError

THRESHOLD = 1.25


@dataclass(frozen=True)
class Change:
    """A row of both results.

    `factor` above 1 is worse now, None cannot be told. Infinite is a row that is gone, has become a
    gap, or computes something wrong.
    """

    row: Row
    before: Row | None
    factor: float | None


def same_conditions(old: Result, new: Result) -> bool:
    """Whether times can be compared: the same machine, device and number of threads."""
    return (old.machine, old.device, old.threads) == (new.machine, new.device, new.threads)


def changes(old: Result, new: Result) -> list[Change]:
    """Every row of `new` beside that of `old` with the same id and size, and rows that are gone.

    On the same machine the factor is our time now over our time then. Otherwise times say nothing,
    and it is how much worse the ratio within the run has become.

    Raises:
        InputError: no row of one is a row of the other.
    """
    by_time = same_conditions(old, new)
    before = {(row.id, row.size): row for row in old.rows}
    found = []
    for row in new.rows:
        earlier = before.get((row.id, row.size))
        factor = None if earlier is None else _factor(earlier, row, by_time)
        found.append(Change(row, earlier, factor))
    if not any(change.before for change in found):
        raise InputError(
            f"compare: expected rows of {new.suite} at the same sizes, got a result with none "
            "(a quick run is compared with a quick run, a video with the same video)"
        )
    ids = {row.id for row in new.rows}
    found += [Change(row, row, math.inf) for row in old.rows if row.id not in ids]
    return found


def table(found: Sequence[Change], by_time: bool, threshold: float) -> Table:
    """One line per row; those over the threshold stand out."""
    what = "our time, now / then" if by_time else "ratio within the run, worse by (other machine)"
    drawn = Table(title=f"compared: {what}; over {threshold:g} fails")
    for heading in ("row", "size"):
        drawn.add_column(heading)
    for heading in ("then", "now", "ratio then", "ratio now", "factor"):
        drawn.add_column(heading, justify="right")
    for change in found:
        row, earlier = change.row, change.before
        drawn.add_row(
            row.id, row.size,
            wording.measured(earlier.ours, earlier.unit) if earlier else "—",
            wording.measured(row.ours, row.unit),
            wording.ratio(earlier) if earlier else "—", wording.ratio(row), _factor_text(change),
            style="red" if exceeds(change, threshold) else "",
        )  # fmt: skip
    return drawn


def exceeds(change: Change, threshold: float) -> bool:
    """Whether a row became worse by more than the threshold."""
    return change.factor is not None and change.factor > threshold


def _factor_text(change: Change) -> str:
    if change.factor is None:
        return "not comparable"
    if change.row is change.before:
        return "gone"
    if math.isinf(change.factor):
        return "wrong" if change.row.wrong else "a gap now"
    return f"{change.factor:.2f}"


def _factor(old: Row, new: Row, by_time: bool) -> float | None:
    if new.wrong or (new.ratio is None and old.ratio is not None):
        return math.inf
    if by_time:
        then, now = (row.ours.median if row.ours else None for row in (old, new))
    else:
        then, now = old.ratio, new.ratio
        if new.more_is_better:
            then, now = now, then
    return now / then if then and now is not None else None
