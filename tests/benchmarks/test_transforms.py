"""`python -m benchmarks.transforms`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # processes that import torch
ROOT = Path(__file__).parents[2]


def printed(*command: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.transforms", *command, "--rounds", "1"],
        cwd=ROOT,
        env={**os.environ, "PHASENET_CPU": "baseline"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, *rest = done.stdout.splitlines()
    assert first.startswith("baseline, ")
    return rest


def test_every_route():
    names, *rows = printed("routes", "--sides", "12,20", "--nbands", "3")
    assert names.split() == ["side", "bands", "cosine", "fourier", "chosen"]
    assert [row.split()[:2] for row in rows] == [["12", "3"], ["20", "3"]]
    assert all(float(value) > 0 for row in rows for value in row.split()[2:])


def test_every_side():
    _, *rows = printed("sides", "--sides", "16,131")
    assert [row.split()[0] for row in rows] == ["16", "131"]
    for row in rows:
        forward, inverse, strong, ffts, *ratios = map(float, row.split()[1:])
        assert min(forward, inverse, strong, ffts) > 0
        assert len(ratios) == 3
