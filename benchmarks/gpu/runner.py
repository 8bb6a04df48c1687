"""Runs a step in a process group of its own, and keeps what it prints as it prints it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import IO, Any

from benchmarks.gpu.plan import ROOT, Step


@dataclass(frozen=True)
class StepOutcome:
    """What became of a step: "passed", "failed", "timed out" or "skipped", and why."""

    step: str
    status: str
    seconds: float = 0.0
    reason: str | None = None

    @property
    def good(self) -> bool:
        return self.status in ("passed", "skipped")


def run(step: Step, left: float, log: Path, keep: Callable[[dict[str, Any]], None]) -> StepOutcome:
    """Run a step within `left` seconds; all it prints goes to `log`, its records to `keep`.

    A record is a line that is a JSON object with a "record". What the step started ends with it.
    """
    if step.missing:
        return StepOutcome(step.name, "skipped", reason=step.missing)
    if left < step.least:
        reason = f"{max(left, 0):.0f} s were left, it needs {step.least:.0f} s"
        return StepOutcome(step.name, "skipped", reason=reason)
    limit, start = min(step.limit, left), monotonic()
    # Not a session of its own: what ends our session or machine ends the step, too.
    group = {"process_group": 0} if sys.version_info >= (3, 11) else {"preexec_fn": os.setpgrp}
    try:
        process = subprocess.Popen(
            list(step.command), cwd=ROOT, env={**os.environ, **step.environment},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", **group,
        )  # fmt: skip
    except OSError as error:
        return StepOutcome(step.name, "failed", reason=f"{step.command[0]}: {error.strerror}")
    reader = Thread(target=_read, args=(process.stdout, log, keep), daemon=True)
    reader.start()
    try:
        status = process.wait(timeout=limit)
        outcome = ("passed", None) if status == 0 else ("failed", f"status {status}")
    except subprocess.TimeoutExpired:
        outcome = ("timed out", f"after {limit:.0f} s")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)  # one that hangs in the driver may outlive the signal
        reader.join(timeout=5)
    if outcome[0] == "failed" and (said := _last_line(log)):
        outcome = (outcome[0], f"{outcome[1]}: {said}")
    return StepOutcome(step.name, outcome[0], round(monotonic() - start, 1), outcome[1])


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8").split("\n")
    except OSError:
        return ""
    told = (line.strip() for line in reversed(lines) if not line.startswith("{"))  # no record
    return next((line[:200] for line in told if line), "")


def _read(lines: IO[str], log: Path, keep: Callable[[dict[str, Any]], None]) -> None:
    for line in lines:
        with contextlib.suppress(OSError), log.open("a", encoding="utf-8") as file:
            file.write(line)
        with contextlib.suppress(ValueError):
            record = json.loads(line)
            if isinstance(record, dict) and "record" in record:
                keep(record)
