"""Prints, as JSON, how much memory calls take at most beyond their input and their result (Linux).

    python tests/support/peak_memory.py

A process of its own: the most that it held since the call began, as the kernel counts it, so that
nothing is missed that no allocator of PyTorch knows of.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import phasenet

STATUS, REFERENCES = Path("/proc/self/status"), Path("/proc/self/clear_refs")
FUNCTIONS: dict[str, tuple[Callable[[Tensor], Any], tuple[int, int], int]] = {
    # What is called, the size of its frames, and how many pixels it is given.
    "windows": (
        lambda x: phasenet.phase_difference_windows(x, 1, levels=(2,), dtype=torch.float16),
        (48, 48),  # by matrix products
        1 << 24,
    ),
    "large windows": (
        lambda x: phasenet.phase_difference_windows(x, 1, levels=(2,), dtype=torch.float16),
        (300, 300),  # by Fourier transforms
        1 << 24,
    ),
    "pyramid": (lambda x: phasenet.SteerablePyramid(3, 2)(x), (64, 64), 1 << 24),
    "prime pyramid": (lambda x: phasenet.SteerablePyramid(3, 2)(x), (131, 131), 1 << 24),
    "local motion": (lambda x: phasenet.local_motion(x, nbands=2), (64, 64), 1 << 21),
    "warped motion": (lambda x: phasenet.local_motion(x, nbands=2, largest=4), (64, 64), 1 << 20),
    # A whole copy as float32, which has to be seen.
    "copying windows": (
        lambda x: phasenet.phase_difference_windows(x.float(), 1, levels=(2,), dtype=torch.float16),
        (48, 48),
        1 << 24,
    ),
}
DTYPES = (torch.uint8, torch.float16, torch.bfloat16)


def held(what: str) -> int:
    """Bytes: VmRSS, now, or VmHWM, the most since it was last forgotten."""
    found = re.search(rf"{what}:\s+(\d+) kB", STATUS.read_text())
    assert found
    return 1024 * int(found[1])


def made(count: int, size: tuple[int, int], dtype: torch.dtype, dense: bool) -> Tensor:
    """Noise ``[count, 8, h, w]``; if it is not dense, channels last."""
    x = torch.empty((count, 8, *size) if dense else (count, *size, 8), dtype=dtype)
    if dtype == torch.uint8:
        x.random_(0, 256)
    else:
        x.uniform_()
    return x if dense else x.permute(0, 3, 1, 2)


def nbytes(result: Any) -> int:
    if isinstance(result, Tensor):
        return result.nbytes
    return sum(nbytes(part) for part in result)


def extra(name: str, dtype: torch.dtype, dense: bool) -> dict[str, Any]:
    function, size, pixels = FUNCTIONS[name]
    function(made(5, size, dtype, dense))  # plans, tables and threads
    x = made(pixels // (8 * size[0] * size[1]), size, dtype, dense)
    REFERENCES.write_text("5")
    before = held("VmRSS")
    result = function(x)
    beyond = held("VmHWM") - before - nbytes(result)
    return {
        "name": name, "dtype": str(dtype), "dense": dense, "input": x.nbytes, "extra": beyond,
    }  # fmt: skip


def in_a_process(*case: Any) -> dict[str, Any]:
    """Each case in a fork of its own: what one has freed may be there unseen for the next."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, json.dumps(extra(*case)).encode())
        os._exit(0)
    os.close(writer)
    with open(reader) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return json.loads(said)


if __name__ == "__main__":
    half = (torch.float16,)
    chosen = {"windows": DTYPES, "pyramid": DTYPES}
    cases = [
        (name, dtype, dense)
        for name in FUNCTIONS
        for dtype in chosen.get(name, half)
        for dense in (True, False)
    ]
    print(json.dumps([in_a_process(*case) for case in cases]))
