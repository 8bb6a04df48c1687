"""The CPU sources compiled for aarch64 with setup.py's flags, and the kernels run in emulation.

Needs a cross compiler (Debian, Ubuntu: g++-aarch64-linux-gnu) or AARCH64_CXX, and qemu's user mode
(qemu-user-static).
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
PLANS = {"line_transform.cpp", "lru_cache.cpp", "pyramid_plan.cpp", "tables.cpp"}
LINKED = {"baseline.cpp", "dispatch.cpp", PROGRAM.name, *PLANS}
COMPILER = os.environ.get("AARCH64_CXX", "aarch64-linux-gnu-g++")
QEMU = next(filter(None, map(shutil.which, ("qemu-aarch64-static", "qemu-aarch64"))), None)

pytestmark = [
    pytest.mark.timeout(1200),
    pytest.mark.skipif(
        shutil.which(COMPILER.split()[0]) is None,
        reason=f"no {COMPILER} here to compile for aarch64 (AARCH64_CXX names another)",
    ),
]


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


@pytest.fixture(scope="module")
def compiled(tmp_path_factory) -> dict[str, tuple[Path, str]]:
    """By source's name, its object and what the compiler said; the file is missing if it failed.

    Only the kernels are optimised, which is where what the compiler makes of them can go wrong.
    """
    folder = tmp_path_factory.mktemp("aarch64")
    sources = commands()
    flags_of_program = sources[str(ROOT / "csrc" / "ops.cpp")]

    def compile_one(source: str, flags: list[str]) -> tuple[str, tuple[Path, str]]:
        path = Path(source)
        optimised = path.parent.name == "kernels"
        flags = [flag if optimised or flag != "-O3" else "-O0" for flag in flags]
        target = folder / f"{path.stem}.o"
        command = [*COMPILER.split(), *flags, "-c", source, "-o", str(target)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return path.name, (target, done.stderr)

    sources[str(PROGRAM)] = flags_of_program
    with ThreadPoolExecutor(2) as pool:
        return dict(pool.map(compile_one, sources.keys(), sources.values()))


def test_every_source_compiles(compiled):
    names = {path.name for path in (ROOT / "csrc" / "cpu").rglob("*.cpp")} | {"ops.cpp"}
    assert {*compiled} == (names - {"avx2.cpp", "avx512.cpp"}) | {PROGRAM.name}
    failed = {name: said for name, (target, said) in compiled.items() if not target.exists()}
    assert failed == {}
    assert {name: said for name, (_, said) in compiled.items() if said} == {}  # no warning


@pytest.mark.skipif(QEMU is None, reason="no qemu-aarch64-static here to run aarch64 programs")
def test_kernels_equal_plain_formulas(compiled, tmp_path):
    program = tmp_path / "kernels"
    objects = [str(target) for name, (target, _) in compiled.items() if name in LINKED]
    link = [*COMPILER.split(), "-static", *objects, "-o", str(program)]
    subprocess.run(link, check=True, capture_output=True, text=True)
    seed = str(random.SystemRandom().randrange(2**31))
    done = subprocess.run(
        [str(QEMU), str(program), seed], capture_output=True, text=True, check=False
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0, f"seed {seed}: {done.stdout}{done.stderr}"
    assert lines[-1] == "0 checks failed on baseline"
    assert len([line for line in lines if line.startswith("ok ")]) == 50
