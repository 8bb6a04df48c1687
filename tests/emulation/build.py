"""Builds the CUDA sources for the CPU, as a module for numpy or as operators of torch.

`python tests/emulation/build.py` builds the operators and prints their file, a library for
`torch.ops.load_library` whose kernels replace those of the CPU; that needs torch and ninja only.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import torch

HERE = Path(__file__).parent.resolve()
ROOT = HERE.parents[1]
NAME = "phasenet_emulated"
TORCH = Path(torch.__file__).parent
FLAGS = [
    "-std=c++20", "-fPIC", "-fvisibility=hidden", "-DPHASENET_EMULATED",
    # `extern __shared__` and CUDA's names for qualifiers come from the header beside this file.
    f"-I{HERE}", f"-isystem{TORCH / 'include'}",
    "-DTORCH_TARGET_VERSION=0x020a000000000000",
    "-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-unknown-pragmas",
]  # fmt: skip
VARIANTS = {
    "plain": ["-O1"],
    "sanitized": [
        "-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined",
        "-fno-sanitize-recover=undefined",
    ],
    "races": [
        "-O1", "-g", "-fsanitize=thread", "-DPHASENET_RACES",
        "-falign-functions=64",  # gcc's ThreadSanitizer loses lines of functions without gaps
    ],
}  # fmt: skip


def sources() -> list[Path]:
    """Every source of a kernel."""
    return sorted((ROOT / "csrc" / "cuda").glob("*.cu"))


def build(variant: str = "plain") -> Path:
    """Compile what changed; returns the module's file."""
    import pybind11

    includes = (pybind11.get_include(), sysconfig.get_paths()["include"])
    flags = [*FLAGS, *(f"-isystem{folder}" for folder in includes)]
    folder = ROOT / "build" / f"emulated-{variant}"
    target = folder / f"{NAME}{sysconfig.get_config_var('EXT_SUFFIX')}"
    return _link([*sources(), HERE / "module.cpp"], target, flags, VARIANTS[variant])


def operators() -> Path:
    """Compile what changed; returns a library that registers the operators for the CPU."""
    target = ROOT / "build" / "emulated-operators" / f"lib{NAME}.so"
    registered = [*sources(), ROOT / "csrc" / "cuda" / "operators.cpp"]
    return _link(registered, target, FLAGS, VARIANTS["plain"])


def races() -> Path:
    """Compile what changed; returns a program that runs kernels under ThreadSanitizer."""
    target = ROOT / "build" / "emulated-races" / "races"
    link = f"-Wl,-rpath,{TORCH / 'lib'}"
    return _link([*sources(), HERE / "races.cpp"], target, FLAGS, VARIANTS["races"], link)


def _link(
    sources: list[Path], target: Path, flags: list[str], variant: list[str], link: str = "-shared"
) -> Path:
    """Compile beside the target what changed, and link."""
    compiler = os.environ.get("CXX") or shutil.which("c++") or "g++"
    compile_flags = " ".join([*flags, *variant])
    lines = [
        f"rule compile\n  command = {compiler} -MMD -MF $out.d {compile_flags} -x c++ -c $in "
        "-o $out",
        "  depfile = $out.d\n  deps = gcc",
        f"rule link\n  command = {compiler} {link} $in -o $out {' '.join(variant)} "
        f"-L{TORCH / 'lib'} -ltorch_cpu -lc10",
    ]
    objects = []
    for source in sources:
        lines.append(f"build {source.stem}.o: compile {source}")
        objects.append(f"{source.stem}.o")
    lines.append(f"build {target}: link {' '.join(objects)}")
    target.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "ninja", "-C", str(target.parent)]
    with (target.parent / "lock").open("w") as lock:  # several test processes share one build
        fcntl.flock(lock, fcntl.LOCK_EX)
        (target.parent / "build.ninja").write_text("\n".join(lines) + "\n")
        result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        raise RuntimeError(f"the CUDA sources do not compile for the CPU:\n{result.stdout}")
    return target


def load(variant: str = "plain") -> ModuleType:
    """Build and import it."""
    spec = importlib.util.spec_from_file_location(NAME, build(variant))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    print(operators())
