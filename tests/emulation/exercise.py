"""Runs the sanitized build of the CUDA sources on small inputs: `python exercise.py OPERATORS`.

Whatever AddressSanitizer or UBSan find ends the process.
"""

from __future__ import annotations

import sys

import numpy as np

from emulation import build
from emulation.every_operator import CALLS


def pyramid(module) -> None:
    """Both transforms and both adjoints, at sizes that leave partial tiles."""
    random = np.random.default_rng(0)
    cases = [((2, 33, 40), 4, 3), ((1, 9, 67), 4, 2), ((3, 4, 5), 3, 4), ((0, 16, 16), 4, 2)]
    cases += [((3, 16, 128), 4, 3), ((1, 64, 8), 4, 2), ((1, 8, 512), 3, 2)]
    cases += [((2, 33, 40), 4, 3, 4, 0.25), ((2, 16, 32), 4, 1, 3, 0.1), ((1, 9, 12), 4, 1)]
    for shape, height, nbands, *octave in cases:
        for dtype in (np.float32, np.float64):
            images = random.random(shape).astype(dtype)
            for order in ("forward", "shuffled"):
                module.configure(order=order, seed=1)
                parts = module.pyramid(images, height, nbands, *octave)
                module.pyramid_inverse_backward(images, height, nbands, *octave)
                module.pyramid_inverse(parts[0], parts[1:-1], parts[-1], *octave)
                module.pyramid_backward(parts[0], parts[1:-1], parts[-1], *octave)
        module.pyramid((255 * random.random(shape)).astype(np.uint8), height, nbands)


def phase(module) -> None:
    """Windows and their gradient by either transform, at sizes that leave partial tiles."""
    random = np.random.default_rng(0)
    for shape, num_phase, nbands in [((1, 4, 20, 19), 3, 3), ((2, 3, 9, 67), 2, 2)]:
        for dtype in (np.float32, np.float64):
            frames = random.random(shape).astype(dtype)
            for multiprocessors in (132, 1):  # runs of one frame, and of several
                module.configure(order="shuffled", seed=1, multiprocessors=multiprocessors)
                planes = module.phase_difference_windows(frames, num_phase, 4, nbands)
                module.phase_difference_windows_backward(
                    planes, frames, num_phase, 4, nbands, [1, 2], "full", "replicate"
                )
        for dtype in ("float16", "float64"):  # the latter by tiles
            module.phase_difference_windows(frames.astype(np.float32), num_phase, dtype=dtype)
    squares = random.random((1, 4, 48, 48), np.float32)
    for multiprocessors, dtype in ((132, "float32"), (1, "bfloat16")):
        module.configure(order="shuffled", seed=1, multiprocessors=multiprocessors)
        module.phase_difference_windows(squares, 3, dtype=dtype)
        planes = module.phase_difference_windows(squares, 3)
        module.phase_difference_windows_backward(
            planes, squares, 3, 4, 2, [1, 2], "full", "replicate"
        )
    module.phase_difference_windows((255 * frames).astype(np.uint8), 2, boundary="valid")
    module.band_phase(random.random((3, 7)).astype(np.complex64))
    for shape, smoothing in [((2, 3, 300), 2.0), ((5, 4), 40.0), ((7, 3), 0.0)]:
        bands, turns = random.random(shape).astype(np.complex64), random.random(shape)
        module.turn_phase(bands.astype(np.complex128), turns, smoothing)
        state = np.zeros((4, *shape), np.float32)
        for t in range(2):
            module.turn_phase_push(bands, state, t, [1.0, 0, 0, 0, 0], 2.0, True, smoothing, 0.0)


def unaligned(module) -> None:
    """Tensors that begin an element behind what is aligned."""
    for call in CALLS.values():
        module.configure(offset=1)
        call(module)


def beyond_shared(module) -> None:
    """A fault made on purpose."""
    module.probe("beyond_shared", np.zeros(1, np.float32))


if __name__ == "__main__":
    globals()[sys.argv[1]](build.load("sanitized"))
    print("clean")
