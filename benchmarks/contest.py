"""Running several implementations of one thing: checked first, then timed in turn."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from benchmarks.rows import Measured, Row
from benchmarks.timing import Budget, Sample, alternate, ratio


class Parity(NamedTuple):
    """Relative error against the float64 reference, the share of values left out of it, and the
    error from which on the result is wrong."""

    error: float
    left_out: float | None = None
    bar: float | None = None


@dataclass(frozen=True)
class Side:
    """One implementation.

    Attributes:
        call: does the work once; None with a `gap`.
        check: of what `call` returns.
        threads: if not those of the run.
        gap: why it cannot take part.
        optional: an exception of its first call is a gap, not a failure.
    """

    call: Callable[[], Any] | None = None
    check: Callable[[Any], Parity] | None = None
    threads: int | None = None
    gap: str | None = None
    optional: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of a side."""

    threads: int
    sample: Sample | None = None
    parity: Parity | None = None
    gap: str | None = None

    @property
    def measured(self) -> Measured | None:
        if self.sample is None:
            return None
        error, left_out = self.parity[:2] if self.parity else (None, None)
        sample = self.sample
        return Measured(sample.median, sample.iqr, sample.runs, error, left_out)


Calls = Mapping[str, Callable[[], Any]]


def contest(
    sides: Mapping[str, Side],
    threads: int,
    budget: Budget,
    time: Callable[[Calls, Budget], Mapping[str, Sample]] | None = None,
) -> dict[str, Outcome]:
    """Check every side once, then time those that can take part; by `time`, if given."""
    outcomes: dict[str, Outcome] = {}
    for name, side in sides.items():
        gap, parity = side.gap, None
        if gap is None:
            gap, parity = _try(side)
        outcomes[name] = Outcome(side.threads or threads, parity=parity, gap=gap)
    able = {name: side.call for name, side in sides.items() if outcomes[name].gap is None}
    if time is None:
        samples = alternate(able, {name: outcomes[name].threads for name in able}, budget)
    else:
        samples = dict(time(able, budget))
    for name, sample in samples.items():
        old = outcomes[name]
        outcomes[name] = Outcome(old.threads, sample, old.parity)
    return outcomes


def compared(
    ours: Outcome, peer: Outcome, *, kind: str = "speedup", scale: float = 1.0, **row: Any
) -> Row:
    """A row that compares two outcomes of one contest.

    Its ratio, times `scale`, is the peer's time over ours for a "speedup", else ours over theirs.
    """
    numbers: dict[str, Any] = {"gap": ours.gap or peer.gap}
    if ours.sample and peer.sample:
        pair = (peer.sample, ours.sample) if kind == "speedup" else (ours.sample, peer.sample)
        found = ratio(*pair, scale)
        numbers |= {"ratio": found.median, "ratio_low": found.low, "ratio_high": found.high}
    bar = ours.parity.bar if ours.parity else None
    return Row(
        threads=ours.threads, ours=ours.measured, peer=peer.measured, kind=kind, error_bar=bar,
        **numbers, **row,
    )  # fmt: skip


def _try(side: Side) -> tuple[str | None, Parity | None]:
    try:
        with warnings.catch_warnings():
            if side.optional:
                warnings.simplefilter("ignore")
            result = side.call()
            parity = side.check(result) if side.check else None
    except Exception as error:  # whatever a peer raises here, it cannot take part
        if not side.optional:
            raise
        return f"fails with {type(error).__name__}", None
    return None, parity
