"""Builds the operators with sanitizers and runs tests on them.

    python tests/support/sanitize.py             every test of phasenet (`make sanitize`)
    python tests/support/sanitize.py --baseline  a few calls, without the AVX kernels
    python tests/support/sanitize.py [--baseline] --calls N  N random calls of the operators and
                                                 directed ones (operator_calls.py)

The sources are copied to build/sanitize, so that the ordinary build stays as it is. Several may be
started at a time: one builds, and what is built is left alone until a source changes.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("setup.py", "pyproject.toml", "README.md", "LICENSE", "csrc", "phasenet")
WRAPPER = Path(__file__).with_name("sanitizing_cxx.py")
NO_SOURCES = shutil.ignore_patterns("*.so", "__pycache__", "build_info.json*")


def why_not(compiler: str) -> str | None:
    """Why this machine cannot build with sanitizers, or None."""
    if not sys.platform.startswith("linux"):
        return f"sanitizers are preloaded as on Linux, and this is {sys.platform}"
    if shutil.which(compiler) is None:
        return f"no compiler {compiler}"
    for library in libraries(compiler):
        if not Path(library).is_absolute():
            return f"{compiler} has no {library}"
    return None


def libraries(compiler: str) -> list[str]:
    """The sanitizers' library and the C++ library, which it wants to find beside itself."""
    return [
        subprocess.run(
            [compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in ("libasan.so", "libstdc++.so.6")
    ]


def made_of(compiler: str) -> str:
    """What a build follows from: the compiler, torch, and names and times of the files."""
    paths = [WRAPPER, *(ROOT / name for name in COPIED)]
    for path in paths:  # to which a folder's are added
        if path.is_dir():
            names = os.listdir(path)
            paths += [path / name for name in sorted({*names} - NO_SOURCES(str(path), names))]
    times = [f"{path} {path.stat().st_mtime_ns}" for path in paths if path.is_file()]
    return "\n".join([compiler, version("torch"), *times])


def build(folder: Path, compiler: str, baseline: bool) -> None:
    """The package with sanitized operators in `folder`, unless it is there."""
    folder.mkdir(parents=True, exist_ok=True)
    built = folder / "made-of.txt"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = made_of(compiler)
        if not built.exists() or built.read_text() != wanted:
            built.unlink(missing_ok=True)
            build_anew(folder, compiler, baseline)
            built.write_text(wanted)


def build_anew(folder: Path, compiler: str, baseline: bool) -> None:
    for name in COPIED:
        source, target = ROOT / name, folder / name
        if source.is_dir():  # copy2 keeps times, so that only what changed is compiled again
            shutil.rmtree(target, ignore_errors=True)  # what was renamed would stay
            shutil.copytree(source, target, ignore=NO_SOURCES)
        else:
            shutil.copy2(source, target)
    environment = {
        **os.environ,
        "CXX": f"{sys.executable} {WRAPPER}",
        "SANITIZED_CXX": compiler,
        "SANITIZE_BASELINE": "1" if baseline else "0",
        "PHASENET_CUDA": "0",
    }
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    subprocess.run(command, cwd=folder, env=environment, check=True)


def environment(folder: Path, compiler: str) -> dict[str, str]:
    """Of a process that imports the sanitized package."""
    return {
        **os.environ,
        "LD_PRELOAD": " ".join(libraries(compiler)),
        # Python leaks at exit. Fake stacks are misaligned for vectors of 64 bytes (GCC 12, 13).
        # Too much memory is refused, not an error.
        "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=0:abort_on_error=0:"
        "allocator_may_return_null=1:max_allocation_size_mb=2048",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT / "tests")]),
    }


def main() -> int:
    compiler = os.environ.get("SANITIZED_CXX", "g++")
    if reason := why_not(compiler):
        print(f"sanitize: {reason}")
        return 1
    parser = argparse.ArgumentParser()
    parser.add_argument("--baseline", action="store_true")
    parser.add_argument("--calls", type=int)
    given = parser.parse_args()
    baseline = given.baseline
    folder = ROOT / "build" / ("sanitize-baseline" if baseline else "sanitize")
    build(folder, compiler, baseline)
    if given.calls is not None:
        command = [sys.executable, "-m", "support.operator_calls", str(given.calls)]
    elif baseline:
        command = [sys.executable, "-m", "support.sanitized_calls"]
    else:
        # Compilers that sanitized processes start would be sanitized too, and a sanitizer's own
        # memory would be measured.
        tests = [str(ROOT / "tests" / "phasenet"), "-c", str(ROOT / "pyproject.toml")]
        names = ("sanitizers", "compile", "export", "100_million", "cuda_build", "test_memory")
        left_out = " and ".join(f"not {name}" for name in names)
        command = [sys.executable, "-m", "pytest", *tests, "-q", "-k", left_out]
        command += ["-p", "no:cacheprovider"]
    return subprocess.run(command, cwd=folder, env=environment(folder, compiler)).returncode


if __name__ == "__main__":
    sys.exit(main())
