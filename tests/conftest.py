"""What holds for every test: where it begins, and that it leaves the process as it was."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

# The benchmarks are not installed: they are found in the checkout, behind all that is.
ROOT = str(Path(__file__).resolve().parents[1])
if ROOT not in sys.path:
    sys.path.append(ROOT)

# A shell's background job is started with SIGINT ignored, nohup's with SIGHUP; what tests start
# would inherit that, and rightly not end by them.
for _name in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(_name) is signal.SIG_IGN:
        signal.signal(_name, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def same_threads() -> Iterator[None]:
    """The order of sums follows torch's number of threads: a later test would get other bytes."""
    before = torch.get_num_threads()
    yield
    after = torch.get_num_threads()
    torch.set_num_threads(before)
    assert after == before, f"torch had {before} threads, and {after} after the test"
