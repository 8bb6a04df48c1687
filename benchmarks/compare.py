"""Two results side by side: what became slower?"""

from __future__ import annotations

import math

from benchmarks.results import Result
from benchmarks.rows import Row
from mimamo.errors import InputError

THRESHOLD = 1.25


def worse(old: Result, new: Result, threshold: float) -> list[str]:
    """A line for each row that is worse by more than `threshold`, wrong, a gap now, or gone.

    On the same machine, device and number of threads our times are compared. Otherwise times say
    nothing, and it is how much worse the ratio within the run has become.

    Raises:
        InputError: no row of one is a row of the other.
    """
    same = (old.machine, old.device, old.threads) == (new.machine, new.device, new.threads)
    before = {(row.id, row.size): row for row in old.rows}
    after = {(row.id, row.size): row for row in new.rows}
    if not before.keys() & after.keys():
        raise InputError(
            f"compare: expected rows of {new.suite} at the same sizes, got a result with none "
            "(a quick run is compared with a quick run, a video with the same video)"
        )
    what = "our time" if same else "the ratio within the run, on another machine,"
    lines = []
    for key, row in after.items():
        factor = _factor(before[key], row, same) if key in before else 0.0
        if factor > threshold:
            reason = "wrong" if row.wrong else "a gap" if row.gap else f"{what} {factor:.2f} times"
            lines.append(f"worse: {row.id}: {reason}")
    ids = {row.id for row in new.rows}
    return lines + [f"worse: {row.id}: gone" for row in old.rows if row.id not in ids]


def _factor(old: Row, new: Row, same: bool) -> float:
    """How many times worse; 0 where that cannot be told."""
    if new.wrong or (new.ratio is None and old.ratio is not None):
        return math.inf
    if same:
        then, now = (row.ours.median if row.ours else None for row in (old, new))
    else:
        then, now = (old.ratio, new.ratio) if not new.more_is_better else (new.ratio, old.ratio)
    return now / then if then and now else 0.0
