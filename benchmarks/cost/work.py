"""The calls whose kernels are counted."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import ModuleType

import numpy as np

from benchmarks.cost.execute import Launched, Machine, launches
from benchmarks.cost.model import Cost, Device, cost, together
from benchmarks.suites.clips import moving_texture

Size = tuple[int, int]
FRAMES, NUM_PHASE, HEIGHT, BANDS, LEVELS = 64, 12, 4, 2, [1, 2]


@dataclass(frozen=True)
class Work:
    """A call of one operator on a batch.

    Attributes:
        units: clips or images of the batch that is predicted.
        prepare: makes the call of an operator of the emulated module, on so many units.
        run: how many of them run, on their share of the device; all where how the call divides
            them is part of what it costs.
        keeps: L2 keeps what it can from launch to launch.
        cufft_bytes: what cuFFT's calls alone would move for the same.
    """

    name: str
    units: int
    prepare: Callable[[ModuleType, int], Callable[[], object]]
    run: int = 1
    keeps: bool = False
    cufft_bytes: int = 0


def windows(module: ModuleType, clips: int, dtype: str | None = None) -> Callable[[], object]:
    frames = _clips(clips)
    return lambda: module.phase_difference_windows(
        frames, NUM_PHASE, HEIGHT, BANDS, LEVELS, dtype=dtype
    )


def windows_backward(module: ModuleType, clips: int) -> Callable[[], object]:
    frames, random = _clips(clips), np.random.default_rng(0)
    grads = [
        random.standard_normal((clips, FRAMES, BANDS * NUM_PHASE, side, side), np.float32)
        for side in (48 >> (level - 1) for level in LEVELS)
    ]
    return lambda: module.phase_difference_windows_backward(
        grads, frames, NUM_PHASE, HEIGHT, BANDS, LEVELS, "full", "replicate"
    )


def analysis(
    operator: str, size: Size, height: int, nbands: int
) -> Callable[[ModuleType, int], Callable[[], object]]:
    def prepare(module: ModuleType, images: int) -> Callable[[], object]:
        values = np.random.default_rng(0).random((images, *size), np.float32)
        return lambda: getattr(module, operator)(values, height, nbands)

    return prepare


def synthesis(
    operator: str, size: Size, height: int, nbands: int
) -> Callable[[ModuleType, int], Callable[[], object]]:
    def prepare(module: ModuleType, images: int) -> Callable[[], object]:
        random = np.random.default_rng(0)
        *levels, lowest = level_sizes(size, height)
        high = random.random((images, *size), np.float32)
        bands = []
        for level in levels:
            real, imaginary = random.random((2, images, nbands, *level), np.float32)
            bands.append(real + 1j * imaginary)
        low = random.random((images, *lowest), np.float32)
        return lambda: getattr(module, operator)(high, bands, low)

    return prepare


def level_sizes(size: Size, height: int) -> list[Size]:
    """Of a pyramid's levels, then of its lowpass."""
    sizes = [size]
    for _ in range(height - 2):
        h, w = sizes[-1]
        sizes.append(((h + 1) // 2, (w + 1) // 2))
    return sizes


def bytes_of_cufft(images: int, size: Size, height: int, nbands: int) -> int:
    """What cuFFT's calls of a pyramid or its inverse move, float32; NOTES.md tells how."""
    *levels, lowest = map(math.prod, level_sizes(size, height))
    return images * (16 * levels[0] + 32 * nbands * sum(levels) + 24 * (levels[0] + lowest))


def turns(module: ModuleType, images: int) -> Callable[[], object]:
    random = np.random.default_rng(0)
    real, imaginary = random.standard_normal((2, images, 256, 256), np.float32)
    angles = random.standard_normal((images, 256, 256), np.float32)
    return lambda: module.turn_phase(real + 1j * imaginary, angles, 2.0)


# What makes a call of a pyramid's operator, and what it is called.
PYRAMIDS = {
    "pyramid": (analysis, "pyramid", "pyramid"),
    "inverse": (synthesis, "pyramid_inverse", "pyramid's inverse"),
    "backward": (synthesis, "pyramid_backward", "pyramid's backward"),
    "inverse-backward": (analysis, "pyramid_inverse_backward", "inverse's backward"),
}


def pyramids(images: int, size: Size, height: int, nbands: int) -> dict[str, Work]:
    """Of so many images, by the names of PYRAMIDS."""
    words = f"{images}x{size[0]}x{size[1]}, height {height}, bands: {nbands}"
    return {
        name: Work(
            f"{called}, {words}", images, make(operator, size, height, nbands), images, True,
            bytes_of_cufft(images, size, height, nbands),
        )
        for name, (make, operator, called) in PYRAMIDS.items()
    }  # fmt: skip


WORKS = {
    "windows": Work(
        "windows, 16 clips x 64 frames of 48x48, P = 12, 2 bands, 2 levels", 16, windows, 4, True
    ),
    "one-clip": Work("windows, one such clip", 1, windows, 1, True),
    "half-windows": Work(
        "the same 16 clips, results in float16", 16, partial(windows, dtype="float16"), 4, True
    ),
    "windows-backward": Work("windows' backward, 16 such clips", 16, windows_backward, 4, True),
    "turns": Work("phases turned, 16x256x256, smoothed over 2 pixels", 16, turns, 2),
    **{f"{name}-256": work for name, work in pyramids(16, (256, 256), 5, 4).items()},
    **{f"{name}-512": work for name, work in pyramids(64, (512, 512), 6, 4).items()},
}


def count(
    device: Device, module: ModuleType, machine: Machine, work: Work
) -> tuple[list[Cost], list[Launched]]:
    """Costs of the call's kernels in the order of their first launches, and what ran.

    The units that run have their share of multiprocessors and of L2, so that work is divided as in
    the whole batch. How many blocks a launch has for more of them follows from its grids for so
    many and for twice as many; where it has more, everything counted grows with the units.
    """

    def run(units: int, on: Machine | None, l2: object = None) -> list[Launched]:
        module.configure(
            multiprocessors=max(1, device.multiprocessors * units // work.units),
            l2_bytes=device.l2_bytes * units // work.units,
            alignment=device.alignment,
        )
        try:
            return launches(module, on, work.prepare(module, units), l2)[0]
        finally:
            module.configure()

    with machine.l2(device.l2_bytes * work.run // work.units) as l2:
        ran = run(work.run, machine, l2 if work.keeps else None)
    if work.run == work.units:
        return _by_kernel(device, machine, [(one, one.blocks, 1.0) for one in ran]), ran
    twice = run(2 * work.run, None)
    if [launched.kernel for launched in twice] != [launched.kernel for launched in ran]:
        raise ValueError(f"{work.name}: twice the units take other launches")
    times, scaled = work.units / work.run, []
    for one, two in zip(ran, twice, strict=True):
        grown = two.blocks - one.blocks
        scaled.append((one, round(one.blocks + grown * (times - 1)), times if grown else 1.0))
    return _by_kernel(device, machine, scaled), ran


def _by_kernel(
    device: Device, machine: Machine, ran: list[tuple[Launched, int, float]]
) -> list[Cost]:
    """Costs of launches, each as if it had so many blocks and so many times its counts."""
    by_kernel: dict[str, list[Cost]] = {}
    for launched, blocks, scale in ran:
        part = cost(device, machine.kernels[launched.kernel], launched, blocks, scale)
        by_kernel.setdefault(launched.kernel, []).append(part)
    return [together(parts, name) for name, parts in by_kernel.items()]


def _clips(clips: int) -> np.ndarray:
    return np.stack(
        [
            moving_texture(FRAMES, seed=clip).numpy().astype(np.float32) / 255
            for clip in range(clips)
        ]
    )
