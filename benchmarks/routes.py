"""`python -m benchmarks.routes`: what each way to transform a frame costs, by the frame's size.

The ratios that csrc/cpu/bands/phase_route.cpp is fitted to. PHASENET_CPU chooses the instruction set.
"""

from __future__ import annotations

import os
import time
from statistics import median
from typing import Annotated

import torch
import typer

import phasenet

ROUTES = ("cosine", "fourier")
VARIABLE = "PHASENET_TRANSFORM"
PIXELS = 1 << 19  # of a call's frames


def main(
    sides: Annotated[str, typer.Option(help="Sides of square frames.")] = "32,48,64,128,256,512",
    nbands: Annotated[str, typer.Option(help="Numbers of bands.")] = "2,4",
    rounds: Annotated[int, typer.Option(min=1, help="Calls of each route, in turn.")] = 9,
) -> None:
    """Print CPU time per frame of differences of two frames, levels 1 and 2, on one thread."""
    wanted_sides, wanted_bands = numbers("--sides", sides, 8), numbers("--nbands", nbands, 2)
    torch.set_num_threads(1)
    print(f"{phasenet.build_info()['instruction_set']}, float32, medians in ms a frame")
    print(f"{'side':>5}{'bands':>6}" + "".join(f"{name:>10}" for name in (*ROUTES, "chosen")))
    for side in wanted_sides:
        for bands in wanted_bands:
            times = measure(side, bands, rounds)
            print(f"{side:5}{bands:6}" + "".join(f"{value:10.4f}" for value in times), flush=True)


def numbers(option: str, text: str, least: int) -> list[int]:
    words = text.split(",")
    if not all(word.strip().isdecimal() and int(word) >= least for word in words):
        expected = f"whole numbers of at least {least} with commas between"
        raise typer.BadParameter(f"expected {expected}, got {text!r}", param_hint=option)
    return [int(word) for word in words]


def measure(side: int, nbands: int, rounds: int) -> list[float]:
    """Milliseconds a frame by each of ROUTES, then by the one that is chosen."""
    frames = torch.rand(max(2, min(64, PIXELS // side**2)), side, side)
    calls = max(1, PIXELS // frames.numel())
    taken: list[list[float]] = [[] for _ in range(len(ROUTES) + 1)]
    for turn in range(rounds + 1):  # the first is not counted
        for route, times in zip((*ROUTES, ""), taken, strict=True):
            os.environ[VARIABLE] = route
            start = time.process_time()
            for _ in range(calls):
                phasenet.phase_difference_windows(frames, 1, nbands=nbands)
            if turn:
                times.append((time.process_time() - start) / calls / len(frames) * 1e3)
    del os.environ[VARIABLE]
    return [median(times) for times in taken]


if __name__ == "__main__":
    typer.run(main)
