"""Pictures shrunk, warped and made grey in torch are those of OpenCV."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from mimamo.faces.alignment import finer_by, warp
from mimamo.faces.resampling import grey, shrink, warp_batch


@pytest.fixture(scope="module")
def pictures(photograph) -> np.ndarray:
    """Two, uint8 [2, 231, 301, 3]."""
    return np.stack([photograph[:231, :301], photograph[200:431, 100:401]])


@pytest.mark.parametrize(
    "shape", [(301, 231), (150, 115), (100, 77), (48, 27), (300, 230), (301, 50), (1, 1)]
)
def test_shrinking_is_inter_area(pictures, shape):
    got = shrink(torch.from_numpy(pictures), shape).permute(0, 2, 3, 1).numpy()
    for one, picture in zip(got, pictures, strict=True):
        expected = cv2.resize(picture, shape, interpolation=cv2.INTER_AREA).astype(np.float32)
        assert np.abs(one - expected).max() <= 1
        assert (one != expected).mean() < 0.01


@pytest.mark.parametrize("factors", [(2, 2), (6, 6), (3, 2), (2, 1), (4, 4), (1, 5)])
def test_by_whole_factors_it_is_that_of_opencv(pictures, factors):
    """Half of these means may end in a half: a frame of 1920x1080 is searched at a sixth."""
    shape = (300 // factors[0], 230 // factors[1])
    whole = pictures[:, : shape[1] * factors[1], : shape[0] * factors[0]].copy()
    got = shrink(torch.from_numpy(whole), shape).permute(0, 2, 3, 1).numpy()
    expected = [cv2.resize(x, shape, interpolation=cv2.INTER_AREA) for x in whole]
    np.testing.assert_array_equal(got, expected)


def test_grey_is_that_of_opencv(pictures):
    got = grey(torch.from_numpy(pictures).float()).numpy()
    expected = np.stack([cv2.cvtColor(x, cv2.COLOR_RGB2GRAY) for x in pictures]).astype(np.float32)
    assert np.abs(got - expected).max() <= 1
    assert (got != expected).mean() < 0.01


def test_views_are_those_of_warp(pictures):
    """Enlarged, shrunk by several factors, turned, and beyond the border, in one batch."""
    scales, numbers = [1.7, 1.0, 0.8, 0.4, 0.3, 0.01], [0, 1, 1, 0, 1, 0]
    transforms = []
    for place, scale in enumerate(scales):
        turn = cv2.getRotationMatrix2D((150.0 - 60 * place, 100.0), 25 * place, scale)
        turn[:, 2] += (40 - 150 * 0.5, 40 - 100 * 0.5)
        transforms.append(turn)
    assert sorted({finer_by(x) for x in transforms}) == [1, 2, 3, 4, 16]
    got = warp_batch(torch.from_numpy(pictures), numbers, np.stack(transforms), 80).numpy()
    for view, number, transform in zip(got, numbers, transforms, strict=True):
        expected = warp(pictures[number], transform, 80)
        # OpenCV before 5 puts samples on a grid of 1/32 pixel.
        assert np.abs(view - expected).max() <= 8
        assert np.abs(view - expected).mean() < 0.3


def test_no_views(pictures):
    assert warp_batch(torch.from_numpy(pictures), [], np.empty((0, 2, 3)), 80).shape[0] == 0


def test_all_is_computed_where_the_pictures_are():
    """Torch's device "meta" computes nothing, but raises an error where devices are mixed."""
    pictures = torch.empty((2, 90, 120, 3), dtype=torch.uint8, device="meta")
    transforms = np.array([[[1.2, 0, 3], [0, 1.2, 4]], [[0.4, 0, 3], [0, 0.4, 4]]])
    views = warp_batch(pictures, [1, 0], transforms, 80)
    assert (views.device.type, views.shape) == ("meta", (2, 80, 80, 3))
    small = grey(shrink(pictures, (48, 27)).permute(0, 2, 3, 1))
    assert (small.device.type, small.shape) == ("meta", (2, 27, 48))
