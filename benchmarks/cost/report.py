"""The table of counted kernels, their loops, and what is assumed."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

import numpy as np

from benchmarks.cost.execute import Launched
from benchmarks.cost.model import LOADS, SHARED, STORES, UNITS, Cost, Device, together
from benchmarks.cost.sass import Function
from benchmarks.documented import markdown

COLUMNS = (
    "kernel", "launches", "M instructions", "MB read", "MB written", "M sectors",
    "device MB read", "written", "M wavefronts", "conflicts", "M barriers", "registers",
    "stack", "shared KB", "blocks", "floor us", "expected us", "bound by",
)  # fmt: skip
LOOP_COLUMNS = (
    "loop at", "SASS instructions", "M executed", "M passes", "passes an entry", "mix",
)  # fmt: skip


def short_name(kernel: str) -> str:
    return kernel.removeprefix("phasenet::cuda::")


def table(costs: list[Cost]) -> str:
    """Markdown; the last row is the sum."""
    rows = [_row(cost) for cost in costs]
    total = _row(together(costs, "sum"))
    for column in (11, 12, 13, 14, 17):  # no sum of these
        total[column] = ""
    return markdown(COLUMNS, [*rows, total])


def beside_cufft(device: Device, costs: list[Cost], moved: int) -> str:
    """`moved`: bytes that cuFFT's calls for the same would."""
    seconds = moved / device.memory
    share = together(costs, "sum").predicted / seconds
    return (
        f"cuFFT's calls alone: {_digits(moved / 1e6)} MB, {_digits(seconds * 1e6)} us; these "
        f"kernels: {share:.2f} of that (where sides are no powers of two from 8 to 1024, beside it)"
    )


def _row(cost: Cost) -> list[str]:
    millions = (
        cost.instructions, cost.read, cost.written, cost.sectors, cost.device_read,
        cost.device_written, cost.wavefronts, cost.conflicts, cost.barriers,
    )  # fmt: skip
    return [
        short_name(cost.kernel), str(cost.launches), *(_digits(n / 1e6) for n in millions),
        str(cost.registers), str(cost.stack), _digits(cost.shared_bytes / 1024),
        str(cost.blocks_resident), _digits(cost.floor * 1e6), _digits(cost.predicted * 1e6),
        cost.bound,
    ]  # fmt: skip


def _digits(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def assumptions(device: Device) -> str:
    best, expected = device.issue
    rates = ", ".join(f"{unit} {rate:g}" for unit, rate in device.rates.items())
    return (
        f"{device.name}: {device.multiprocessors} multiprocessors at {device.clock / 1e9:g} GHz; "
        f"{best:g} warp instructions a clock (floor), {expected:g} (expected); units, warp "
        f"instructions a clock: {rates}; loads and stores one wavefront a clock, of global "
        f"memory one for each line of 128 bytes; L2 {device.l2 / 1e12:g} TB/s, of which L1 keeps "
        f"what a block has read; device memory {device.memory / 1e12:g} TB/s, by sectors of 32 "
        f"bytes: L2 keeps what was accessed last, {device.l2_bytes >> 20} MiB, from launch to "
        "launch too, but for what is streamed, and writes a sector back once for all writes "
        "meanwhile; of turns, all within a launch and nothing between launches. Bank conflicts "
        "of 8-byte accesses are those of half warps, of 16-byte accesses of quarter warps. "
        "Blocks are of equal work and go evenly to the multiprocessors. Latency, gaps between "
        "launches, torch's own kernels and cuFFT's are left out. Where a part of a batch has "
        "run, on its share of the device, counts grow with the batch. Memory lies at multiples "
        f"of {device.alignment} bytes, as torch's allocator gives it."
    )


def loops(function: Function, launched: list[Launched], most: int) -> str:
    """The loops with the most instructions, in what ran: where, passed how often, made of what."""
    issued = np.sum([launch.column("issued") for launch in launched], axis=0)
    taken = np.sum([launch.column("taken") for launch in launched], axis=0)
    rows = []
    for loop in function.loops():
        passed = int(issued[loop.header])
        again = int(sum(taken[n] for n in loop.back if function.code[n].name == "BRA"))
        inside = sum(int(issued[n]) for n in loop.body)
        if passed and loop.body:
            rows.append((inside, loop, passed, again))
    rows.sort(key=lambda row: -row[0])
    lines = []
    for inside, loop, passed, again in rows[:most]:
        mix: Counter[str] = Counter()
        for n in loop.body:
            mix[unit_of(function.code[n].name)] += int(issued[n])
        shares = ", ".join(
            f"{unit} {100 * n / inside:.0f} %" for unit, n in mix.most_common(5) if n
        )
        an_entry = f"{passed / (passed - again):.3g}" if passed > again else "?"
        millions = (f"{n / 1e6:.3g}" for n in (inside, passed))
        where, length = place(function, loop.header), str(len(loop.body))
        lines.append((where, length, *millions, an_entry, shares))
    return markdown(LOOP_COLUMNS, lines)


def unit_of(name: str) -> str:
    if name in LOADS | STORES:
        return "global"
    if name in SHARED:
        return "shared"
    return "imad" if name == "IMAD" else next((u for u, of in UNITS.items() if name in of), "other")


def place(function: Function, index: int) -> str:
    """The line of ours that an instruction is of."""
    lines = function.code[index].lines
    ours = next((line for line in lines if "/csrc/" in line[0]), lines[0] if lines else ("?", 0))
    return f"{ours[0].rsplit('/', 1)[-1]}:{ours[1]}"


def record(costs: list[Cost]) -> list[dict[str, Any]]:
    """For JSON: bytes, counts and seconds."""
    return [asdict(cost) | {"bound": cost.bound} for cost in costs]
