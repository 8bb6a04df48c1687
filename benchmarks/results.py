"""Results on disk: one JSON file per version, suite, machine and device."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmarks import documented, machine
from benchmarks.rows import Row, expect
from benchmarks.suites import Settings
from mimamo.errors import InputError

RESULTS = machine.ROOT / "benchmarks" / "results"
SCHEMA = 1


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
        expect("schema", self.schema == SCHEMA, str(SCHEMA), self.schema)
        datetime.fromisoformat(self.date)
        for name, averages in self.load.items():
            good = len(averages) == 3 and min(averages) >= 0
            expect(f"load.{name}", good, "3 numbers of at least 0", averages)
        ids = [row.id for row in self.rows]
        expect("rows", 0 < len(ids) == len(set(ids)), "some with distinct ids", ids)
        expect("circumstances", bool(self.circumstances), "all that they tell", "none")

    @property
    def machine_name(self) -> str:
        return machine.machine_name(self.machine)

    @property
    def path(self) -> Path:
        """Where the result goes below `RESULTS`."""
        name = f"{self.suite}--{self.machine_name}--{self.device}.json"
        return Path(str(self.versions["phasenet"])) / name

    @property
    def circumstances(self) -> str:
        """The machine, what ran on it, and how busy it was, in one line."""
        told, versions = self.machine, self.versions
        commit = (self.commit["id"] or "unknown")[:10] + "+" * bool(self.commit["changed"])
        packages = ("torch", "phasenet", "plenoptic", "pyrtools")
        parts = [
            told["gpu"] or told["cpu"], f"{told['cores']} cores",
            f"{told['memory_gib']:.0f} GiB", told["instruction_set"], f"{self.threads} threads",
            *(f"{name} {versions[name]}" for name in packages if versions.get(name)),
            f"commit {commit}", f"load {self.load['before'][0]:.1f}",
        ]  # fmt: skip
        return ", ".join(parts)

    def save(self, path: Path) -> None:
        """Write the JSON; InputError if `path` cannot be written to."""
        data = asdict(self) | {"rows": [row.to_dict() for row in self.rows]}
        documented.save(path, data)

    @classmethod
    def load_from(cls, path: Path) -> Result:
        """Read a file; InputError, naming it, if it is missing or not a result."""
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{**data, "rows": tuple(Row.from_dict(row) for row in data["rows"])})
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from error
        except (ValueError, TypeError, LookupError) as error:
            raise InputError(f"{path}: not a result of python -m benchmarks: {error}") from error


def circumstances(settings: Settings) -> dict[str, Any]:
    """What a result tells of a run besides its suite, its rows, its inputs and the load."""
    return {
        "device": settings.device,
        "threads": settings.threads,
        "quick": settings.quick,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": machine.machine(settings.device),
        "versions": machine.versions(),
        "commit": machine.commit(),
    }


def newest(folder: Path = RESULTS) -> list[Result]:
    """The latest result of every suite, machine and device below `folder`; quick ones do not count.

    Ordered by machine and device, then by suite.
    """
    found = sorted(map(Result.load_from, folder.glob("*/*.json")), key=lambda one: one.date)
    newest = {(one.machine_name, one.device, one.suite): one for one in found if not one.quick}
    return [newest[key] for key in sorted(newest)]
