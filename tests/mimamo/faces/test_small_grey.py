"""Small grey faces in torch, as where crops are on a GPU: those of Pillow, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mimamo.faces import phase_frames
from mimamo.faces.small_grey import small_grey, stacked


@pytest.mark.parametrize(
    ("shape", "size"),
    [((112, 112), 48), ((112, 112), 112), ((112, 112), 33), ((97, 131), 64), ((20, 31), 48)],
)
def test_are_those_of_pillow(shape, size):
    random = np.random.default_rng()
    noise = random.integers(0, 256, (4, *shape, 3), np.uint8)
    crops = np.concatenate([noise, 255 * (noise > 127).astype(np.uint8)])  # overshoots
    got = small_grey(torch.from_numpy(crops), size)
    assert got.dtype == torch.uint8
    np.testing.assert_array_equal(got.numpy(), phase_frames(crops, size))


def test_are_computed_where_the_crops_are():
    crops = torch.empty(3, 112, 112, 3, dtype=torch.uint8, device="meta")
    grey = small_grey(stacked(list(crops)), 48)
    assert (grey.device.type, grey.shape, grey.dtype) == ("meta", (3, 48, 48), torch.uint8)


def test_of_arrays_and_of_none():
    crops = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3), np.uint8)
    grey = small_grey(stacked(list(crops)), 48)
    np.testing.assert_array_equal(grey.numpy(), phase_frames(crops, 48))
    assert small_grey(torch.from_numpy(crops[:0]), 48).shape == (0, 48, 48)
