"""PyPI has another package `phasenet`: where it is found instead of ours, one line says so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def run(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Python, with what lies in a place found before all else."""
    ours = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(place), str(ours)))}
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, env=environment, cwd=place
    )


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "phasenet").mkdir()
    (tmp_path / "phasenet/__init__.py").write_text("__version__ = '9'\n")
    return tmp_path


def test_the_command_says_which(place: Path) -> None:
    done = run(place, "-m", "mimamo", "predict", "v.mp4", "--weights", "w", "--out", "o")
    assert done.returncode == 2
    assert done.stderr == (
        "mimamo: error: phasenet: expected the package that mimamo comes with, found another of "
        f"that name in {place / 'phasenet'}; uninstall it and install this one again\n"
    )


def test_and_so_does_the_library(place: Path) -> None:
    done = run(place, "-c", "import mimamo; mimamo.load_checkpoint")
    assert "InputError: phasenet: expected the package that mimamo comes with" in done.stderr
