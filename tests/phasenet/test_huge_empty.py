"""Empty batches of absurd sizes: nothing is computed, so nothing is prepared for it."""

from __future__ import annotations

import pytest
import torch

import phasenet  # noqa: F401  # loads the operators

PRIME = 2**36 - 5  # no table of so many numbers fits into memory
SIDES = [(PRIME, 4), (4, PRIME), (50_000, 50_000), (2**20, 2**19)]
ops = torch.ops.phasenet


@pytest.mark.parametrize("size", SIDES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8])
def test_nothing_is_prepared(size: tuple[int, int], dtype: torch.dtype) -> None:
    images = torch.empty(0, *size, dtype=dtype)
    highpass, bands, lowpass = ops.pyramid(images, 3, 2)
    assert highpass.shape == images.shape
    assert ops.pyramid_inverse(highpass, [bands], lowpass).shape == images.shape
    assert ops.pyramid_backward(highpass, [bands], lowpass).shape == images.shape
    assert ops.pyramid_inverse_backward(highpass, 3, 2)[0].shape == images.shape


@pytest.mark.parametrize("size", [(PRIME, 4), (50_000, 50_000)])
def test_nor_for_windows(size: tuple[int, int]) -> None:
    frames = torch.empty(0, 4, *size)
    options = (2, 3, 2, [1], "full", "replicate")
    windows = ops.phase_difference_windows(frames, *options)
    assert windows[0].shape == (0, 4, 4, *size)
    grad = ops.phase_difference_windows_backward(windows, frames, *options)
    assert (grad.shape, grad.dtype) == (frames.shape, frames.dtype)
    with pytest.raises(RuntimeError, match="grad"):
        ops.phase_difference_windows_backward([windows[0][..., :2]], frames, *options)


@pytest.mark.parametrize("size", [(2**61 - 1, 4), (4, 2**56 - 5), (2**31, 2**30), (2**20, 2**21)])
def test_what_no_memory_holds_is_refused_at_once(size: tuple[int, int]) -> None:
    with pytest.raises(RuntimeError, match="at most 2\\^40 pixels"):
        ops.pyramid(torch.empty(0, *size), 3, 2)
    with pytest.raises(RuntimeError, match="at most 2\\^40 pixels"):
        ops.phase_stream_state(torch.empty(0, *size), 2, 3, 2, [1])


def test_nor_are_absurd_pyramids_described() -> None:
    """A list of their levels' sizes would not fit into memory either."""
    with pytest.raises(ValueError, match="height: expected at most 62"):
        ops.pyramid(torch.empty(8, 8, device="meta"), 2**47, 2)
    with pytest.raises(ValueError, match="height: expected at most 62"):
        ops.phase_stream_state(torch.empty(1, 8, 8, device="meta"), 2, 2**61, 2, [1])
    with pytest.raises(ValueError, match="bands_per_octave: expected at most 4"):
        ops.pyramid(torch.empty(8, 8, device="meta"), 3, 2, 2**47)
