"""`out=` on a GPU: the ordinary bits in given memory, all of it and nothing beside it."""

from __future__ import annotations

import pytest
import torch
from support.given_memory import assert_written

from phasenet import SteerablePyramid, phase_difference_windows

pytestmark = pytest.mark.cuda


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("size", [(32, 32), (18, 21), (131, 24), (48, 48)])
def test_results_lie_in_given_memory(device, size, dtype):
    if device == "cpu" and dtype == torch.float16:
        pytest.skip("float16 is cast for CUDA tensors alone, and the emulated operators read none")
    images = (255 * torch.rand(5, *size)).to(dtype).to(device)
    for boundary in ("periodic", "symmetric"):
        pyramid = SteerablePyramid(4, 3, boundary=boundary)
        assert_written(lambda pyramid=pyramid, **out: pyramid(images, **out))
        coeffs = pyramid(images)
        assert_written(lambda pyramid=pyramid, coeffs=coeffs, **out: pyramid.inverse(coeffs, **out))
    for options in ({}, {"boundary": "valid", "dtype": torch.float16}, {"levels": [2]}):
        assert_written(
            lambda options=options, **out: phase_difference_windows(images, 3, **options, **out)
        )


def test_nothing_to_write(device):
    nothing = torch.rand(0, 4, 9, 10, device=device)
    pyramid = SteerablePyramid(3, 2)
    coeffs = pyramid(nothing)
    assert_written(lambda **out: pyramid(nothing, **out))
    assert_written(lambda **out: pyramid.inverse(coeffs, **out))
    assert_written(lambda **out: phase_difference_windows(nothing, 2, **out))
