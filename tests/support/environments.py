"""Fresh environments in which other Pythons and other releases of torch are tried."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SMOKE = Path(__file__).with_name("smoke.py")


def run(*command: str | Path, cwd: Path, **environment: str) -> None:
    """Show and run a command; CalledProcessError if it fails."""
    print("+", *command, flush=True)
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([*map(str, command)], cwd=cwd, env={**kept, **environment}, check=True)


@contextmanager
def environment(python: str, folder: Path) -> Iterator[Path]:
    """A virtual environment in `folder` as its interpreter, removed afterwards: it is gigabytes."""
    try:
        run(python, "-m", "venv", folder, cwd=folder.parent)
        yield folder / "bin" / "python"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def install(python: Path, *wanted: str | Path, **environment: str) -> None:
    """Install packages without compiling any."""
    pip = [python, "-m", "pip", "install", "--quiet", "--only-binary", ":all:"]
    run(*pip, *wanted, cwd=python.parents[2], **environment)
