"""The suites: each module takes settings and returns its rows; those of a GPU are in `gpu`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import phasenet
from benchmarks.paired_timing import Budget
from benchmarks.rows import Row

#: What there is to measure, and the modules that do.
SUITES = {
    name: f"benchmarks.suites.{name}"
    for name in ("phase", "pyramid", "magnify", "motion", "predict", "train", "epoch")
} | {"cuda": "benchmarks.gpu.groups"}
#: The rows of a suite, and what is known of its input (numbers and texts by name).
SuiteRun = tuple[list[Row], dict[str, Any]]


@dataclass(frozen=True)
class Settings:
    """How to measure.

    Attributes:
        device: "cpu" or "cuda".
        threads: of every side that is not said to have others.
        quick: small sizes and few repeats, to see that it works; not numbers to quote.
        video: for the predict suite; None renders one.
    """

    device: str = "cpu"
    threads: int = 2
    quick: bool = False
    video: Path | None = None

    @property
    def budget(self) -> Budget:
        return Budget(2, 0.01) if self.quick else Budget(11, 0.3)

    @property
    def slow_budget(self) -> Budget:
        """For what takes seconds a call."""
        return Budget(1, 0.01) if self.quick else Budget(5, 0.1)

    @property
    def operator_gap(self) -> str | None:
        """Why phasenet's operators cannot run on the device, if they cannot."""
        if self.device == "cpu" or phasenet.build_info().get("cuda"):
            return None
        return "this build of phasenet has no CUDA operators"

    @property
    def gpu_gap(self) -> str | None:
        """Why what is of a GPU is not measured; a quick run does so anywhere, to see it work."""
        if self.device == "cuda" or self.quick:
            return self.operator_gap
        return "needs a GPU; not run on one yet"

    def tell(self, line: str) -> None:
        """Say what is being measured."""
        print(line, file=sys.stderr, flush=True)


def run(suite: str, settings: Settings) -> SuiteRun:
    """Run the suite of that name; only what it needs is imported."""
    return import_module(SUITES[suite]).run(settings)
