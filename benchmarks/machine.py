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
    words = description["gpu"]
    if not words:
        words = re.sub(
            r"\((r|tm)\)|@.*|\b(cpu|processor|\d+-core)\b", " ", description["cpu"].lower()
        )
        words = f"{words} {description['instruction_set']} {description['cores']}c"
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


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
    return {"id": head and head.strip(), "changed": None if changes is None else bool(changes)}


def load_average() -> list[float]:
    """Processes that wanted a core, averaged over 1, 5 and 15 minutes."""
    return [round(value, 2) for value in os.getloadavg()]


def cores() -> int:
    """Cores this process may run on."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _cpu_model() -> str:
    """The processor's name; where that names no model, as in virtual machines, its numbers too."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    first = dict(re.findall(r"^(\S[^\t]*)\t*: (.*)$", text.partition("\n\n")[0], re.M))
    name = first.get("model name") or platform.processor() or platform.machine()
    if re.search(r"\d", name) or "cpu family" not in first:
        return name
    return f"{name}, family {first['cpu family']}, model {first['model']}"


def _git(*arguments: str) -> str | None:
    command = ["git", *arguments]
    try:
        return subprocess.check_output(command, cwd=ROOT, text=True, stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        return None
