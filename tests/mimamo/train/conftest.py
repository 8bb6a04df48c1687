"""Short trainings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tensorboard.summary.writer import event_file_writer

from mimamo.train import TrainingConfig, TrainResult, train

Run = Callable[..., TrainResult]


@pytest.fixture
def run(small_cache: Path, tmp_path: Path, tiny_config: TrainingConfig) -> Run:
    """Trains a small backbone on the learnable data set for an epoch, unless told otherwise."""

    def run(name: str = "run", cache: Path = small_cache, **settings) -> TrainResult:
        defaults = {"config": replace(tiny_config, epochs=1, spatial="small")}
        return train(cache, tmp_path / name, **(defaults | settings))

    return run


@pytest.fixture
def cached(tiny_config: TrainingConfig) -> TrainingConfig:
    return replace(tiny_config, epochs=1)


@pytest.fixture
def small(tiny_config: TrainingConfig) -> TrainingConfig:
    return replace(tiny_config, epochs=1, spatial="small")


@pytest.fixture
def first_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorBoard reads files of one second by name, a process's tenth before its ninth."""
    monkeypatch.setattr(event_file_writer, "_global_uid", event_file_writer.AtomicCounter(0))
