"""`python -m benchmarks.gpu.facts`: versions, clocks and the measured copy bandwidth.

Needs torch alone: it runs before anything is built.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
from functools import cache
from typing import Any

import torch

from benchmarks.paired_timing import Budget, Side, cache_bytes, paired_timing

CLOCKS = (
    "driver_version", "clocks.sm", "clocks.mem", "clocks.max.sm", "clocks.max.mem", "power.limit",
    "temperature.gpu",
)  # fmt: skip
COPY_BYTES = {"cuda": 1 << 30, "cpu": 1 << 24}


@cache
def bandwidth(device: str) -> float:
    """Bytes per second that copying within the device's memory reads and writes together."""
    source = torch.empty(COPY_BYTES[device], dtype=torch.uint8, device=device).random_()
    target = torch.empty_like(source)
    copy = {"copy": Side(lambda: target.copy_(source))}
    found = paired_timing(copy, torch.get_num_threads(), Budget(5, 0.05), device)["copy"]
    return 2 * COPY_BYTES[device] / found.measured.median


def facts(device: str) -> dict[str, Any]:
    """Of the machine and what is installed on it; None for what cannot be told."""
    found: dict[str, Any] = {
        "python": platform.python_version(), "torch": torch.__version__,
        "cuda": torch.version.cuda, "cores": os.cpu_count(), "nvcc": _told("nvcc", "--version"),
        "sources": _sources(),
    }  # fmt: skip
    if device == "cuda":
        properties = torch.cuda.get_device_properties(torch.cuda.current_device())
        found |= {
            "gpu": properties.name,
            "architecture": f"{properties.major}.{properties.minor}",
            "multiprocessors": properties.multi_processor_count,
            "memory_gib": round(properties.total_memory / 2**30, 1),
            "cache_mib": round(cache_bytes() / 2**20, 1),
            "clocks": _clocks(),
        }
    return found


def _sources() -> str | None:
    """What tells these sources from others, where git is not there to."""
    try:
        from setup import source_digest

        return source_digest()
    except ImportError:  # setuptools is not needed to measure
        return None


def _clocks() -> dict[str, str] | None:
    line = _told("nvidia-smi", f"--query-gpu={','.join(CLOCKS)}", "--format=csv,noheader")
    values = [value.strip() for value in line.split(",")] if line else []
    return dict(zip(CLOCKS, values, strict=True)) if len(values) == len(CLOCKS) else None


def _told(*command: str) -> str | None:
    """The last line that a command prints."""
    try:
        text = subprocess.check_output(command, text=True, stderr=subprocess.DEVNULL, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    return text.strip().rpartition("\n")[2] or None


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu.facts", description=__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    device = parser.parse_args().device
    print(json.dumps({"record": "machine", **facts(device)}), flush=True)
    record = {"record": "bandwidth", "bytes_per_second": bandwidth(device), "clocks": None}
    if device == "cuda":  # those that the work just done brought about
        record["clocks"] = _clocks()
    print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
