"""The rows of a result: what was measured, against what, how far off, and whether it suffices."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

UNITS = ("s", "bytes")
# What a ratio is, and whether more of it is better.
KINDS = {"speedup": True, "cost": False, "share": False, "cosine": True}


@dataclass(frozen=True)
class Measured:
    """One side of a row.

    Attributes:
        median, iqr: seconds per call, or bytes.
        runs: calls measured.
        error: of what it computes, relative to the float64 reference; None where it computes
            nothing to compare.
        left_out: share of the values not compared, because there two correct computations may
            unwrap differently.
    """

    median: float
    iqr: float
    runs: int
    error: float | None = None
    left_out: float | None = None

    def __post_init__(self) -> None:
        _expect_numbers(self)


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        id: names the row across runs.
        work, against, size: what is measured, beside what, on how much.
        threads: of the measured side.
        unit: of both sides, "s" or "bytes".
        ours, peer: both sides; None where there is nothing to measure or a `gap`.
        kind: what `ratio` is: "speedup" (times faster than the peer), "cost" (times what the peer
            takes), "share" (part of a whole) or "cosine" (of what both sides compute, the least).
        ratio, ratio_low, ratio_high: median and quartiles over the rounds of one run.
        target: what `ratio` should reach at least ("speedup", "cosine") or at most (others).
        gap: why there is no ratio.
        note: what a reader has to know.
        error_bar: the largest error of ours with which the ratio counts; None for any, as where
            there is nothing to compare.
    """

    id: str
    work: str
    against: str
    size: str
    threads: int
    unit: str = "s"
    ours: Measured | None = None
    peer: Measured | None = None
    kind: str = "speedup"
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    target: float | None = None
    gap: str | None = None
    note: str | None = None
    error_bar: float | None = None

    def __post_init__(self) -> None:
        _expect_numbers(self)
        expect("unit", self.unit in UNITS, f"one of {UNITS}", self.unit)
        expect("kind", self.kind in KINDS, f"one of {tuple(KINDS)}", self.kind)
        given = {value is not None for value in (self.ratio, self.ratio_low, self.ratio_high)}
        expect("ratio_low, ratio_high", len(given) == 1, "both with a ratio", self.ratio_low)
        measured = self.ours is not None and self.ratio is not None
        expect("gap", (self.gap is None) == measured, "the reason where a number lacks", self.gap)

    @property
    def more_is_better(self) -> bool:
        return KINDS[self.kind]

    @property
    def wrong(self) -> bool:
        """Whether what was timed computes something else than it should."""
        if self.error_bar is None or self.ours is None or self.ours.error is None:
            return False
        return self.ours.error > self.error_bar

    @property
    def reached(self) -> bool | None:
        """Whether the target is reached, which nothing wrong does; None without target or ratio."""
        if self.target is None or self.ratio is None:
            return None
        if self.wrong:
            return False
        return self.ratio >= self.target if self.more_is_better else self.ratio <= self.target

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON holds it."""
        return asdict(self) | {"reached": self.reached}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Row:
        """Read what `to_dict` gave; ValueError or TypeError for anything else."""
        given = dict(data)
        reached = given.pop("reached", None)
        for side in ("ours", "peer"):
            given[side] = given[side] and Measured(**given[side])
        row = cls(**given)
        expect("reached", reached is row.reached, str(row.reached), reached)
        return row


def _expect_numbers(holder: Measured | Row) -> None:
    """Every number is finite and not negative, and is there unless its type allows None."""
    for field in fields(holder):
        value, least = getattr(holder, field.name), int(field.type == "int")
        if field.type in ("int", "float") or (field.type == "float | None" and value is not None):
            valid = isinstance(value, int | float) and math.isfinite(value) and value >= least
            expect(field.name, valid, f"a finite number of at least {least}", value)


def expect(name: str, valid: bool, expected: str, got: Any) -> None:
    """ValueError, naming what does not hold, unless it is `valid`."""
    if not valid:
        raise ValueError(f"{name}: expected {expected}, got {got!r}")
