"""Calls in processes of their own, since the instruction set is chosen once per process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import phasenet

NAMES = ("baseline", "avx2", "avx512")
TESTS = Path(__file__).parent.parent


def skip_unless_available(name: str) -> None:
    if name not in phasenet.build_info()["instruction_sets"]:
        pytest.skip(f"this machine, or this build, has no {name}")


def run_with(
    instruction_set: str, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """What ``python *arguments`` prints with the kernels of `instruction_set`."""
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    environment = {"PYTHONPATH": path, "PHASENET_CPU": instruction_set, **environment}
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
