"""What a run was asked for, and what a suite gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import phasenet
from benchmarks.rows import Row
from benchmarks.timing import Budget


@dataclass(frozen=True)
class Settings:
    """How to measure.

    Attributes:
        device: "cpu" or "cuda".
        threads: of every side that is not said to have others.
        quick: small sizes and few repeats, to see that it works; not numbers to quote.
        video: for the predict suite; None renders one.
        tell: hears what is being measured.
    """

    device: str = "cpu"
    threads: int = 2
    quick: bool = False
    video: Path | None = None
    tell: Callable[[str], None] = lambda line: None

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


@dataclass(frozen=True)
class SuiteRun:
    """The rows of a suite, and what is known of its input (numbers and texts by name)."""

    rows: list[Row]
    inputs: dict[str, Any] = field(default_factory=dict)
