"""Peak memory beyond the output, in a process of its own: `python -m benchmarks.memory WHAT T`.

On the CPU it is the growth of the process's peak resident memory (VmHWM, reset before the call)
over what was resident, less the bytes of the output. A short clip goes through first, so that
tables, threads and libraries are there; large blocks are given back to the system when freed
(MALLOC_MMAP_THRESHOLD_), so that nothing of it is reused unseen. On a GPU it is
what torch's allocator saw.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import torch
import typer

import phasenet
from benchmarks.clips import moving_texture
from benchmarks.machine import ROOT
from benchmarks.rows import Measured, Row
from benchmarks.settings import Settings
from benchmarks.strong_pytorch import StrongPhaseDifference
from benchmarks.timing import spread

WARM_UP = 4  # frames
WAYS = ("published", "full", "strong")  # ours with either unwrapping, and strong PyTorch
Way = Enum("Way", {way: way for way in WAYS}, type=str)
STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def memory_rows(settings: Settings, length: int) -> list[Row]:
    """Peak extra memory against the output's bytes, and against strong PyTorch's."""
    common = {
        "work": "phase_difference_windows, peak extra memory",
        "size": f"{length}x48x48 float32",
        "threads": settings.threads,
        "unit": "bytes",
    }
    gap = settings.operator_gap
    if settings.device == "cpu" and not RESET.exists():
        gap = "needs Linux's /proc"
    rows = [
        ("phase/memory/output", "bytes of its output", "cost", 0.5),
        ("phase/memory/full", "bytes of its output, unwrap full", "cost", 0.5),
        ("phase/memory/strong", "strong PyTorch's", "speedup", None),
    ]
    if gap:
        return [
            Row(id=name, against=against, kind=kind, target=target, gap=gap, **common)
            for name, against, kind, target in rows
        ]
    repeats = 1 if settings.quick else 3
    runs = {what: [_in_a_process(what, length, settings) for _ in range(repeats)] for what in WAYS}
    output = Measured(runs["published"][0]["output"], 0, repeats)
    extra = {what: _measured([one["extra"] for one in many]) for what, many in runs.items()}
    sides = [
        (extra["published"], output), (extra["full"], output),
        (extra["published"], extra["strong"]),
    ]  # fmt: skip
    note = "growth of peak resident memory in a fresh process, less the output"
    return [
        Row(
            id=name, against=against, kind=kind, target=target, ours=ours, peer=peer, note=note,
            **_ratio(kind, ours.median, peer.median), **common,
        )
        for (name, against, kind, target), (ours, peer) in zip(rows, sides, strict=True)
    ]  # fmt: skip


def _measured(extras: list[int]) -> Measured:
    return Measured(statistics.median(extras), spread(tuple(extras)), len(extras))


def _ratio(kind: str, ours: float, peer: float) -> dict[str, float]:
    page = os.sysconf("SC_PAGE_SIZE")  # nothing at all would be no divisor
    value = peer / max(ours, page) if kind == "speedup" else ours / peer
    return {"ratio": value, "ratio_low": value, "ratio_high": value}


def _in_a_process(what: str, length: int, settings: Settings) -> dict[str, int]:
    command = [sys.executable, "-m", "benchmarks.memory", what, str(length)]
    environment = {
        **os.environ,
        "MALLOC_MMAP_THRESHOLD_": "65536",
        "OMP_NUM_THREADS": str(settings.threads),
    }
    done = subprocess.run(
        [*command, settings.device], cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True
    )
    return json.loads(done.stdout)


@torch.inference_mode()
def measure(what: str, length: int, device: str) -> dict[str, int]:
    """Bytes of the output, and the most that was in use beyond them."""
    if what == "strong":
        strong = StrongPhaseDifference((48, 48), unwrap="published", device=device)
    frames = moving_texture(length).float().to(device) / 255

    def call(clip: torch.Tensor) -> tuple[torch.Tensor, ...]:
        if what == "strong":
            return strong(clip)
        return phasenet.phase_difference_windows(clip, 12, unwrap=what)

    call(frames[:WARM_UP])
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        planes = call(frames)
        grown = torch.cuda.max_memory_allocated() - before
    else:
        before = _resident("VmRSS")
        RESET.write_text("5", encoding="ascii")
        planes = call(frames)
        grown = _resident("VmHWM") - before
    output = sum(level.numel() * level.element_size() for level in planes)
    return {"output": output, "extra": max(0, grown - output)}


def main(
    what: Annotated[Way, typer.Argument(help="Our unwrapping, or strong PyTorch.")],
    length: Annotated[int, typer.Argument(min=WARM_UP, help="Frames of 48 x 48.")],
    device: Annotated[str, typer.Argument(help="cpu or cuda.")] = "cpu",
) -> None:
    """Print as JSON the bytes of the output, and the most that was in use beyond them."""
    print(json.dumps(measure(what.value, length, device)))


def _resident(field: str) -> int:
    """Bytes; the kernel tells kilobytes."""
    for line in STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return 1024 * int(line.split()[1])
    raise LookupError(field)


if __name__ == "__main__":
    typer.run(main)
