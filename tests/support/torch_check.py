"""Builds from source with several releases of torch, each in an environment of its own.

    python tests/support/torch_check.py [PYTHON@]TORCH ...     (`make torch-check VERSIONS="..."`)

For example python3.12@2.11.0; PYTHON is an interpreter, by default this one. The sources are copied
as git sees them, with changes and new files. Where there is an nvcc, the CUDA library is built too,
for TORCH_CUDA_ARCH_LIST (9.0); without a GPU it still has to load and to register its kernels.
A version that fails does not end the others. The table at the end and the exit status tell.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from environments import ROOT, environment, install, run

COLUMNS = [
    "torch", "CUDA", "Python", "CPU library", "CUDA library", "operators", "self-test", "tests",
]  # fmt: skip
FAILED = "FAILED"
NEEDED = ["setuptools>=77", "ninja", "numpy", "pytest", "pytest-timeout"]
TESTS = [
    f"tests/{name}.py"
    for name in (
        "phasenet/test_build", "phasenet/test_stable_abi", "phasenet/test_golden",
        "phasenet/test_pyramid", "phasenet/test_operators", "phasenet/test_stream",
        "phasenet/test_forward_mode", "phasenet/test_torch_func", "phasenet/test_compile",
        "mimamo/model/test_torch_file",
    )
]  # fmt: skip
SLOW = "gradcheck or inductor or motion or (golden and reference)"
VERSIONS = """
import platform, torch
print(torch.__version__, torch.version.cuda or "none", platform.python_version(), sep="|")
"""
LOADS = """
import torch, phasenet
from phasenet import _extension
print("loads" if _extension.has_cuda() else "built; torch has no CUDA")
"""
# An argument is a dispatch key and names; get_kernel raises RuntimeError where there is no kernel.
REGISTERED = """
import sys, torch, phasenet
for argument in sys.argv[1:]:
    key, *names = argument.split(",")
    for name in names:
        torch.library.get_kernel(f"phasenet::{name}", key)
    print(len(names), key, end=" ")
"""


def copy_sources(folder: Path) -> None:
    """The checkout with changes and new files, without what git ignores."""
    command = ["git", "-c", f"safe.directory={ROOT}"]  # also where it is somebody else's
    command += ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():  # a deleted one is still listed
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def ask(python: Path, code: str, *arguments: str, cwd: Path) -> str:
    """What the code prints."""
    command = [str(python), "-c", code, *arguments]
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


def kernels(folder: Path) -> list[str]:
    """The operators that the sources in a folder implement."""
    texts = [path.read_text() for path in sorted(folder.rglob("*.cpp"))]
    return [name for text in texts for name in re.findall(r'm\.impl\(\s*"(\w+)"', text)]


def steps(python: Path, sources: Path) -> dict[str, Callable[[], str | None]]:
    """What is done for each column, in this order; it returns what to write there, or "ok"."""

    def cpu_library() -> None:
        pip = [python, "-m", "pip", "install", "--quiet", "--no-build-isolation"]
        run(*pip, ".", cwd=sources, PHASENET_CUDA="0")

    def cuda_library() -> str:
        if ask(python, "import setup; print(setup.find_nvcc())", cwd=sources) == "None":
            return "no nvcc"
        architectures = os.environ.get("TORCH_CUDA_ARCH_LIST", "9.0")
        wanted = {"PHASENET_CUDA": "1", "TORCH_CUDA_ARCH_LIST": architectures}
        run(python, "setup.py", "-q", "build_ext", "--inplace", cwd=sources, **wanted)
        return ask(python, LOADS, cwd=sources)

    def operators() -> str:
        keys = {"CPU": "cpu", "CUDA": "cuda"}
        if ask(python, LOADS, cwd=sources) != "loads":
            del keys["CUDA"]
        found = [",".join([key, *kernels(sources / "csrc" / keys[key])]) for key in keys]
        return ask(python, REGISTERED, *found, cwd=sources)

    def self_test() -> None:
        run(python, "-m", "phasenet", cwd=sources)

    def tests() -> None:
        run(python, "-c", "import mimamo.cli, mimamo.model, mimamo.train", cwd=sources)
        run(python, "-m", "pytest", "-q", "-k", f"not ({SLOW})", *TESTS, cwd=sources)

    return dict(
        zip(COLUMNS[3:], (cpu_library, cuda_library, operators, self_test, tests), strict=True)
    )


def check(argument: str, folder: Path) -> dict[str, str]:
    """What became of one version, by column."""
    asked, _, version = argument.rpartition("@")
    row = dict.fromkeys(COLUMNS, "") | {"torch": version, "Python": FAILED}
    copy_sources(folder / "sources")
    try:
        with environment(asked or sys.executable, folder / "environment") as python:
            # Exactly this one: == would prefer a build of the same version for CPUs alone.
            install(python, f"torch==={version}", *NEEDED)
            facts = ask(python, VERSIONS, cwd=folder).split("|")
            row |= dict(zip(COLUMNS, facts, strict=False))
            for column, step in steps(python, folder / "sources").items():
                try:
                    row[column] = step() or "ok"
                except subprocess.CalledProcessError as error:
                    print(f"torch-check: torch {version}: {column}: {error}", flush=True)
                    row[column] = FAILED
                if row["CPU library"] == FAILED:
                    break
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"torch-check: torch {version}: {error}", flush=True)
    return row


def main(arguments: list[str]) -> int:
    rows = []
    for argument in arguments:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(check(argument, Path(folder)))
    table = [dict(zip(COLUMNS, COLUMNS, strict=True)), *rows]
    widths = {column: max(len(row[column]) for row in table) for column in COLUMNS}
    for row in table:
        print("  ".join(row[column].ljust(widths[column]) for column in COLUMNS).rstrip())
    return int(not rows or any(FAILED in row.values() for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
