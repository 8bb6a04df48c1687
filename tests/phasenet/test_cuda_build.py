"""The CUDA library as nvcc compiles it, without a GPU: resources, symbols, what it registers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from filelock import FileLock

import phasenet

ROOT = Path(__file__).parents[2]
SETUP = ROOT / "setup.py"
SOURCES = ROOT / "csrc" / "cuda"
BUILD = ROOT / "build" / "cuda-tests"
ARCHITECTURES = {"sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120"}
STATIC_SHARED = 48 << 10
OPERATORS = (
    "pyramid", "pyramid_backward", "pyramid_inverse", "pyramid_inverse_backward",
    "phase_difference_windows", "phase_difference_windows_backward", "band_phase",
)  # fmt: skip

NVCC = next(
    (
        place
        for place in (os.environ.get("NVCC"), shutil.which("nvcc"), "/usr/local/cuda/bin/nvcc")
        if place and shutil.which(place)
    ),
    None,
)
needs_nvcc = pytest.mark.skipif(NVCC is None, reason="no nvcc here to compile the CUDA kernels")


@dataclass(frozen=True)
class Resources:
    """What ptxas says of one kernel on one architecture; bytes."""

    kernel: str
    architecture: str
    spills: int
    static_shared: int
    registers: int


def environment(**changes: str) -> dict[str, str]:
    names = ("TORCH_CUDA_ARCH_LIST", "PHASENET_CUDA")
    return {name: value for name, value in os.environ.items() if name not in names} | changes


def build(folder: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SETUP), "build_cuda", "--folder", str(folder)]
    return subprocess.run(
        command, cwd=ROOT, env=environment(**changes), capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """The library for every listed architecture; only what changed is compiled again.

    A copy, with what lies beside it: the stand-in is linked anew by each process that builds.
    """
    copy = tmp_path_factory.mktemp("cuda")
    BUILD.mkdir(parents=True, exist_ok=True)
    with FileLock(BUILD / "lock"):
        done = build(BUILD)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr
        logs = [BUILD / f"cuda_{source.stem}.o.log" for source in SOURCES.glob("*.cu")]
        for path in [*BUILD.glob("*.so"), *logs]:
            shutil.copy(path, copy)
    return copy / "libphasenet_cuda.so"


def resources(log: str) -> list[Resources]:
    found = []
    entry = re.compile(r"Compiling entry function '(\w+)' for '(\w+)'")
    starts = list(entry.finditer(log))
    ends = [*(match.start() for match in starts), len(log)][1:]
    for match, end in zip(starts, ends, strict=True):
        text = log[match.end() : end]
        own = text.split("Function properties", 2)
        spills = re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", own[1])
        used = re.search(r"Used (\d+) registers", text)
        shared = re.search(r"(\d+) bytes smem", text)
        assert spills, text
        assert used, text
        found.append(
            Resources(
                match[1], match[2], int(spills[1]) + int(spills[2]),
                int(shared[1]) if shared else 0, int(used[1]),
            )
        )  # fmt: skip
    return found


@pytest.mark.slow
@needs_nvcc
def test_every_kernel_fits_every_architecture(built):
    """No spills. Dynamic shared memory is what the emulated tests check: the host asks for it."""
    kernels = {
        name
        for source in [*SOURCES.glob("*.cu"), *SOURCES.glob("*.cuh")]
        for name in re.findall(
            r"__global__\s+void\s+(?:__launch_bounds__\([^)]*\)\s*)?(\w+)\(", source.read_text()
        )
    }
    assert kernels
    found = [one for log in built.parent.glob("*.o.log") for one in resources(log.read_text())]
    assert {one.architecture for one in found} == ARCHITECTURES
    for architecture in ARCHITECTURES:
        names = [one.kernel for one in found if one.architecture == architecture]
        for kernel in kernels:
            mangled = f"{len(kernel)}{kernel}"
            assert any(mangled in name for name in names), f"{kernel} on {architecture}"
    assert [one for one in found if one.spills] == []
    assert [one for one in found if one.static_shared > STATIC_SHARED] == []
    assert max(one.registers for one in found) <= 255


def symbols(library: Path, which: str) -> list[str]:
    done = subprocess.run(
        ["nm", "-D", f"--{which}-only", str(library)], capture_output=True, text=True, check=True
    )
    return [line.split()[-1] for line in done.stdout.splitlines() if line.split()[-2] != "w"]


@pytest.mark.slow
@needs_nvcc
def test_it_needs_nothing_that_torch_with_cuda_does_not_have(built):
    lib = Path(torch.__file__).parent / "lib"
    offered = {
        name.split("@")[0]
        for library in ("libtorch_cpu.so", "libc10.so")
        for name in symbols(lib / library, "defined")
    }
    system = re.compile(r"@(GLIBC|GLIBCXX|CXXABI|GCC)_")
    missing = {
        name
        for name in symbols(built, "undefined")
        if not system.search(name) and name not in offered
    }
    assert missing == {"aoti_torch_get_current_cuda_stream"}
    dynamic = subprocess.run(
        ["readelf", "-d", str(built)], capture_output=True, text=True, check=True
    ).stdout
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic))
    assert {"libtorch_cpu.so", "libtorch_cuda.so"} < needed
    assert not any(re.search("python|cudart|cufft", name) for name in needed)


def test_the_cpu_library_needs_nothing_of_cuda():
    names = symbols(Path(phasenet.__file__).parent / "libphasenet_cpu.so", "undefined")
    assert names
    assert [name for name in names if "cuda_stream" in name or name.startswith("cuda")] == []


@pytest.mark.slow
@needs_nvcc
def test_it_registers_every_operator(built):
    """With the stand-in for torch's CUDA library that the link used: no GPU is called on."""
    code = (
        "import ctypes, sys, torch, phasenet\n"
        "folder, *names = sys.argv[1:]\n"
        "has = torch._C._dispatch_has_kernel_for_dispatch_key\n"
        "assert not any(has(f'phasenet::{name}', 'CUDA') for name in names)\n"
        "ctypes.CDLL(f'{folder}/libtorch_cuda.so')\n"
        "torch.ops.load_library(f'{folder}/libphasenet_cuda.so')\n"
        "print([name for name in names if not has(f'phasenet::{name}', 'CUDA')])\n"
    )
    if torch.version.cuda is not None:
        pytest.skip("this torch has the real library: the tests marked cuda call it")
    done = subprocess.run(
        [sys.executable, "-c", code, str(built.parent), *OPERATORS], cwd=ROOT, capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
@needs_nvcc
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"TORCH_CUDA_ARCH_LIST": "Hopper"}, "TORCH_CUDA_ARCH_LIST: expected a list like"),
        ({"TORCH_CUDA_ARCH_LIST": "9.0;1.0"}, "does not know architecture 1.0"),
        ({"CXX": "/bin/false"}, "nvcc cannot compile with /bin/false"),
        ({"NVCC": "/bin/false"}, "/bin/false --version does not work"),
        ({"NVCC": "/bin/true"}, "/bin/true is too old"),
    ],
)
def test_what_cannot_be_built_is_one_line(tmp_path, changes, message):
    done = build(tmp_path, **changes)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert message in done.stderr


def decision(**changes: str) -> subprocess.CompletedProcess[str]:
    code = "import setup; print(*setup.cuda_decision(), sep='|')"
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment(**changes), capture_output=True,
        text=True,
    )  # fmt: skip


@pytest.mark.slow
def test_who_gets_the_cuda_library():
    assert decision(PHASENET_CUDA="0").stdout == "None|PHASENET_CUDA=0\n"
    assert "expected 0 or 1, got 'yes'" in decision(PHASENET_CUDA="yes").stderr
    if torch.version.cuda is None and NVCC:
        assert "has no CUDA" in decision().stdout
    asked = decision(PHASENET_CUDA="1", TORCH_CUDA_ARCH_LIST="8.0 9.0a;12.0+PTX")
    if NVCC:
        assert asked.stdout == "['8.0', '9.0a', '12.0+PTX']|PHASENET_CUDA=1\n"
        assert decision(PHASENET_CUDA="1").stdout.startswith("['8.0', '8.6', '8.9', '9.0', '10.0'")
    else:
        assert "there is no nvcc" in asked.stderr
