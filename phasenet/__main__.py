"""``python -m phasenet``: versions, build and a self-test, to be pasted into a bug report."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

import torch

import phasenet
from phasenet import _extension
from phasenet.self_test import self_test


def main() -> int:
    """Print the report; 1 if a check of the self-test failed, else 0."""
    for name, value in _facts():
        print(f"{name + ':':24}{value}")
    failed = 0
    for device in _devices():
        print(f"\nself-test on {device}, against the reference in float64:")
        for check in self_test(device):
            failed += not check.passed
            mark = "ok    " if check.passed else "FAILED"
            print(
                f"  {mark}  {check.name:46}error {check.error:7.1e} (at most {check.bar:.0e})"
                f"{check.milliseconds:10.2f} ms"
            )
    print(f"\nchecks that failed: {failed}" if failed else "\nall checks passed")
    return 1 if failed else 0


def _facts() -> list[tuple[str, object]]:
    info = phasenet.build_info()
    facts: list[tuple[str, object]] = [
        ("phasenet", phasenet.__version__),
        ("python", f"{platform.python_version()} ({platform.python_implementation()})"),
        ("torch", f"{torch.__version__}, CUDA {torch.version.cuda}"),
        ("platform", platform.platform()),
        ("processor", _processor()),
        ("threads", f"{torch.get_num_threads()}, cores: {os.cpu_count()}"),
    ]
    facts += [(f"build {key}", value) for key, value in info.items() if key != "torch"]
    if torch.cuda.is_available():
        facts.append(("gpu", torch.cuda.get_device_name()))
    return facts


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _devices() -> list[str]:
    return ["cpu", "cuda"] if _extension.has_cuda() and torch.cuda.is_available() else ["cpu"]


if __name__ == "__main__":
    sys.exit(main())
