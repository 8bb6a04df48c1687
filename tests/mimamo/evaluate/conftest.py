"""A trained run and a cross-validation for the tests of what is done with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.recipes import TINY

from mimamo.evaluate import Ensemble, crossval
from mimamo.train import TrainingConfig, train

CONFIG = replace(TINY, learning_rate=0.01)


@pytest.fixture(scope="session")
def small_config() -> TrainingConfig:
    return replace(CONFIG, spatial="small")


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory, small_cache: Path) -> Path:
    """A run with a small backbone, on Train_Set. It is shared."""
    out = tmp_path_factory.mktemp("small-run") / "run"
    return train(small_cache, out, config=replace(CONFIG, spatial="small")).out


@pytest.fixture(scope="session")
def resnet_run(tmp_path_factory: pytest.TempPathFactory, resnet_cache: Path) -> Path:
    """A run on cached features. It is shared."""
    return train(resnet_cache, tmp_path_factory.mktemp("resnet-run") / "run", config=CONFIG).out


@pytest.fixture(scope="session")
def small_folds(tmp_path_factory: pytest.TempPathFactory, small_cache: Path) -> Path:
    """A cross-validation of three folds with a small backbone. It is shared."""
    out = tmp_path_factory.mktemp("folds") / "folds"
    return crossval(small_cache, out, folds=3, config=replace(CONFIG, spatial="small")).out


@pytest.fixture
def predicted(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The checkpoints that predict while the test runs."""
    checkpoints: list[Path] = []
    predict = Ensemble.predict

    def noted(self: Ensemble, *arguments):
        checkpoints.extend(member.path for member in self.members)
        return predict(self, *arguments)

    monkeypatch.setattr(Ensemble, "predict", noted)
    return checkpoints
