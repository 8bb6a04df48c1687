"""The suites: each module takes settings and returns its rows."""

from __future__ import annotations

from importlib import import_module

from benchmarks.settings import Settings, SuiteRun

SUITES = ("phase", "pyramid", "predict", "train", "epoch", "cuda")


def run(suite: str, settings: Settings) -> SuiteRun:
    """Run the suite of that name; only what it needs is imported."""
    return import_module(f"benchmarks.suites.{suite}").run(settings)
