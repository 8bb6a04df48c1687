"""No hidden copy larger than the input: the memory that a process of its own takes at most."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).resolve().parents[1] / "support" / "peak_memory.py"
BLOCK = 28 << 20  # planes of the frames at hand, of every thread
RUN = 120 << 20  # mirrored bands of the frames at hand, in plain PyTorch


@pytest.fixture(scope="module")
def measured() -> list[dict]:
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("only Linux tells the most memory a process has taken since a moment")
    # What is freed goes back at once, so that it is not there unseen for the next call.
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "MALLOC_MMAP_THRESHOLD_": str(1 << 17)}
    result = subprocess.run(
        [sys.executable, str(SCRIPT)], env=environment, capture_output=True, text=True, timeout=500
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_a_hidden_copy_is_seen(measured):
    """Else the other test would say nothing."""
    found = [x["extra"] for x in measured if x["name"] == "copying windows"]
    assert len(found) == 2
    assert min(found) > 0.9 * 4 * (1 << 24)


@pytest.mark.parametrize(
    ("name", "bound"),
    [
        ("windows", BLOCK), ("large windows", BLOCK), ("pyramid", BLOCK),
        ("prime pyramid", BLOCK), ("local motion", RUN), ("warped motion", RUN),
    ],
)  # fmt: skip
def test_nothing_larger_than_the_input_is_hidden(measured, name, bound):
    """What is not dense is made dense, in its own dtype, and nothing else is copied whole."""
    cases = [x for x in measured if x["name"] == name]
    assert len(cases) >= 2
    for case in cases:
        assert case["extra"] < bound + (0 if case["dense"] else case["input"]), case
