"""Damaged films of sixteen kinds: frames, or one line, and never a crash."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[2] / "support" / "fuzz_films.py"


@pytest.mark.parametrize(
    ("seed", "count"),
    [
        pytest.param(0, 32, marks=pytest.mark.slow),
        *(pytest.param(seed, 700, marks=pytest.mark.nightly) for seed in range(1, 5)),
    ],
)
def test_damaged_films_give_frames_or_one_line(tmp_path: Path, seed: int, count: int) -> None:
    command = [sys.executable, str(PROGRAM), str(tmp_path), str(seed), str(count)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "SVT_LOG": "0"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=580)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, f"{lines[-1:]}\n{done.stderr}"
    assert len(lines) == count
    read = [line for line in lines if "refused" not in line]
    assert count / 4 < len(read) < count  # some of each
    assert done.stderr == ""
