"""Builds a source archive and, from it, a wheel; installs and uses the wheel in fresh environments.

    python tests/support/wheel_check.py [PYTHON[@TORCH] ...]     (`make wheel-check PYTHONS=...`)

Nothing is compiled in those environments. Each PYTHON is an interpreter; without one, this one is
used. TORCH is the version of torch that is installed there (2.13.0): python3.13@2.10.0.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SMOKE = Path(__file__).with_name("smoke.py")


def run(*command: str | Path, cwd: Path, **environment: str) -> None:
    print("+", *command, flush=True)
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([*map(str, command)], cwd=cwd, env={**kept, **environment}, check=True)


def main(pythons: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # Without isolation: this environment has the torch that builds are pinned to.
        build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT]
        run(*build, cwd=folder)
        (wheel,), (archive,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
        with tarfile.open(archive) as tar:
            tar.extractall(folder / "sources", filter="data")
        (sources,) = (folder / "sources").iterdir()
        for i, argument in enumerate(pythons):
            python, _, version = argument.partition("@")
            torch = f"torch=={version or '2.13.0'}"
            environment = folder / f"environment{i}"
            run(python, "-m", "venv", environment, cwd=folder)
            installed = environment / "bin" / "python"
            pip = [installed, "-m", "pip", "install", "--quiet", "--only-binary", ":all:"]
            run(*pip, torch, wheel, cwd=folder, CXX="/bin/false")
            run(installed, SMOKE, cwd=folder)
            run(environment / "bin" / "mimamo", "--help", cwd=folder)
            # The archive has its tests, and they pass on the wheel.
            run(*pip, "pytest", "pytest-timeout", cwd=folder)
            tests = [sources / "tests" / "phasenet" / f"test_{x}.py" for x in ("golden", "stream")]
            run(
                installed,
                "-m",
                "pytest",
                "-q",
                "-c",
                sources / "pyproject.toml",
                *tests,
                cwd=folder,
            )
            shutil.rmtree(environment)  # gigabytes, where torch has CUDA
    print("wheel-check: passed")


if __name__ == "__main__":
    main(sys.argv[1:] or [sys.executable])
