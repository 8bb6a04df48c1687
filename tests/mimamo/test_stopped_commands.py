"""Whatever stops a command, the next run leaves what an undisturbed one does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.kills import commands


@pytest.mark.parametrize(
    "rounds",
    [
        pytest.param(1, marks=pytest.mark.slow),
        pytest.param(20, marks=[pytest.mark.nightly, pytest.mark.timeout(2 * 3600)]),
    ],
)
def test_nothing_tells_that_it_was_stopped(rounds: int, tmp_path: Path) -> None:
    """By a signal or a full disk: see ``support/kills.py``."""
    command = [sys.executable, "-m", "support.kills", tmp_path / "all", "--rounds", str(rounds)]
    tests = Path(__file__).parents[1]
    result = subprocess.run(command, cwd=tests, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    assert re.search(
        rf"stopped {len(commands(tmp_path)) * rounds} times, .*: 0 failed", result.stdout
    )
