"""The steps of a check, in the order that gives most if it is cut off."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OPERATORS = ROOT / "build" / "emulated-operators" / "libphasenet_emulated.so"
SMALL_CASE = ROOT / "tests" / "gpu" / "small_case.py"
SANITIZER = "compute-sanitizer"
GAVE_UP = 75  # status of a process that told what failed, and in which all that follows would


@dataclass(frozen=True)
class Step:
    """One command.

    Attributes:
        least: seconds below which it is not worth starting.
        limit: seconds it may take at most.
        environment: what it has beyond ours.
        missing: why it cannot run here, if it cannot.
        patience: seconds without a record after which what it measures is lost; another process
            then goes on with the next (`--start`), as after one that ended badly. None: none does.
    """

    name: str
    command: Sequence[str]
    least: float
    limit: float
    environment: dict[str, str] = field(default_factory=dict)
    missing: str | None = None
    patience: float | None = None


def steps(rehearse: bool) -> list[Step]:
    """Every step; in a rehearsal on the CPU, with the CUDA operators as they are emulated."""
    python = [sys.executable, "-W", "ignore"]
    device = ["--device", "cpu"] if rehearse else []
    emulated = [*device, "--operators", str(OPERATORS)] if rehearse else []

    threads = {"OMP_NUM_THREADS": "1"} if rehearse else {}  # the emulation has one

    def measure(group: str, least: float, limit: float, patience: float | None = None) -> Step:
        command = [*python, "-m", "benchmarks.gpu.groups", group, *emulated]
        return Step(group, command, least, limit, threads, patience=patience)

    small = [*python, str(SMALL_CASE), *emulated]
    tests = [*python, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "tests/gpu", *emulated]
    tests += ["-m", "not nightly", "-k", "small_case or bytes" if rehearse else "not small_case"]
    planned = [
        Step("facts", [*python, "-m", "benchmarks.gpu.facts", *device], 5, 60),
        Step("build", [*python, "-m", "benchmarks.gpu.build", *device], 5, 200),
        Step("small-case", small, 10, 60, threads),
        measure("own", 25, 130, 30),
        measure("kernels", 10, 60, 15),
        Step("tests", tests, 15, 120, threads),
        *(_sanitized(tool, small, rehearse) for tool in ("memcheck", "racecheck")),
        measure("peers", 25, 60, 30),
        measure("epoch", 30, 100),
        measure("predict", 30, 100),
        _sanitized("initcheck", small, rehearse),
        measure("slow-peers", 30, 120),
    ]
    if not rehearse:
        return planned
    # Emulated, all takes long, and longer where the machine is busy.
    longer = ((step, 5 * step.limit) for step in planned)
    return [replace(x, limit=most, patience=most if x.patience else None) for x, most in longer]


def _sanitized(tool: str, command: list[str], rehearse: bool) -> Step:
    homes = [os.environ.get("CUDA_HOME", ""), "/usr/local/cuda"]
    places = [SANITIZER, *(f"{home}/bin/{SANITIZER}" for home in homes if home)]
    found = next((path for place in places if (path := shutil.which(place))), None)
    missing = None if found else f"{SANITIZER} is neither in PATH nor in CUDA's folder"
    options = ["--tool", tool, "--error-exitcode", "9", "--print-limit", "20"]
    # Races are looked for in our kernels alone; initcheck has to see who wrote the memory.
    options += ["--kernel-name", "kns=phasenet"] if tool == "racecheck" else []
    # Torch asks the driver for what it may not have, and goes on.
    options += ["--report-api-errors", "no"] if tool == "memcheck" else []
    # Without a cache of torch's each tensor has bounds of its own.
    environment = {"PYTORCH_NO_CUDA_MEMORY_CACHING": "1"}
    missing = "it needs a GPU" if rehearse else missing
    return Step(tool, [found or SANITIZER, *options, *command], 20, 60, environment, missing)
