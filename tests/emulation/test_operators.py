"""The CUDA sources as torch's operators: calls of torch, other layouts of it, memory that ends.

They replace the CPU's in the whole process, so each test has one of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from emulation import build

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def library() -> Path:
    from filelock import FileLock

    with FileLock(ROOT / "build" / "emulated-operators.lock"):
        return build.operators()


@pytest.mark.slow
@pytest.mark.parametrize(
    "what", ["few_calls", "other_layouts", "out_of_memory", "failing_transforms"]
)
def test_in_a_process_of_its_own(library, what):
    paths = os.pathsep.join([str(ROOT / "tests"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("operators.py")), str(library), what],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.strip().endswith("passed")


@pytest.mark.slow
def test_what_a_gpu_is_held_to(library):
    """All of tests/gpu but what takes a GPU's memory or its streams."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not nightly"]
    emulated = ["tests/gpu", "--device", "cpu", "--operators", str(library)]
    done = subprocess.run(
        [*command, *emulated], cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
