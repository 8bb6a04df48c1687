"""Builds the compiled operators of phasenet against LibTorch's stable ABI.

The libraries contain no Python: one binary serves every Python >= 3.10 and every torch >= 2.10.
They are built beside the sources, in `phasenet/`, so that the package also works from a checkout.
Each library is a `Library` below; the CUDA one is independent of the CPU one.

Environment: CXX (compiler), MAX_JOBS (parallel compilations), PHASENET_CUDA=0 (never build CUDA),
TORCH_CUDA_ARCH_LIST (CUDA architectures).
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from setuptools import Distribution, setup

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:
    raise SystemExit("phasenet: cannot build: setuptools >= 77 is needed; upgrade it") from None
from setuptools.command.build_ext import build_ext
from setuptools.extension import Extension

ROOT = Path(__file__).parent.resolve()
PACKAGE = ROOT / "phasenet"
SOURCES = ROOT / "csrc"
OLDEST_TORCH = (2, 10)
TORCH_TARGET = f"0x{OLDEST_TORCH[0]:02x}{OLDEST_TORCH[1]:02x}000000000000"
X86 = platform.machine().lower() in ("x86_64", "amd64")

COMMON_FLAGS = [
    "-std=c++20", "-O3", "-fPIC", "-fvisibility=hidden", "-fopenmp-simd",
    # Neither changes a result: nothing here reads errno or floating-point exceptions.
    "-fno-math-errno", "-fno-trapping-math",
    "-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-unknown-pragmas", "-Wno-psabi",
    "-Wno-maybe-uninitialized",  # inside the compiler's own intrinsics
    f"-DTORCH_TARGET_VERSION={TORCH_TARGET}",
]  # fmt: skip
# Only these two files may use instructions beyond the baseline; dispatch.cpp picks at run time.
INSTRUCTION_SETS = {
    "avx2.cpp": ["-mavx2", "-mfma"],
    "avx512.cpp": [
        "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx2", "-mfma",
        "-mprefer-vector-width=512",
    ],
}  # fmt: skip


@dataclass
class Library:
    """One shared library: its file name in the package, its sources and how they compile."""

    name: str
    sources: list[Path]
    link_flags: list[str] = field(default_factory=list)


def fail(message: str) -> None:
    raise SystemExit(f"phasenet: cannot build: {message}")


def find_torch() -> tuple[Path, str]:
    """Folder and version of the torch to build against."""
    try:
        import torch
    except ImportError:
        fail(
            "PyTorch is not installed; without --no-build-isolation pip would fetch it, with it "
            "install torch >= 2.10 first"
        )
    version = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
    if version < OLDEST_TORCH:
        fail(
            f"torch {torch.__version__} is too old, torch >= 2.10 is needed; upgrade torch or "
            "build without --no-build-isolation"
        )
    return Path(torch.__file__).parent, torch.__version__


def find_compiler() -> str:
    asked = os.environ.get("CXX")
    candidates = [asked] if asked else ["c++", "g++", "clang++"]
    for candidate in candidates:
        if shutil.which(candidate.split()[0]):
            return candidate
    wanted = f"CXX={asked}" if asked else "c++, g++ or clang++"
    fail(
        f"no C++ compiler found ({wanted}); install one that knows C++20, for example g++ >= 11 "
        "(Debian, Ubuntu: apt install g++), or set CXX"
    )
    raise AssertionError


def compiler_version(compiler: str) -> str:
    command = [*compiler.split(), "--version"]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0 or not result.stdout:
        fail(f"{compiler} does not answer --version; set CXX to a C++ compiler such as g++ >= 11")
    return result.stdout.split("\n")[0]


def cuda_decision() -> tuple[list[str] | None, str]:
    """Architectures to build the CUDA library for, or None, and the reason."""
    if not (SOURCES / "cuda").is_dir():
        return None, "this version has no CUDA kernels yet"
    if os.environ.get("PHASENET_CUDA") == "0":
        return None, "PHASENET_CUDA=0"
    return None, "no nvcc found" if shutil.which("nvcc") is None else "not supported yet"


def cpu_library() -> Library:
    sources = [SOURCES / "ops.cpp", *sorted((SOURCES / "cpu").rglob("*.cpp"))]
    if not X86:
        sources = [source for source in sources if source.name not in INSTRUCTION_SETS]
    return Library("libphasenet_cpu.so", sources)


def compile_flags(source: Path, torch_folder: Path) -> list[str]:
    include = torch_folder / "include"
    flags = [*COMMON_FLAGS, f"-isystem{include}", *INSTRUCTION_SETS.get(source.name, [])]
    return [*flags, "-DPHASENET_X86"] if X86 else flags


def link_flags(torch_folder: Path) -> list[str]:
    if sys.platform == "darwin":
        return ["-undefined", "dynamic_lookup"]
    return [f"-L{torch_folder / 'lib'}", "-ltorch_cpu", "-lc10"]


def ninja_file(library: Library, compiler: str, torch_folder: Path, target: Path) -> str:
    def escape(path: Path) -> str:
        return str(path).replace("$", "$$").replace(" ", "$ ").replace(":", "$:")

    lines = [
        f"rule compile\n  command = {compiler} -MMD -MF $out.d $flags -c $in -o $out",
        "  depfile = $out.d\n  deps = gcc\n  description = compile $in",
        f"rule link\n  command = {compiler} -shared $in -o $out $flags\n  description = link $out",
    ]
    objects = []
    for source in library.sources:
        name = "_".join(source.relative_to(SOURCES).with_suffix(".o").parts)
        flags = " ".join(f"'{flag}'" for flag in compile_flags(source, torch_folder))
        lines.append(f"build {name}: compile {escape(source)}\n  flags = {flags}")
        objects.append(name)
    flags = " ".join(f"'{flag}'" for flag in [*link_flags(torch_folder), *library.link_flags])
    lines.append(f"build {escape(target)}: link {' '.join(objects)}\n  flags = {flags}")
    return "\n".join(lines) + "\n"


def build_library(library: Library, compiler: str, torch_folder: Path, folder: Path) -> Path:
    """Compile what changed and link; the result lies in the package folder."""
    try:
        import ninja  # noqa: F401
    except ImportError:
        fail("ninja is not installed; pip install ninja, or build without --no-build-isolation")
    folder.mkdir(parents=True, exist_ok=True)
    target = PACKAGE / library.name
    (folder / "build.ninja").write_text(ninja_file(library, compiler, torch_folder, target))
    command = [sys.executable, "-m", "ninja", "-C", str(folder)]
    if jobs := os.environ.get("MAX_JOBS"):
        if not jobs.isdecimal():
            fail(f"MAX_JOBS: expected a number, got {jobs!r}")
        command += ["-j", jobs]
    try:
        subprocess.run(command, check=True)
    except subprocess.CalledProcessError:
        fail(f"{library.name} did not compile with {compiler}; the compiler's message is above")
    return target


class BuildLibraries(build_ext):
    """Builds every library in place and copies it to where setuptools collects the package."""

    def run(self) -> None:
        if not sys.platform.startswith(("linux", "darwin")):
            fail(f"only Linux and macOS are supported, not {sys.platform}")
        torch_folder, torch_version = find_torch()
        compiler = find_compiler()
        architectures, reason = cuda_decision()
        cpu_sets = ["baseline", *(["avx2", "avx512"] if X86 else [])]
        info = {
            "version": self.distribution.get_version(),
            "build_torch": torch_version,
            "torch_target": ".".join(map(str, OLDEST_TORCH)),
            "compiler": compiler_version(compiler),
            "cpu": cpu_sets,
            "cuda": architectures,
            "cuda_reason": reason,
        }
        for key, value in info.items():
            print(f"phasenet build: {key}: {value}", flush=True)
        outputs = [build_library(cpu_library(), compiler, torch_folder, ROOT / "build" / "cpu")]
        info_file = PACKAGE / "build_info.json"
        info_file.write_text(json.dumps(info, indent=2) + "\n")
        outputs.append(info_file)
        if not self.inplace:
            folder = Path(self.build_lib) / "phasenet"
            folder.mkdir(parents=True, exist_ok=True)
            for output in outputs:
                shutil.copy2(output, folder / output.name)

    def get_outputs(self) -> list[str]:
        names = [cpu_library().name, "build_info.json"]
        return [str(Path(self.build_lib) / "phasenet" / name) for name in names]

    def get_output_mapping(self) -> dict[str, str]:
        return {}


class AnyPythonWheel(bdist_wheel):
    """The binary depends on the platform but not on the Python version."""

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


class BinaryDistribution(Distribution):
    def has_ext_modules(self) -> bool:
        return True


setup(
    distclass=BinaryDistribution,
    ext_modules=[Extension("phasenet.libphasenet_cpu", [])],
    cmdclass={"build_ext": BuildLibraries, "bdist_wheel": AnyPythonWheel},
)
