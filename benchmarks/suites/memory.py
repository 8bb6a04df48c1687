"""Peak memory: of phase differences beyond their output, and what measuring any takes.

On the CPU it is the growth of the process's peak resident memory (VmHWM, reset before the call)
over what was resident, less the bytes of the output. A short clip goes through first, so that
tables, threads and libraries are there; large blocks are given back to the system when freed
(MALLOC_MMAP_THRESHOLD_), so that nothing of it is reused unseen. On a GPU it is
what torch's allocator saw.
"""

from __future__ import annotations

import multiprocessing
import os
import re
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

import phasenet
from benchmarks.paired_timing import Outcome, compared
from benchmarks.rows import Row
from benchmarks.strong_pytorch import StrongPhaseDifference
from benchmarks.suites import Settings
from benchmarks.suites.clips import moving_texture

WARM_UP = 4  # frames
WAYS = ("published", "full", "strong")  # ours with either unwrapping, and strong PyTorch
STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
FRESH = {"MALLOC_MMAP_THRESHOLD_": "65536"}  # an environment in which no freed block is used again


def memory_rows(settings: Settings, length: int) -> list[Row]:
    """Peak extra memory against the output's bytes, and against strong PyTorch's."""
    gap = settings.operator_gap
    if settings.device == "cpu" and not RESET.exists():
        gap = "needs Linux's /proc"
    found = dict.fromkeys((*WAYS, "output"), Outcome(threads=settings.threads, gap=gap))
    if not gap:
        repeats, threads = 1 if settings.quick else 3, str(settings.threads)
        measured = partial(in_a_process, measure, OMP_NUM_THREADS=threads, **FRESH)
        runs = {
            way: [measured(way, length, settings.device) for _ in range(repeats)] for way in WAYS
        }
        for way, many in runs.items():
            found[way] = Outcome.of([one["extra"] for one in many], settings.threads)
        found["output"] = Outcome.of([one["output"] for one in runs["full"]])

    def row(name: str, ours: str, peer: str, against: str, **options: Any) -> Row:
        note = "growth of peak resident memory in a fresh process, less the output"
        return compared(
            found[ours], found[peer], id=f"phase/memory/{name}", against=against, unit="bytes",
            work="phase_difference_windows, peak extra memory", note=note,
            size=f"{length}x48x48 float32", **options,
        )  # fmt: skip

    half: dict[str, Any] = {"kind": "cost", "target": 0.5}
    return [
        row("output", "published", "output", "bytes of its output", **half),
        row("full", "full", "output", "bytes of its output, unwrap full", **half),
        row("strong", "published", "strong", "strong PyTorch's"),
    ]


@torch.inference_mode()
def measure(way: str, length: int, device: str) -> dict[str, int]:
    """Bytes of the output, and the most that was in use beyond them, a page at least."""
    call: Any = partial(phasenet.phase_difference_windows, num_phase=12, unwrap=way)
    if way == "strong":
        call = StrongPhaseDifference((48, 48), unwrap="published", device=device)
    frames = moving_texture(length).float().to(device) / 255
    call(frames[:WARM_UP])
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        planes = call(frames)
        grown = torch.cuda.max_memory_allocated() - before
    else:
        grown, planes = growth(partial(call, frames))
    output = sum(level.numel() * level.element_size() for level in planes)
    return {"output": output, "extra": max(os.sysconf("SC_PAGE_SIZE"), grown - output)}


def in_a_process(function: Callable[..., Any], *arguments: Any, **environment: str) -> Any:
    """What a function of a module gives in a process of its own, in such an environment."""
    context = multiprocessing.get_context("spawn")
    with patch.dict(os.environ, environment), ProcessPoolExecutor(1, context) as pool:
        return pool.submit(function, *arguments).result()  # raises if the system ended it


def growth(call: Callable[[], Any]) -> tuple[int, Any]:
    """By how many bytes this process grows at most in a call (Linux), and what that gives."""
    before = resident("VmRSS")
    RESET.write_text("5", encoding="ascii")
    result = call()
    return resident("VmHWM") - before, result


def resident(field: str) -> int:
    """Bytes of VmRSS, now, or VmHWM, the most since it was reset; the kernel tells kilobytes."""
    told = re.search(rf"^{field}:\s*(\d+) kB$", STATUS.read_text(encoding="ascii"), re.M)
    return 1024 * int(told[1])
