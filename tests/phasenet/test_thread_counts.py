"""Whether results depend on the number of threads, as docs/reference/phasenet.md says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from support.given_memory import flat
from torch import Tensor

from benchmarks.moved_pictures import MovingPicture
from phasenet import SteerablePyramid, local_motion, phase_difference_windows


def on_threads(call: Callable[[], Any]) -> list[list[Tensor]]:
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            results.append(flat(call()))
    finally:
        torch.set_num_threads(before)
    return results


@pytest.mark.parametrize("side", [48, 131])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_pyramid_and_windows_do_not(side: int, dtype: torch.dtype) -> None:
    pyramid = SteerablePyramid(5, 4)
    images = torch.rand(3, side, side, dtype=dtype)
    coefficients = pyramid(images)
    for call in (
        lambda: pyramid(images),
        lambda: pyramid.inverse(coefficients),
        lambda: phase_difference_windows(images, 2),
    ):
        first, *others = on_threads(call)
        assert all(torch.equal(a, b) for other in others for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize(
    ("largest", "dtype", "pixels"),
    [
        (None, torch.float32, 1e-6),
        (None, torch.float64, 1e-15),
        (8, torch.float32, 1e-3),
        (8, torch.float64, 1e-12),
    ],
)
def test_motion_does_in_the_last_bits(
    largest: int | None, dtype: torch.dtype, pixels: float
) -> None:
    """As README and reference say."""
    picture = MovingPicture("soft", (131, 128), seed=1)
    frames = torch.stack([picture.at(0), picture.at(0.3, 0.15), picture.at(3, 1.5)]).to(dtype)
    first, *others = on_threads(lambda: local_motion(frames, largest=largest))
    for other in others:
        for a, b in zip(first, other, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=pixels)
