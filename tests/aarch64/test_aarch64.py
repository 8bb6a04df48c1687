"""The CPU sources as setup.py compiles them for aarch64, and the kernels held to plain formulas.

For aarch64 this needs a cross compiler (Debian, Ubuntu: g++-aarch64-linux-gnu) or AARCH64_CXX, and
qemu's user mode (qemu-user-static). The same sources and program are compiled and run for this
machine too.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("kernels.cpp")
# What the program needs of phasenet; kernels.cpp stands in for torch's library.
PLANS = {"line_transform.cpp", "pyramid_plan.cpp", "tables.cpp"}
LINKED = {"baseline.cpp", "dispatch.cpp", PROGRAM.name, *PLANS}
CROSS_COMPILER = os.environ.get("AARCH64_CXX", "aarch64-linux-gnu-g++")
QEMU = next(filter(None, map(shutil.which, ("qemu-aarch64-static", "qemu-aarch64"))), None)

needs_cross_compiler = pytest.mark.skipif(
    shutil.which(CROSS_COMPILER.split()[0]) is None,
    reason=f"no {CROSS_COMPILER} here to compile for aarch64 (AARCH64_CXX names another)",
)
needs_qemu = pytest.mark.skipif(
    QEMU is None, reason="no qemu-aarch64-static here to run aarch64 programs"
)


def commands() -> dict[str, list[str]]:
    """The flags of every CPU source, by its path, as setup.py has them on an aarch64 machine."""
    code = (
        "import json, platform\n"
        "platform.machine = lambda: 'aarch64'\n"
        "import setup\n"
        "torch = setup.find_torch()[0]\n"
        "sources = setup.cpu_library().sources\n"
        "print(json.dumps({str(s): setup.compile_flags(s, torch) for s in sources}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def compile_for(
    compiler: str, folder: Path, only: set[str] | None = None
) -> dict[str, tuple[Path, str]]:
    """By source's name, its object and what the compiler said; the file is missing if it failed.

    Only the kernels are optimised, which is where what the compiler makes of them can go wrong.
    """
    sources = commands()
    sources[str(PROGRAM)] = sources[str(ROOT / "csrc" / "ops.cpp")]

    def compile_one(source: str) -> tuple[str, tuple[Path, str]]:
        path = Path(source)
        optimised = path.parent.name == "kernels"
        flags = [flag if optimised or flag != "-O3" else "-O0" for flag in sources[source]]
        target = folder / f"{path.stem}.o"
        command = [*compiler.split(), *flags, "-c", source, "-o", str(target)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return path.name, (target, done.stderr)

    with ThreadPoolExecutor(2) as pool:
        wanted = [source for source in sources if only is None or Path(source).name in only]
        return dict(pool.map(compile_one, wanted))


@pytest.fixture(scope="module")
def compiled(tmp_path_factory) -> dict[str, tuple[Path, str]]:
    return compile_for(CROSS_COMPILER, tmp_path_factory.mktemp("aarch64"))


def run_kernels(compiler: str, compiled: dict[str, tuple[Path, str]], emulator: list[str]) -> None:
    objects = [str(target) for name, (target, _) in compiled.items() if name in LINKED]
    program = Path(objects[0]).with_name("kernels")
    link = [*compiler.split(), "-static", *objects, "-o", str(program)]
    subprocess.run(link, check=True, capture_output=True, text=True)
    seed = str(random.SystemRandom().randrange(2**31))
    done = subprocess.run([*emulator, str(program), seed], capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, f"seed {seed}: {done.stdout}{done.stderr}"
    assert lines[-1] == "0 checks failed on baseline"
    assert len([line for line in lines if line.startswith("ok ")]) == 58


@needs_cross_compiler
def test_every_source_compiles(compiled):
    names = {path.name for path in (ROOT / "csrc" / "cpu").rglob("*.cpp")} | {"ops.cpp"}
    assert {*compiled} == (names - {"avx2.cpp", "avx512.cpp"}) | {PROGRAM.name}
    failed = {name: said for name, (target, said) in compiled.items() if not target.exists()}
    assert failed == {}
    assert {name: said for name, (_, said) in compiled.items() if said} == {}  # no warning


@needs_cross_compiler
@needs_qemu
def test_kernels_equal_plain_formulas(compiled):
    run_kernels(CROSS_COMPILER, compiled, [QEMU])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the program is linked as Linux links")
def test_kernels_of_this_machine_equal_plain_formulas(tmp_path):
    compiler = os.environ.get("CXX", "c++")
    run_kernels(compiler, compile_for(compiler, tmp_path, LINKED), [])
