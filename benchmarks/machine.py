"""What a measurement was made on and with. Nothing here names a host, a user or a path."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

import phasenet

ROOT = Path(__file__).parent.parent
# What /proc/cpuinfo calls a processor's generation. Virtual machines tell no more than "AMD EPYC".
_GENERATION = (("family", "cpu family"), ("model", "model"))
PACKAGES = ("numpy", "plenoptic", "pyrtools", "opencv-python")


def machine(device: str) -> dict[str, Any]:
    """Processor, cores this process may use, memory, instruction set, and the GPU if it is used."""
    return {
        "cpu": _cpu_model(),
        "architecture": platform.machine(),
        "cores": cores(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "instruction_set": phasenet.build_info()["instruction_set"],
        "gpu": torch.cuda.get_device_name() if device == "cuda" else None,
    }


def machine_name(description: dict[str, Any]) -> str:
    """A short name for file names: "intel-xeon-avx512-2c", or the GPU's."""
    if description["gpu"]:
        return _slug(description["gpu"])
    words = re.sub(r"\((r|tm)\)|@.*|\b(cpu|processor|\d+-core)\b", " ", description["cpu"].lower())
    return _slug(f"{words} {description['instruction_set']} {description['cores']}c")


def versions() -> dict[str, str | None]:
    """Versions of what takes part; None for what is not installed."""
    found: dict[str, str | None] = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "phasenet": phasenet.__version__,
    }
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def commit() -> dict[str, Any]:
    """The checkout's commit, and whether its sources differ from it; None where git cannot tell."""
    head = _git("rev-parse", "HEAD")
    changes = _git("status", "--porcelain", "--", "csrc", "phasenet", "mimamo", "benchmarks/*.py")
    return {"id": head or None, "changed": None if changes is None else bool(changes)}


def load_average() -> list[float]:
    """Processes that wanted a core, averaged over 1, 5 and 15 minutes."""
    return [round(value, 2) for value in os.getloadavg()]


def cores() -> int:
    """Cores this process may run on."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _cpu_model() -> str:
    """The processor's name; where that is all but silent, with the family and model it tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    # The first processor's.
    told = {key.strip(): value.strip() for key, _, value in (x.partition(":") for x in lines[::-1])}
    name = told.get("model name", "") or platform.processor() or platform.machine()
    known = [f"{key} {told[entry]}" for key, entry in _GENERATION if entry in told]
    return name if any(map(str.isdigit, name)) or not known else f"{name}, {', '.join(known)}"


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
