"""An operator of the CPU that gets no memory says that, as torch's own operators do."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import resource, torch, phasenet
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
try:
    phasenet.SteerablePyramid(3, 2)(torch.zeros(1, 1).expand(20_000, 20_000))
except torch.OutOfMemoryError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="macOS does not limit a process's memory")
@pytest.mark.slow
def test_it_is_torchs_error() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("phasenet::pyramid: out of memory in aten::empty")
