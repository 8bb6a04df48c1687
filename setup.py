"""Builds the compiled operators of phasenet against LibTorch's stable ABI.

The libraries contain no Python: one binary serves every Python >= 3.10 and every torch >= 2.10.
They are built beside the sources, in `phasenet/`, so that the package also works from a checkout.
The CUDA library compiles against any torch, but only a torch with CUDA loads it.

Environment: CXX (compiler), MAX_JOBS (parallel compilations), NVCC (CUDA compiler), PHASENET_CUDA
(0 never builds the CUDA library, 1 always; without it, where torch has CUDA and there is an nvcc),
TORCH_CUDA_ARCH_LIST (CUDA architectures, such as "8.0;9.0+PTX").

`python setup.py build_cuda --folder DIR` builds the CUDA library alone, into DIR.
`python -c "import setup; print(setup.source_digest())"` prints the `build_info()["sources"]` of a
library built from these sources; it builds nothing and needs no torch.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import setuptools
from setuptools import Command, Distribution, setup
from setuptools.command.build_ext import build_ext
from setuptools.extension import Extension

# An older setuptools builds the libraries too, but no wheel: it lacks the licence field or more.
MAKES_WHEELS = int(setuptools.__version__.split(".")[0]) >= 77
if MAKES_WHEELS:
    from setuptools.command.bdist_wheel import bdist_wheel
else:

    class bdist_wheel(Command):
        def __init__(self, *_: object) -> None:
            fail(f"a wheel needs setuptools >= 77, this is {setuptools.__version__}; upgrade it")


ROOT = Path(__file__).parent.resolve()
PACKAGE = ROOT / "phasenet"
SOURCES = ROOT / "csrc"
SOURCE_SUFFIXES = {".cpp", ".h", ".inl", ".cu", ".cuh"}
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
CUDA_ARCHITECTURES = ["8.0", "8.6", "8.9", "9.0", "10.0", "12.0+PTX"]
OLDEST_NVCC = (12, 0)  # the first that knows C++20
NVCC_FLAGS = [
    "-std=c++20", "-O3", "-DUSE_CUDA", f"-DTORCH_TARGET_VERSION={TORCH_TARGET}",
    "-Xcompiler=-fPIC,-fvisibility=hidden", "-Xptxas=-v",
    "-diag-suppress=20012,20013,20014",  # of annotations in headers that are not ours
]  # fmt: skip
# What only a torch with CUDA has. The library is linked with a stand-in of that name, so that one
# built against a CPU torch asks the loader for the real one.
TORCH_CUDA = """
extern "C" __attribute__((visibility("default"))) int aoti_torch_get_current_cuda_stream(
    int, void**) {
  return 1;
}
"""


@dataclass
class Library:
    """One shared library: its file name in the package, its sources and how they compile."""

    name: str
    sources: list[Path]
    link_flags: list[str] = field(default_factory=list)
    nvcc: list[str] = field(default_factory=list)  # the compiler of .cu, with its flags


def fail(message: str) -> NoReturn:
    raise SystemExit(f"phasenet: cannot build: {message}")


def source_digest() -> str:
    """16 hexadecimal digits of all C++ and CUDA sources, their names and their contents."""
    digest = hashlib.sha256()
    for path in sorted(path for path in SOURCES.rglob("*") if path.suffix in SOURCE_SUFFIXES):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(SOURCES).as_posix()} {content}\n".encode())
    return digest.hexdigest()[:16]


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
    for candidate in [asked] if asked else ["c++", "g++", "clang++"]:
        if shutil.which(candidate.split()[0]):
            return candidate
    fail(
        f"no C++ compiler found ({f'CXX={asked}' if asked else 'c++, g++ or clang++'}); install "
        "one that knows C++20, for example g++ >= 11 (Debian, Ubuntu: apt install g++), or set CXX"
    )


def run_compiler(command: list[str], advice: str) -> str:
    """What a compiler says of itself."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        fail(f"{' '.join(command)} does not work; {advice}")


def run_nvcc(nvcc: str, option: str) -> str:
    return run_compiler([nvcc, option], "set NVCC to CUDA's compiler, or PHASENET_CUDA=0")


def find_nvcc() -> str | None:
    places = [os.environ.get("NVCC"), shutil.which("nvcc"), "/usr/local/cuda/bin/nvcc"]
    if home := os.environ.get("CUDA_HOME"):
        places.insert(1, f"{home}/bin/nvcc")
    return next((place for place in places if place and shutil.which(place)), None)


def cuda_decision() -> tuple[list[str] | None, str]:
    """Architectures to build the CUDA library for, or None, and the reason."""
    import torch

    asked = os.environ.get("PHASENET_CUDA", "")
    if asked not in ("", "0", "1"):
        fail(f"PHASENET_CUDA: expected 0 or 1, got {asked!r}")
    if asked == "0":
        return None, "PHASENET_CUDA=0"
    nvcc = find_nvcc()
    if nvcc is None:
        if asked == "1":
            fail("PHASENET_CUDA=1, but there is no nvcc; put it into PATH or set NVCC or CUDA_HOME")
        return None, "no nvcc found"
    if not asked and torch.version.cuda is None:
        return None, f"torch {torch.__version__} has no CUDA (PHASENET_CUDA=1 builds anyway)"
    reason = "PHASENET_CUDA=1" if asked else f"torch has CUDA {torch.version.cuda}"
    return cuda_architectures(nvcc), reason


def cuda_architectures(nvcc: str) -> list[str]:
    """Those of TORCH_CUDA_ARCH_LIST, or the usual ones as far as nvcc knows them."""
    version = re.search(r"release (\d+)\.(\d+)", run_nvcc(nvcc, "--version"))
    if version is None or tuple(map(int, version.groups())) < OLDEST_NVCC:
        fail(f"{nvcc} is too old, CUDA >= {'.'.join(map(str, OLDEST_NVCC))} is needed")
    known = re.findall(r"compute_(\d+)", run_nvcc(nvcc, "--list-gpu-arch"))
    listed = os.environ.get("TORCH_CUDA_ARCH_LIST", "")
    names = re.split(r"[;,\s]+", listed.strip()) if listed.strip() else CUDA_ARCHITECTURES
    found = []
    for name in filter(None, names):
        match = re.fullmatch(r"(\d+)\.(\d)([af]?)(\+PTX)?", name)
        if match is None:
            fail(f"TORCH_CUDA_ARCH_LIST: expected a list like '8.0;9.0+PTX', got {listed!r}")
        if f"{match[1]}{match[2]}" in known:
            found.append(name)
        elif listed:
            fail(f"TORCH_CUDA_ARCH_LIST: {nvcc} does not know architecture {name}")
    if not found:
        fail(f"{nvcc} knows none of the architectures {', '.join(names)}")
    return found


def architecture_flags(architectures: list[str]) -> list[str]:
    flags = []
    for name in architectures:
        number = name.removesuffix("+PTX").replace(".", "")
        flags.append(f"-gencode=arch=compute_{number},code=sm_{number}")
        if name.endswith("+PTX"):
            flags.append(f"-gencode=arch=compute_{number},code=compute_{number}")
    return flags


def cuda_library(architectures: list[str], compiler: str, folder: Path) -> Library:
    """The CUDA library; nvcc and the C++ compiler are tried first on next to nothing."""
    host = next(word for word in compiler.split() if Path(word).name not in ("ccache", "sccache"))
    nvcc = [find_nvcc() or "nvcc", f"-ccbin={host}"]
    folder.mkdir(parents=True, exist_ok=True)
    probe, stand_in = folder / "torch_cuda.cu", folder / "libtorch_cuda.so"
    probe.write_text(TORCH_CUDA)
    command = [*nvcc, "-std=c++20", "-Xcompiler=-fPIC", "-shared", str(probe), "-o", str(stand_in)]
    command += ["-Xlinker=-soname,libtorch_cuda.so,--exclude-libs,ALL"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        told = (done.stderr or done.stdout).strip().splitlines()
        fail(
            f"nvcc cannot compile with {compiler} ({told[-1] if told else 'it says nothing'}); set "
            "CXX to a g++ or clang++ it knows, or PHASENET_CUDA=0"
        )
    sources = sorted([*(SOURCES / "cuda").rglob("*.cu"), *(SOURCES / "cuda").rglob("*.cpp")])
    # nvcc links the CUDA runtime in, so that no particular one has to be there.
    link = [f"-L{folder}", "-Xlinker=--no-as-needed", "-ltorch_cuda", f"-ccbin={host}"]
    link += ["-Xlinker=-z,defs,--exclude-libs,ALL"]
    nvcc += [*NVCC_FLAGS, *architecture_flags(architectures)]
    return Library("libphasenet_cuda.so", sources, link, nvcc)


def cpu_library() -> Library:
    sources = [SOURCES / "ops.cpp", *sorted((SOURCES / "cpu").rglob("*.cpp"))]
    if not X86:
        sources = [source for source in sources if source.name not in INSTRUCTION_SETS]
    return Library("libphasenet_cpu.so", sources)


def compile_flags(source: Path, torch_folder: Path) -> list[str]:
    own = INSTRUCTION_SETS.get(source.name, [])
    flags = [*COMMON_FLAGS, f"-isystem{torch_folder / 'include'}", *own]
    return [*flags, "-DPHASENET_X86"] if X86 else flags


def link_flags(torch_folder: Path) -> list[str]:
    if sys.platform == "darwin":
        return ["-undefined", "dynamic_lookup"]
    return [f"-L{torch_folder / 'lib'}", "-ltorch_cpu", "-lc10"]


def ninja_file(library: Library, compiler: str, torch_folder: Path, target: Path) -> str:
    def escape(path: Path) -> str:
        return str(path).replace("$", "$$").replace(" ", "$ ").replace(":", "$:")

    nvcc = " ".join(f"'{part}'" for part in library.nvcc)
    linker = library.nvcc[0] if library.nvcc else compiler
    log = "> $out.log 2>&1 || (cat $out.log; exit 1)"  # each kernel's registers and memory
    compile_one = "-MMD -MF $out.d $flags -c $in -o $out"
    tell = "\n  depfile = $out.d\n  deps = gcc\n  description = compile $in"
    lines = [
        f"rule compile\n  command = {compiler} {compile_one}{tell}",
        f"rule nvcc\n  command = {nvcc} {compile_one} {log}{tell}",
        f"rule link\n  command = {linker} -shared $in -o $out $flags\n  description = link $out",
    ]
    objects = []
    for source in library.sources:
        name = "_".join(source.relative_to(SOURCES).with_suffix(".o").parts)
        rule, flags = "compile", compile_flags(source, torch_folder)
        if source.suffix == ".cu":
            rule, flags = "nvcc", [f"-isystem={torch_folder / 'include'}"]
        elif library.nvcc:
            flags = [*flags, "-DUSE_CUDA"]
        quoted = " ".join(f"'{flag}'" for flag in flags)
        lines.append(f"build {name}: {rule} {escape(source)}\n  flags = {quoted}")
        objects.append(name)
    flags = " ".join(f"'{flag}'" for flag in [*link_flags(torch_folder), *library.link_flags])
    lines.append(f"build {escape(target)}: link {' '.join(objects)}\n  flags = {flags}")
    return "\n".join(lines) + "\n"


def build_library(
    library: Library, compiler: str, torch_folder: Path, folder: Path, into: Path = PACKAGE
) -> Path:
    """Compile what changed in `folder` and link; the result lies in the package folder."""
    try:
        import ninja  # noqa: F401
    except ImportError:
        fail("ninja is not installed; pip install ninja, or build without --no-build-isolation")
    folder.mkdir(parents=True, exist_ok=True)
    target = into / library.name
    (folder / "build.ninja").write_text(ninja_file(library, compiler, torch_folder, target))
    command = [sys.executable, "-m", "ninja", "-C", str(folder)]
    if jobs := os.environ.get("MAX_JOBS"):
        if not jobs.isdecimal():
            fail(f"MAX_JOBS: expected a number, got {jobs!r}")
        command += ["-j", jobs]
    try:
        subprocess.run(command, check=True)
    except subprocess.CalledProcessError:
        name = "nvcc" if library.nvcc else compiler
        fail(f"{library.name} did not compile with {name}; the compiler's message is above")
    return target


class BuildLibraries(build_ext):
    """Builds every library in place and copies it to where setuptools collects the package."""

    def run(self) -> None:
        if not sys.platform.startswith(("linux", "darwin")):
            fail(f"only Linux and macOS are supported, not {sys.platform}")
        (torch_folder, torch_version), compiler = find_torch(), find_compiler()
        architectures, reason = cuda_decision()
        said = run_compiler([*compiler.split(), "--version"], "set CXX to g++ >= 11 or clang++")
        info = {
            "version": self.distribution.get_version(),
            "sources": source_digest(),
            "build_torch": torch_version,
            "torch_target": ".".join(map(str, OLDEST_TORCH)),
            "compiler": said.split("\n")[0],
            "cpu": ["baseline", *(["avx2", "avx512"] if X86 else [])],
            "cuda": architectures,
            "cuda_reason": reason,
        }
        for key, value in info.items():
            print(f"phasenet build: {key}: {value}", flush=True)
        outputs = [build_library(cpu_library(), compiler, torch_folder, ROOT / "build" / "cpu")]
        if architectures:
            folder = ROOT / "build" / "cuda"
            library = cuda_library(architectures, compiler, folder)
            outputs.append(build_library(library, compiler, torch_folder, folder))
        else:  # one of an earlier build would be loaded
            (PACKAGE / "libphasenet_cuda.so").unlink(missing_ok=True)
        new = PACKAGE / f"build_info.json.{os.getpid()}"  # another build may write its own
        new.write_text(json.dumps(info, indent=2) + "\n")
        outputs.append(new.replace(PACKAGE / "build_info.json"))  # others may read the one there
        folder = Path(self.build_lib) / "phasenet"
        for output in outputs if not self.inplace else []:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy2(output, folder / output.name)

    def get_outputs(self) -> list[str]:
        names = [cpu_library().name, "build_info.json"]
        names += ["libphasenet_cuda.so"] if cuda_decision()[0] else []
        return [str(Path(self.build_lib) / "phasenet" / name) for name in names]

    def get_output_mapping(self) -> dict[str, str]:
        return {}


class BuildCuda(Command):
    """Builds the CUDA library alone; beside it lie the resources that each kernel takes."""

    description = "build the CUDA library alone, for TORCH_CUDA_ARCH_LIST or all architectures"
    user_options = [("folder=", None, "where to build")]  # noqa: RUF012

    def initialize_options(self) -> None:
        self.folder = ""

    def finalize_options(self) -> None:
        if not self.folder:
            fail("build_cuda: expected --folder DIR")

    def run(self) -> None:
        nvcc, folder = find_nvcc(), Path(self.folder).resolve()
        if nvcc is None:
            fail("no nvcc found; put it into PATH or set NVCC or CUDA_HOME")
        (torch_folder, _), compiler = find_torch(), find_compiler()
        library = cuda_library(cuda_architectures(nvcc), compiler, folder)
        print(build_library(library, compiler, torch_folder, folder, folder))


class AnyPythonWheel(bdist_wheel):
    """The binary depends on the platform but not on the Python version."""

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


class BinaryDistribution(Distribution):
    def has_ext_modules(self) -> bool:
        return True


if __name__ == "__main__":
    if {"build", "build_py", "bdist_wheel", "install"} & set(sys.argv):
        shutil.rmtree(ROOT / "build" / "lib", ignore_errors=True)  # else renamed files go along
    setup(
        # Not in pyproject.toml, where setuptools < 77 refuses it.
        **{"license_expression" if MAKES_WHEELS else "license": "MIT"},
        options={"build": {"build_lib": "build/lib"}},
        distclass=BinaryDistribution,
        ext_modules=[Extension("phasenet.libphasenet_cpu", [])],
        cmdclass={
            "build_ext": BuildLibraries,
            "build_cuda": BuildCuda,
            "bdist_wheel": AnyPythonWheel,
        },
    )
