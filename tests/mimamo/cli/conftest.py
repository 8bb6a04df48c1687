"""Running the command line as a user does, in this process."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mimamo.cli import main
from mimamo.model import MIMAMOConfig, MIMAMONet, SmallBackbone, save_checkpoint


@pytest.fixture(scope="module")
def video(tmp_path_factory, film) -> Path:
    return film(tmp_path_factory.mktemp("video") / "face.mp4", ".xxx.")


@pytest.fixture(scope="session")
def small_weights(tmp_path_factory) -> Path:
    """A checkpoint with random weights and a small backbone, which is read quickly."""
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_checkpoint(path, MIMAMONet(MIMAMOConfig(feature_dim=128)), SmallBackbone())
    return path


@pytest.fixture
def predict(small_weights, tmp_path):
    """Runs `mimamo predict ... --weights W --out OUT` and returns its exit code."""

    def run(*arguments, **options):
        given = {"weights": small_weights, "out": tmp_path / "out"} | options
        pairs = [word for name, value in given.items() for word in (f"--{name}", value)]
        return main(["predict", *map(str, (*arguments, *pairs))])

    return run


@pytest.fixture
def one_error(capsys):
    """Gives the message of the one error line that was printed; nothing else may have been."""

    def read() -> str:
        printed = capsys.readouterr()
        assert printed.out == ""
        match = re.fullmatch(r"mimamo: error: (.+)\n", printed.err)
        assert match, printed.err
        return match[1]

    return read
