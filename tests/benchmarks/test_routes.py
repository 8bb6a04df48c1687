"""`python -m benchmarks.routes`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_it_prints_every_route():
    command = [sys.executable, "-m", "benchmarks.routes", "--sides", "12,20", "--nbands", "3"]
    done = subprocess.run(
        [*command, "--rounds", "1"], cwd=ROOT, env={**os.environ, "PHASENET_CPU": "baseline"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, names, *rows = done.stdout.splitlines()
    assert first.startswith("baseline, ")
    assert names.split() == ["side", "bands", "cosine", "fourier", "general", "chosen"]
    assert [row.split()[:2] for row in rows] == [["12", "3"], ["20", "3"]]
    assert all(float(value) > 0 for row in rows for value in row.split()[2:])
