"""Builds the module `phasenet_emulated`: the CUDA sources compiled for the CPU."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import pybind11
import torch
from filelock import FileLock

HERE = Path(__file__).parent.resolve()
ROOT = HERE.parents[1]
NAME = "phasenet_emulated"
TORCH = Path(torch.__file__).parent
FLAGS = [
    "-std=c++20", "-fPIC", "-fvisibility=hidden", "-DPHASENET_EMULATED",
    # `extern __shared__` and CUDA's names for qualifiers come from the header beside this file.
    f"-I{HERE}", f"-isystem{TORCH / 'include'}", f"-isystem{pybind11.get_include()}",
    f"-isystem{sysconfig.get_paths()['include']}",
    "-DTORCH_TARGET_VERSION=0x020a000000000000",
    "-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-unknown-pragmas",
]  # fmt: skip
VARIANTS = {
    "plain": ["-O1"],
    "sanitized": [
        "-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined",
        "-fno-sanitize-recover=undefined",
    ],
}  # fmt: skip


def sources() -> list[Path]:
    """Every CUDA source, and the binding."""
    return [*sorted((ROOT / "csrc" / "cuda").glob("*.cu")), HERE / "module.cpp"]


def build(variant: str = "plain") -> Path:
    """Compile what changed; returns the module's file."""
    compiler = os.environ.get("CXX") or shutil.which("c++") or "g++"
    folder = ROOT / "build" / f"emulated-{variant}"
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{NAME}{sysconfig.get_config_var('EXT_SUFFIX')}"
    flags = " ".join([*FLAGS, *VARIANTS[variant]])
    lines = [
        f"rule compile\n  command = {compiler} -MMD -MF $out.d {flags} -x c++ -c $in -o $out",
        "  depfile = $out.d\n  deps = gcc",
        f"rule link\n  command = {compiler} -shared $in -o $out {' '.join(VARIANTS[variant])} "
        f"-L{TORCH / 'lib'} -ltorch_cpu -lc10",
    ]
    objects = []
    for source in sources():
        lines.append(f"build {source.stem}.o: compile {source}")
        objects.append(f"{source.stem}.o")
    lines.append(f"build {target}: link {' '.join(objects)}")
    with FileLock(folder / "lock"):  # several test processes share one build
        (folder / "build.ninja").write_text("\n".join(lines) + "\n")
        command = [sys.executable, "-m", "ninja", "-C", str(folder)]
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
