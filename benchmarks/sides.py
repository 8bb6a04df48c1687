"""`python -m benchmarks.sides`: pyramids of awkward sides beside PyTorch's transforms alone.

Sides with a large prime factor, and smooth ones for comparison. PHASENET_CPU chooses the
instruction set.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Annotated

import torch
import typer

import phasenet
from benchmarks.routes import numbers

PIXELS = 1 << 18  # of a call's images
HEIGHT, NBANDS = 4, 2


def main(
    sides: Annotated[
        str, typer.Option(help="Sides of square images.")
    ] = "128,131,256,262,509,512,1018,1021,1024",
    rounds: Annotated[int, typer.Option(min=1, help="Calls of each, in turn.")] = 9,
) -> None:
    """Print CPU time of the pyramid, its inverse and the bare transforms, on one thread."""
    wanted = numbers("--sides", sides, 8)
    torch.set_num_threads(1)
    print(
        f"{phasenet.build_info()['instruction_set']}, float32, height {HEIGHT}, {NBANDS} bands, "
        "medians in us per 1,000 pixels; FFTs: one rfft2 and the levels' complex ifft2"
    )
    print(f"{'side':>5}{'pyramid':>10}{'inverse':>10}{'FFTs':>10}  pyramid / FFTs, inverse / FFTs")
    for side in wanted:
        forward, inverse, ffts, *ratios = measure(side, rounds)
        print(
            f"{side:5}{forward:10.1f}{inverse:10.1f}{ffts:10.1f}"
            + "".join(f"{ratio:16.2f}" for ratio in ratios),
            flush=True,
        )


def measure(side: int, rounds: int) -> list[float]:
    """Microseconds per 1,000 pixels of the three, then the ratios of the first two to the third."""
    images = torch.rand(max(1, PIXELS // side**2), side, side)
    pyramid = phasenet.SteerablePyramid(HEIGHT, NBANDS)
    coeffs = pyramid(images)
    spectra = [torch.randn_like(band) for band in coeffs.bands]
    calls: list[Callable[[], object]] = [
        lambda: pyramid(images),
        lambda: pyramid.inverse(coeffs),
        lambda: [torch.fft.rfft2(images), *(torch.fft.ifft2(one) for one in spectra)],
    ]
    taken: list[list[float]] = [[], [], []]
    for turn in range(rounds + 1):  # the first is not counted
        for call, times in zip(calls, taken, strict=True):
            start = time.process_time()
            call()
            if turn:
                times.append(time.process_time() - start)
    ratios = [median(a / b for a, b in zip(ours, taken[2], strict=True)) for ours in taken[:2]]
    return [*(median(times) / images.numel() * 1e9 for times in taken), *ratios]


if __name__ == "__main__":
    typer.run(main)
