"""Builds a source archive and, from it, a wheel; installs and uses the wheel in fresh environments.

    python tests/support/wheel_check.py [PYTHON[@TORCH] ...]     (`make wheel-check PYTHONS=...`)

Nothing is compiled in those environments. Each PYTHON is an interpreter; without one, this one is
used. TORCH is the version of torch that is installed there (2.13.0): python3.13@2.10.0.
"""

from __future__ import annotations

import sys
import tarfile
import tempfile
from pathlib import Path

from environments import ROOT, SMOKE, environment, install, run


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
        # The archive has its tests, and they pass on the wheel.
        pytest = ["-m", "pytest", "-q", "-c", sources / "pyproject.toml"]
        pytest += [sources / "tests" / "phasenet" / f"test_{x}.py" for x in ("golden", "stream")]
        for argument in pythons:
            python, _, version = argument.partition("@")
            with environment(python, folder / "environment") as installed:
                install(installed, f"torch=={version or '2.13.0'}", wheel, CXX="/bin/false")
                run(installed, SMOKE, cwd=folder)
                run(installed.with_name("mimamo"), "--help", cwd=folder)
                install(installed, "pytest", "pytest-timeout")
                run(installed, *pytest, cwd=folder)
    print("wheel-check: passed")


if __name__ == "__main__":
    main(sys.argv[1:] or [sys.executable])
