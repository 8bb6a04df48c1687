"""The plane kernels' transforms by their public route, pyramids, at many sizes.

Run as a program in a process of its own, since the instruction set is chosen once per process.
"""

from __future__ import annotations

import json
import sys

import torch
from torch import Tensor

import phasenet
from phasenet import PyramidCoeffs, reference

SIDES = range(4, 132)
LARGE = [(256, 10), (11, 243), (343, 8), (9, 512), (625, 6), (7, 1000), (1024, 5), (262, 254)]
# Convolutions: Rader's (509, where 508 = 4 x 127 has another one in it) and by a chirp (359, 719).
PRIMES = [(131, 262), (509, 9), (8, 1021), (359, 10), (5, 719), (1018, 6), (4, 1441)]
# Sums over a plane in float64 and float32, relative to the result.
BARS = {torch.float64: 1e-13, torch.float32: 1e-6}


def sizes(threads: int) -> list[tuple[int, int]]:
    """Every side on both axes, beside others that are smaller, larger, odd and even.

    Every seventh of them on more than one thread.
    """
    beside = [4 + (7 * side) % 45 for side in SIDES]
    pairs = list(zip(SIDES, beside, strict=True))
    every = [*pairs, *((w, h) for h, w in pairs), *LARGE, *PRIMES]
    return every if threads == 1 else every[::7]


def flat(coeffs: PyramidCoeffs) -> list[Tensor]:
    return [coeffs.highpass, *coeffs.bands, coeffs.lowpass]


def inner(a: PyramidCoeffs, b: PyramidCoeffs) -> Tensor:
    """The real inner product."""
    return sum((x.conj() * y).real.sum() for x, y in zip(flat(a), flat(b), strict=True))


def like(coeffs: PyramidCoeffs) -> PyramidCoeffs:
    bands = tuple(torch.randn_like(band) for band in coeffs.bands)
    return PyramidCoeffs(torch.randn_like(coeffs.highpass), bands, torch.randn_like(coeffs.lowpass))


def errors(size: tuple[int, int], count: int, nbands: int, dtype: torch.dtype) -> dict[str, float]:
    """Of each operator: against the reference, adjoints by <A x, y> = <x, A^T y>."""
    height = 3 if min(size) < 8 else 4
    images = torch.rand(count, *size, dtype=torch.float64).to(dtype)
    pyramid = phasenet.SteerablePyramid(height, nbands)
    exact = reference.SteerablePyramid(height, nbands)
    wide = images.double()
    got, want = pyramid(images), exact(wide)

    def error(got: list[Tensor], want: list[Tensor], least: Tensor) -> float:
        worst = 0.0
        for a, b in zip(got, want, strict=True):
            assert a.shape == b.shape
            # A band may hold nothing but rounding: then the image is the scale.
            scale = max(float(b.norm()), 1e-2 * float(least.norm()))
            worst = max(worst, float((a.to(b.dtype) - b).norm()) / scale)
        return worst

    changed = like(got)
    back = PyramidCoeffs(
        changed.highpass.double(),
        tuple(band.to(torch.complex128) for band in changed.bands),
        changed.lowpass.double(),
    )
    image = pyramid.inverse(changed)
    grad = torch.ops.phasenet.pyramid_backward(
        changed.highpass, list(changed.bands), changed.lowpass
    )
    parts = torch.ops.phasenet.pyramid_inverse_backward(images, height, nbands)
    inverse_grad = PyramidCoeffs(parts[0], tuple(parts[1:-1]), parts[-1])
    size_of = float(images.double().norm())

    def adjoint(left: Tensor, right: Tensor, other: float) -> float:
        return float((left - right).abs()) / (size_of * other)

    return {
        "pyramid": error(flat(got), flat(want), wide),
        "pyramid_inverse": error([image], [exact.inverse(back)], image.double()),
        "pyramid_backward": adjoint(
            inner(want, back), (wide * grad.double()).sum(), float(grad.double().norm())
        ),
        "pyramid_inverse_backward": adjoint(
            inner(
                PyramidCoeffs(
                    inverse_grad.highpass.double(),
                    tuple(band.to(torch.complex128) for band in inverse_grad.bands),
                    inverse_grad.lowpass.double(),
                ),
                back,
            ),
            (wide * exact.inverse(back)).sum(),
            float(image.double().norm()),
        ),
    }


def main(threads: int) -> None:
    """Print the sizes whose errors exceed the bars, and how many were checked."""
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    failures, checked = [], 0
    for i, size in enumerate(sizes(threads)):
        for dtype, bar in BARS.items():
            count, nbands = (1, 2, 3, 9)[i % 4], (2, 3, 4, 5)[i // 4 % 4]
            found = errors(size, count, nbands, dtype)
            checked += 1
            failures += [
                f"{name} {size} x{count} bands {nbands} {dtype}: {value:.1e}"
                for name, value in found.items()
                if not value < bar
            ]
    print(json.dumps({
        "instruction_set": phasenet.build_info()["instruction_set"],
        "checked": checked,
        "failures": failures,
    }))  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]))
