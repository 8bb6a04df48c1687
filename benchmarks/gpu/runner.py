"""Runs a step in process groups of its own, and keeps what it prints as it prints it."""

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

from benchmarks.gpu.plan import GAVE_UP, ROOT, Step


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
    One that goes on has another process for what comes after that in which one was lost.
    """
    if step.missing:
        return StepOutcome(step.name, "skipped", reason=step.missing)
    if left < step.least:
        reason = f"{max(left, 0):.0f} s were left, it needs {step.least:.0f} s"
        return StepOutcome(step.name, "skipped", reason=reason)
    start, limit = monotonic(), min(step.limit, left)
    end, number, lost = start + limit, 0, 0
    while True:
        more = ["--start", str(number)] if number else []
        process = _Process(step, more, log, keep)
        status, reason = process.run(end)
        goes_on = step.patience is not None or process.gave_up
        if status == "passed" or process.begun is None or not goes_on:
            break
        number = process.begun + 1
        if not process.gave_up:
            lost += 1
            keep({"record": "lost", "step": step.name, "number": process.begun, "reason": reason})
        if monotonic() > end:
            status, reason = "timed out", f"after {limit:.0f} s"
            break
    if lost and status == "passed":
        status, reason = "failed", f"{lost} lost, the rest is there"
    return StepOutcome(step.name, status, round(monotonic() - start, 1), reason)


class _Process:
    """One process of a step: `begun` is the number of what it measures, as far as it tells."""

    def __init__(
        self, step: Step, more: list[str], log: Path, keep: Callable[[dict[str, Any]], None]
    ) -> None:
        self.begun: int | None = None
        self.gave_up = False
        self._command = [*step.command, *more]
        self._step, self._log, self._keep = step, log, keep
        self._heard = monotonic()
        self._process: subprocess.Popen[str] | None = None
        self._reader: Thread | None = None

    def run(self, end: float) -> tuple[str, str | None]:
        """What became of it until `end`, and why; nothing of it is left."""
        began = monotonic()
        try:  # from its start on: a signal may end us wherever we are
            status, why = self._status(self._start(), end, began)
        except OSError as error:
            return "failed", f"{self._command[0]}: {error.strerror}"
        finally:
            self._end()
        if status == "failed" and (said := _last_line(self._log)):
            why = f"{why}: {said}"
        return status, why

    def _start(self) -> subprocess.Popen[str]:
        # Not a session of its own: what ends our session or machine ends the step, too.
        group = {"process_group": 0} if sys.version_info >= (3, 11) else {"preexec_fn": os.setpgrp}
        self._process = subprocess.Popen(
            self._command, cwd=ROOT, env={**os.environ, **self._step.environment},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", **group,
        )  # fmt: skip
        self._reader = Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()
        return self._process

    def _end(self) -> None:
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=10)  # one that hangs in the driver may outlive the signal
        if self._reader and self._reader.is_alive():
            self._reader.join(timeout=5)

    def _status(
        self, process: subprocess.Popen[str], end: float, began: float
    ) -> tuple[str, str | None]:
        patience = self._step.patience
        while True:
            try:
                status = process.wait(timeout=min(max(end - monotonic(), 0), 0.5))
            except subprocess.TimeoutExpired:
                if monotonic() > end:
                    return "timed out", f"after {end - began:.0f} s"
                if patience is None or self.begun is None:  # it may take long to start
                    continue
                if monotonic() > self._heard + patience:
                    return "failed", f"no answer in {patience:.0f} s"
                continue
            self.gave_up = status == GAVE_UP
            return ("passed", None) if status == 0 else ("failed", f"status {status}")

    def _read(self, lines: IO[str]) -> None:
        for line in lines:
            with contextlib.suppress(OSError), self._log.open("a", encoding="utf-8") as file:
                file.write(line)
            with contextlib.suppress(ValueError):
                record = json.loads(line)
                if not isinstance(record, dict) or "record" not in record:
                    continue
                self._heard = monotonic()
                if record["record"] in ("begun", "end"):
                    self.begun = record.get("number")
                else:
                    self._keep(record)


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8").split("\n")
    except OSError:
        return ""
    told = (line.strip() for line in reversed(lines) if not line.startswith("{"))  # no record
    return next((line[:200] for line in told if line), "")
