"""`python -m benchmarks.sides`: pyramids of awkward sides beside PyTorch's transforms alone.

Sides with a large prime factor, and smooth ones for comparison. PHASENET_CPU chooses the
instruction set.
"""

from __future__ import annotations

from statistics import median
from typing import Annotated

import torch
import typer

import phasenet
from benchmarks.routes import in_turn, numbers

SIDES = "128,131,256,262,509,512,1018,1021,1024"
PIXELS = 1 << 18  # of a call's images
HEIGHT, NBANDS = 4, 2


def main(
    sides: Annotated[str, typer.Option(help="Sides of square images.")] = SIDES,
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
        *times, forward, inverse = measure(side, rounds)
        cells = "".join(f"{value:10.1f}" for value in times)
        print(f"{side:5}{cells}{forward:16.2f}{inverse:16.2f}", flush=True)


def measure(side: int, rounds: int) -> list[float]:
    """Microseconds per 1,000 pixels of the three, then the ratios of the first two to the third."""
    images = torch.rand(max(1, PIXELS // side**2), side, side)
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


if __name__ == "__main__":
    typer.run(main)
