"""AddressSanitizer and UBSan on the CUDA sources, in processes where they come first."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(what: str) -> subprocess.CompletedProcess[str]:
    compiler = (os.environ.get("CXX") or shutil.which("c++") or "g++").split()
    done = subprocess.run(
        [*compiler, "-print-file-name=libasan.so"], capture_output=True, text=True
    )
    library = Path(done.stdout.strip())
    if not library.is_absolute():
        pytest.skip(f"{' '.join(compiler)} has no shared AddressSanitizer to preload")
    environment = {
        **os.environ,
        "LD_PRELOAD": str(library),
        "ASAN_OPTIONS": "detect_leaks=0",  # Python's own
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), str(ROOT)]),
    }
    return subprocess.run(
        [sys.executable, str(Path(__file__).with_name("exercise.py")), what],
        cwd=ROOT, env=environment, capture_output=True, text=True,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("what", ["pyramid", "phase", "unaligned"])
def test_the_operators_are_clean(what):
    done = run(what)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.strip().endswith("clean")


@pytest.mark.slow
def test_reading_behind_shared_memory_is_found():
    done = run("beyond_shared")
    assert done.returncode != 0
    assert "AddressSanitizer" in done.stderr
