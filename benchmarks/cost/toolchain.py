"""CUDA's compiler and disassembler, and what they say of the kernels."""

from __future__ import annotations

import ctypes
import fcntl
import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import torch

import setup
from benchmarks.cost.sass import Function, parse, parse_constants

TOOLS = ("nvdisasm", "cuobjdump")


class Missing(Exception):
    """A tool that is not there, and where it comes from."""


@dataclass(frozen=True)
class Kernel:
    """One compiled kernel.

    Attributes:
        name: demangled, without parameters and without the names of anonymous namespaces.
        parameter_base: where its parameters begin in the constants, bytes.
        constants: what the addresses in constant bank 4 point to, None what is not initialised.
        registers: of a thread.
        shared: static bytes of a block, the system's among them.
        stack: bytes of a thread's local memory.
    """

    name: str
    function: Function
    parameter_base: int
    constants: list[ctypes.Array[ctypes.c_char] | None]
    registers: int
    shared: int
    stack: int


def find_tools() -> dict[str, str]:
    """Paths of nvcc, nvdisasm and cuobjdump.

    Raises:
        Missing: one is not there.
    """
    found = {"nvcc": setup.find_nvcc()}
    wheels = importlib.util.find_spec("nvidia")
    folders = (
        [Path(p) / "cu13" / "bin" for p in wheels.submodule_search_locations or []]
        if wheels
        else []
    )
    for tool in TOOLS:
        places = [shutil.which(tool), *(str(folder / tool) for folder in folders)]
        if found["nvcc"]:
            places.append(str(Path(found["nvcc"]).with_name(tool)))
        found[tool] = next((place for place in places if place and os.access(place, os.X_OK)), None)
    missing = [tool for tool, path in found.items() if path is None]
    if missing:
        raise Missing(
            f"no {', no '.join(missing)}; nvcc comes with CUDA (or set NVCC), the others with "
            "pip install '.[benchmark]'"
        )
    return {tool: str(path) for tool, path in found.items()}


def compile_kernels(
    sources: list[Path], folder: Path, arch: int, tools: dict[str, str]
) -> dict[str, Kernel]:
    """Kernels of `sources` by their names, compiled as setup.py does for one architecture."""
    folder.mkdir(parents=True, exist_ok=True)
    # Other processes may want the same files.
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kernels = [x for source in sources for x in _compile(source, folder, arch, tools)]
    return {kernel.name: kernel for kernel in kernels}


def _compile(source: Path, folder: Path, arch: int, tools: dict[str, str]) -> list[Kernel]:
    cubin = folder / f"{source.stem}-{arch}.cubin"
    include = Path(torch.__file__).parent / "include"
    flags = [
        *setup.NVCC_FLAGS,
        f"-DTORCH_TARGET_VERSION={setup.TORCH_TARGET}",
        f"-isystem={include}",
    ]
    target = [f"-gencode=arch=compute_{arch},code=sm_{arch}", "-lineinfo", "-cubin"]
    made_of = [Path(setup.__file__), *source.parents[1].rglob("*.*")]
    newest = max(path.stat().st_mtime for path in made_of)
    if not cubin.exists() or cubin.stat().st_mtime < newest:
        run([tools["nvcc"], *flags, *target, str(source), "-o", str(cubin)])
    text = run([tools["nvdisasm"], "-gi", str(cubin)])
    functions = parse(text)
    constants = [
        ctypes.create_string_buffer(value, len(value)) if value else None
        for value in parse_constants(text)
    ]
    resources = run([tools["cuobjdump"], "-res-usage", str(cubin)])
    information = run([tools["cuobjdump"], "-elf", str(cubin)])
    names = demangle([function.name for function in functions])
    kernels = []
    for function, name in zip(functions, names, strict=True):
        used = re.search(
            rf"Function {re.escape(function.name)}:\s+REG:(\d+) STACK:(\d+) SHARED:(\d+)", resources
        )
        base = re.search(
            rf"\.nv\.info\.{re.escape(function.name)}\n.*?EIATTR_PARAM_CBANK\s+Format:\s+\w+\s+"
            r"Value:\s+\S+ (0x[0-9a-f]+)",
            information,
            re.DOTALL,
        )
        if used is None or base is None:
            raise ValueError(f"{source.name}: {name}: cuobjdump says nothing of it")
        registers, stack, shared = map(int, used.groups())
        kernels.append(
            Kernel(name, function, int(base[1], 16) & 0xFFFF, constants, registers, shared, stack)
        )
    return kernels


def run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}:\n{done.stdout}{done.stderr}")
    return done.stdout


def demangle(names: list[str]) -> list[str]:
    """C++ names without parameters, alike for every compiler.

    >>> demangle(["_ZN1a1fIfEEvT_"])
    ['a::f<float>']
    """
    done = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True)
    return [plain_name(line) for line in done.stdout.splitlines()]


def plain_name(name: str) -> str:
    """Of a demangled name: no parameters, result or anonymous namespaces."""
    name = re.sub(r"\(anonymous namespace\)::|_GLOBAL__N__\w+::", "", name)
    name = name.removeprefix("void ").replace("> >", ">>")
    depth = 0
    for n, letter in enumerate(name):
        depth += (letter == "<") - (letter == ">")
        if letter == "(" and depth == 0:
            return name[:n]
    return name
