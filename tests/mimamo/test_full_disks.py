"""Every command says where a disk is full, and loses nothing that was there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.mark.slow
def test_a_full_disk(small_disk: Callable[[int], Path]) -> None:
    """See ``support/full_disk.py``."""
    command = [sys.executable, "-m", "support.full_disk", small_disk(512_000_000)]
    tests = Path(__file__).parents[1]
    result = subprocess.run(command, cwd=tests, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    assert result.stdout.endswith("0 wrong\n")
