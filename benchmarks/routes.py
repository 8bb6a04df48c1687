"""`python -m benchmarks.routes`: what each way to transform a frame costs, by the frame's size.

The ratios that csrc/cpu/bands/phase_route.cpp is fitted to. PHASENET_CPU chooses the instruction
set.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
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


def measure(side: int, nbands: int, rounds: int) -> list[float]:
    """Milliseconds a frame by each of ROUTES, then by the one that is chosen."""
    frames = torch.rand(max(2, min(64, PIXELS // side**2)), side, side)
    calls = max(1, PIXELS // frames.numel())

    def by(route: str) -> Callable[[], None]:
        def call() -> None:
            os.environ[VARIABLE] = route
            for _ in range(calls):
                phasenet.phase_difference_windows(frames, 1, nbands=nbands)

        return call

    taken = in_turn([by(route) for route in (*ROUTES, "")], rounds)
    del os.environ[VARIABLE]
    return [median(times) / calls / len(frames) * 1e3 for times in taken]


def in_turn(calls: Sequence[Callable[[], object]], rounds: int) -> list[list[float]]:
    """CPU seconds of each call in each round, after a round that is not counted."""
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds + 1):
        for call, times in zip(calls, taken, strict=True):
            start = time.process_time()
            call()
            times.append(time.process_time() - start)
    return [times[1:] for times in taken]


def numbers(option: str, text: str, least: int) -> list[int]:
    words = text.split(",")
    if not all(word.strip().isdecimal() and int(word) >= least for word in words):
        expected = f"whole numbers of at least {least} with commas between"
        raise typer.BadParameter(f"expected {expected}, got {text!r}", param_hint=option)
    return [int(word) for word in words]


if __name__ == "__main__":
    typer.run(main)
