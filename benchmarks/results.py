"""Results on disk: one JSON file per version, suite, machine and device."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.rows import Row
from benchmarks.settings import Settings, SuiteRun
from mimamo.errors import InputError
from mimamo.files import replacing

RESULTS = machine.ROOT / "benchmarks" / "results"
SCHEMA = 1
_SHAPES: dict[str, dict[str, type | tuple[type, ...]]] = {
    "machine": {
        "cpu": str, "architecture": str, "cores": int, "memory_gib": float,
        "instruction_set": str, "gpu": (str, type(None)),
    },
    "versions": {"python": str, "torch": str, "phasenet": str},
    "commit": {"id": (str, type(None)), "changed": (bool, type(None))},
    "load": {"before": list, "after": list},
}  # fmt: skip


@dataclass(frozen=True)
class Result:
    """What one run of one suite measured, and under which circumstances.

    Attributes:
        machine, versions, commit: see `benchmarks.machine`.
        load: load averages "before" and "after"; more than a little before means noise.
        inputs: what the suite tells of its input.
        date: UTC, ISO 8601.
    """

    suite: str
    device: str
    threads: int
    quick: bool
    date: str
    machine: dict[str, Any]
    versions: dict[str, str | None]
    commit: dict[str, Any]
    load: dict[str, list[float]]
    inputs: dict[str, Any]
    rows: tuple[Row, ...]
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        if self.schema != SCHEMA:
            raise ValueError(f"schema: expected {SCHEMA}, got {self.schema!r}")
        plain = {"suite": str, "device": str, "threads": int, "quick": bool, "date": str}
        for name, kind in plain.items():
            _check_type(name, getattr(self, name), kind)
        datetime.fromisoformat(self.date)
        for name, shape in _SHAPES.items():
            value = getattr(self, name)
            _check_type(name, value, dict)
            for key, kind in shape.items():
                _check_type(f"{name}.{key}", value.get(key), kind)
        for name, averages in self.load.items():
            _check_load(f"load.{name}", averages)
        if self.threads < 1 or self.machine["cores"] < 1:
            raise ValueError(
                f"threads, cores: expected at least 1, got {self.threads}, {self.machine['cores']}"
            )
        _check_type("inputs", self.inputs, dict)
        ids = [row.id for row in self.rows]
        if not ids or len(set(ids)) != len(ids):
            raise ValueError(f"rows: expected some with distinct ids, got {ids}")

    @property
    def machine_name(self) -> str:
        return machine.machine_name(self.machine)

    @property
    def path(self) -> Path:
        """Where the result goes below `RESULTS`."""
        name = f"{self.suite}--{self.machine_name}--{self.device}.json"
        return Path(self.versions["phasenet"]) / name

    def save(self, path: Path) -> None:
        """Write the JSON; InputError if `path` cannot be written to."""
        data = asdict(self) | {"rows": [row.to_dict() for row in self.rows]}
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Result:
        """Read what `save` wrote; ValueError, naming the field, for anything else."""
        _check_type("result", data, dict)
        names = sorted(field.name for field in fields(cls))
        if sorted(data) != names:
            raise ValueError(f"result: expected the fields {names}, got {sorted(data)}")
        _check_type("rows", data["rows"], list)
        return cls(**{**data, "rows": tuple(Row.from_dict(row) for row in data["rows"])})

    @classmethod
    def load_from(cls, path: Path) -> Result:
        """Read a file; InputError, naming it, if it is missing or not a result."""
        try:
            return cls.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from error
        except (ValueError, TypeError) as error:
            raise InputError(f"{path}: not a result of python -m benchmarks: {error}") from error


def describe(suite: str, settings: Settings, run: SuiteRun, load: dict[str, list[float]]) -> Result:
    """Put a run's rows beside what they were measured on and with."""
    return Result(
        suite=suite,
        device=settings.device,
        threads=settings.threads,
        quick=settings.quick,
        date=now(),
        machine=machine.machine(settings.device),
        versions=machine.versions(),
        commit=machine.commit(),
        load=load,
        inputs=run.inputs,
        rows=tuple(run.rows),
    )


def now() -> str:
    """The time, as results have it."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def newest(folder: Path = RESULTS) -> list[Result]:
    """The latest result of every suite, machine and device below `folder`; quick ones do not count.

    Ordered by machine and device, then by suite.
    """
    found: dict[tuple[str, str, str], Result] = {}
    for path in sorted(folder.glob("*/*.json")):
        result = Result.load_from(path)
        key = (result.machine_name, result.device, result.suite)
        if not result.quick and (key not in found or result.date > found[key].date):
            found[key] = result
    return [found[key] for key in sorted(found)]


def _check_type(name: str, value: Any, kind: type | tuple[type, ...]) -> None:
    truth = isinstance(value, bool) and kind is not bool and kind != (bool, type(None))
    if truth or not isinstance(value, kind) or value == "":
        raise ValueError(f"{name}: expected {kind}, got {value!r}")


def _check_load(name: str, averages: list[float]) -> None:
    numbers = [x for x in averages if isinstance(x, int | float) and not isinstance(x, bool)]
    if len(averages) != 3 or len(numbers) != 3 or not all(x >= 0 for x in numbers):
        raise ValueError(f"{name}: expected 3 numbers of at least 0, got {averages!r}")
