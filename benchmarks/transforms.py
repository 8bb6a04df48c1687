"""`python -m benchmarks.transforms routes|sides`: transforms by the side of square images.

CPU time on one thread. PHASENET_CPU chooses the instruction set.
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
HEIGHT, NBANDS = 4, 2  # of the pyramids
AWKWARD = "128,131,256,262,509,512,1018,1021,1024"  # with a large prime factor, and smooth ones

app = typer.Typer(add_completion=False)
Rounds = Annotated[int, typer.Option(min=1, help="Calls of each, in turn.")]


@app.command()
def routes(
    sides: Annotated[str, typer.Option(help="Sides of square frames.")] = "32,48,64,128,256,512",
    nbands: Annotated[str, typer.Option(help="Numbers of bands.")] = "2,4",
    rounds: Rounds = 9,
) -> None:
    """What each way to transform a frame costs, which csrc/cpu/bands/phase_route.cpp is fitted to.

    Of differences of two frames, levels 1 and 2.
    """
    wanted_sides, wanted_bands = numbers("--sides", sides, 8), numbers("--nbands", nbands, 2)
    begin("medians in ms a frame")
    print(f"{'side':>5}{'bands':>6}" + "".join(f"{name:>10}" for name in (*ROUTES, "chosen")))
    for side in wanted_sides:
        for bands in wanted_bands:
            times = route_times(side, bands, rounds)
            print(f"{side:5}{bands:6}" + "".join(f"{value:10.4f}" for value in times), flush=True)


@app.command()
def sides(
    sides: Annotated[str, typer.Option(help="Sides of square images.")] = AWKWARD,
    rounds: Rounds = 9,
) -> None:
    """Pyramids of awkward sides, and their inverse, beside PyTorch's transforms alone."""
    wanted = numbers("--sides", sides, 8)
    begin(
        f"height {HEIGHT}, {NBANDS} bands, medians in us per 1,000 pixels; FFTs: one rfft2 and the "
        "levels' complex ifft2"
    )
    print(f"{'side':>5}{'pyramid':>10}{'inverse':>10}{'FFTs':>10}  pyramid / FFTs, inverse / FFTs")
    for side in wanted:
        *times, forward, inverse = pyramid_times(side, rounds)
        cells = "".join(f"{value:10.1f}" for value in times)
        print(f"{side:5}{cells}{forward:16.2f}{inverse:16.2f}", flush=True)


def route_times(side: int, nbands: int, rounds: int) -> list[float]:
    """Milliseconds a frame by each of ROUTES, then by the one that is chosen."""
    pixels = 1 << 19  # of a call's frames
    frames = torch.rand(max(2, min(64, pixels // side**2)), side, side)
    calls = max(1, pixels // frames.numel())

    def by(route: str) -> Callable[[], None]:
        def call() -> None:
            os.environ[VARIABLE] = route
            for _ in range(calls):
                phasenet.phase_difference_windows(frames, 1, nbands=nbands)

        return call

    taken = in_turn([by(route) for route in (*ROUTES, "")], rounds)
    del os.environ[VARIABLE]
    return [median(times) / calls / len(frames) * 1e3 for times in taken]


def pyramid_times(side: int, rounds: int) -> list[float]:
    """Microseconds per 1,000 pixels of the three, then the ratios of the first two to the third."""
    images = torch.rand(max(1, (1 << 18) // side**2), side, side)
    pyramid = phasenet.SteerablePyramid(HEIGHT, NBANDS)
    coeffs = pyramid(images)
    spectra = [torch.randn_like(band) for band in coeffs.bands]
    taken = in_turn(
        [
            lambda: pyramid(images),
            lambda: pyramid.inverse(coeffs),
            lambda: [torch.fft.rfft2(images), *map(torch.fft.ifft2, spectra)],
        ],
        rounds,
    )
    ratios = [median(a / b for a, b in zip(ours, taken[2], strict=True)) for ours in taken[:2]]
    return [*(median(times) / images.numel() * 1e9 for times in taken), *ratios]


def begin(what: str) -> None:
    """Go on with one thread, and say what is measured."""
    torch.set_num_threads(1)
    print(f"{phasenet.build_info()['instruction_set']}, float32, {what}")


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
    app()
