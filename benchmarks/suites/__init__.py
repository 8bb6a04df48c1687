"""The suites by name: each takes settings and returns its rows."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.settings import Settings, SuiteRun
from benchmarks.suites import cuda, epoch, phase, predict, pyramid, train

SUITES: dict[str, Callable[[Settings], SuiteRun]] = {
    "phase": phase.run,
    "pyramid": pyramid.run,
    "predict": predict.run,
    "train": train.run,
    "epoch": epoch.run,
    "cuda": cuda.run,
}
