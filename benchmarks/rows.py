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
        for name in ("median", "iqr", "error", "left_out"):
            _check_number(name, getattr(self, name), optional=name in ("error", "left_out"))
        _expect("runs", _is_count(self.runs), "a whole number of at least 1", self.runs)


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
        for name in ("id", "work", "against", "size"):
            value = getattr(self, name)
            _expect(name, isinstance(value, str) and bool(value), "a text", value)
        for name in ("gap", "note"):
            value = getattr(self, name)
            _expect(name, value is None or (isinstance(value, str) and value), "a text", value)
        for name in ("ratio", "ratio_low", "ratio_high", "target", "error_bar"):
            _check_number(name, getattr(self, name), optional=True)
        _expect("threads", _is_count(self.threads), "a whole number of at least 1", self.threads)
        _expect("unit", self.unit in UNITS, f"one of {UNITS}", self.unit)
        _expect("kind", self.kind in KINDS, f"one of {tuple(KINDS)}", self.kind)
        quartiles = (self.ratio_low, self.ratio_high)
        _expect(
            "ratio_low, ratio_high",
            all((value is None) == (self.ratio is None) for value in quartiles),
            "both with a ratio, none without",
            quartiles,
        )
        _expect("ours", self.ratio is None or self.ours is not None, "a measurement", self.ours)
        missing = self.ours is None or self.ratio is None
        _expect(
            "gap", (self.gap is not None) == missing, "the reason where a number lacks", self.gap
        )

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
        """Read what `to_dict` gave; ValueError, naming the field, for anything else."""
        names = [field.name for field in fields(cls)]
        if isinstance(data, Mapping):  # results from before there was this field lack it
            data = {"error_bar": None, **data}
        _check_keys("row", data, [*names, "reached"])
        values = {name: data[name] for name in names}
        for side in ("ours", "peer"):
            if values[side] is not None:
                _check_keys(side, values[side], [field.name for field in fields(Measured)])
                values[side] = Measured(**values[side])
        row = cls(**values)
        _expect("reached", data["reached"] is row.reached, str(row.reached), data["reached"])
        return row


def _check_keys(what: str, data: Any, names: list[str]) -> None:
    expected = ", ".join(sorted(names))
    _expect(what, isinstance(data, Mapping), f"an object with {expected}", data)
    _expect(what, sorted(data) == sorted(names), f"the fields {expected}", sorted(data))


def _check_number(name: str, value: Any, *, optional: bool) -> None:
    valid = (value is None and optional) or (
        isinstance(value, float | int)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and value >= 0
    )
    _expect(name, valid, "a finite number of at least 0", value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _expect(name: str, valid: Any, expected: str, got: Any) -> None:
    if not valid:
        raise ValueError(f"{name}: expected {expected}, got {got!r}")
