"""ThreadSanitizer finds no race in the kernels, and those planted on purpose."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable

import pytest

from emulation import build

CLEAN = ["barriers", "syncwarps", "launches", "separate_blocks"]
PLANTED = [
    "missing_barrier", "missing_second_barrier", "syncwarp_for_barrier",
    "missing_syncwarp", "missing_second_syncwarp", "shuffle_for_syncwarp",
    "overlapping_neighbours", "overlapping_blocks", "overlapping_far_blocks",
]  # fmt: skip

Run = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def run(tmp_path_factory) -> Run:
    compiler = (os.environ.get("CXX") or shutil.which("c++") or "g++").split()
    probe = tmp_path_factory.mktemp("tsan") / "probe"
    command = [*compiler, "-fsanitize=thread", "-x", "c++", "-", "-o", str(probe)]
    done = subprocess.run(command, input="int main() {}", capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"{' '.join(compiler)} has no ThreadSanitizer")
    # Some systems spread addresses too widely for it.
    works = subprocess.run([probe], capture_output=True).returncode == 0
    prefix = [] if works else ["setarch", "-R"]
    program = str(build.races())
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return lambda what: subprocess.run(
        [*prefix, program, what], env=environment, capture_output=True, text=True
    )


def check_clean(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stderr[-8000:]
    assert done.stdout == "clean\n"


def test_no_operator_races_on_small_inputs(run):
    check_clean(run("quick"))


@pytest.mark.slow
@pytest.mark.parametrize("what", ["pyramid", "windows", "fourier_windows"])
def test_no_operator_races(run, what):
    check_clean(run(what))


@pytest.mark.slow
@pytest.mark.parametrize("what", CLEAN)
def test_what_cuda_orders_is_no_race(run, what):
    check_clean(run(what))


@pytest.mark.slow
@pytest.mark.parametrize("what", PLANTED)
def test_a_planted_race_is_found(run, what):
    done = run(what)
    assert done.returncode != 0
    assert "ThreadSanitizer: data race" in done.stderr
    kernel = "overlap" if what.startswith("overlapping") else "exchange"
    assert re.search(rf"#0 \S*{kernel}.* \S*races\.cpp:\d+", done.stderr)  # where it is
