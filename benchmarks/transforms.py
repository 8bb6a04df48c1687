"""`python -m benchmarks.transforms routes|sides`: transforms by the side of square images.

CPU time on one thread. PHASENET_CPU chooses the instruction set.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from operator import truediv
from statistics import median
from typing import Annotated

import torch
import typer

import phasenet
from benchmarks.strong_pytorch import StrongPyramid

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
    """Pyramids of awkward sides, and their inverse, beside PyTorch's transforms.

    "PyTorch" is the same pyramid made of them (benchmarks/strong_pytorch.py), "FFTs" its transforms
    alone, without filters: an rfft2, the bands' complex ifft2 and the residuals' irfft2.
    """
    wanted = numbers("--sides", sides, 8)
    begin(f"height {HEIGHT}, {NBANDS} bands, medians in us per 1,000 pixels, then ratios")
    columns = ("pyramid", "inverse", "PyTorch", "FFTs")
    ratios = ("pyramid/PyTorch", "pyramid/FFTs", "inverse/FFTs")
    print(f"{'side':>5}" + "".join(map("{:>9}".format, columns)) + "  " + "  ".join(ratios))
    for side in wanted:
        times, quotients = pyramid_times(side, rounds)
        cells = "".join(f"{value:9.1f}" for value in times)
        for name, value in zip(ratios, quotients, strict=True):
            cells += f"{value:{len(name) + 2}.2f}"
        print(f"{side:5}{cells}", flush=True)


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


def pyramid_times(side: int, rounds: int) -> tuple[list[float], list[float]]:
    """Microseconds per 1,000 pixels of the pyramid, its inverse, PyTorch's pyramid and its FFTs;
    and the ratios that `sides` prints."""
    images = torch.rand(max(1, (1 << 18) // side**2), side, side)
    pyramid = phasenet.SteerablePyramid(HEIGHT, NBANDS)
    strong = StrongPyramid((side,) * 2, HEIGHT, NBANDS)
    coeffs = pyramid(images)
    spectra = [torch.randn_like(band) for band in coeffs.bands]
    residuals = [(torch.fft.rfft2(x), x.shape[-2:]) for x in (coeffs.highpass, coeffs.lowpass)]

    def ffts() -> None:
        torch.fft.rfft2(images)
        for spectrum in spectra:
            torch.fft.ifft2(spectrum)
        for half, shape in residuals:
            torch.fft.irfft2(half, shape)

    taken = in_turn(
        [
            lambda: pyramid(images),
            lambda: pyramid.inverse(coeffs),
            lambda: strong(images),
            ffts,
        ],
        rounds,
    )
    pairs = ((0, 2), (0, 3), (1, 3))
    ratios = [median(map(truediv, taken[ours], taken[peer])) for ours, peer in pairs]
    return [median(times) / images.numel() * 1e9 for times in taken], ratios


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
