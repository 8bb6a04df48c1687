"""Displacement fields: what they say is what a picture does under them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mimamo.demo.synth.warp import Bump, appearing_at, bump_field, sample_field

BUMPS = (Bump((30, 24), (8, 6), (2.5, -1.5)), Bump((52, 40), (10, 12), (-1.0, 2.0)))


@pytest.fixture
def grid():
    return np.meshgrid(np.arange(80.0), np.arange(64.0))


def test_a_bump_moves_its_centre_by_what_it_says(grid):
    field = bump_field(BUMPS[:1], *grid)
    assert field.shape == (64, 80, 2)
    np.testing.assert_allclose(field[24, 30], (2.5, -1.5), rtol=1e-6)
    np.testing.assert_allclose(field[24, 38], np.exp(-0.5) * np.array((2.5, -1.5)), rtol=1e-6)
    assert np.abs(field[60, 75]).max() < 1e-3


def test_bumps_add_up(grid):
    alone = [bump_field((bump,), *grid) for bump in BUMPS]
    np.testing.assert_allclose(bump_field(BUMPS, *grid), sum(alone), atol=1e-6)


def test_a_coordinate_image_shows_the_displacement(grid):
    """Pixels that hold their own place show, after the warp, where they were taken from."""
    x, y = (axis.astype(np.float32) for axis in grid)
    field = -bump_field(BUMPS, *grid)
    coordinates = np.stack([x, y], axis=-1)
    moved = cv2.remap(coordinates, x + field[..., 0], y + field[..., 1], cv2.INTER_LINEAR)
    inside = np.s_[4:-4, 4:-4]  # away from the border, where there is nothing to take
    # OpenCV's remap works in steps of 1/32 pixel.
    np.testing.assert_allclose((moved - coordinates)[inside], field[inside], atol=1 / 32)


def test_a_point_appears_where_the_picture_takes_it_from(grid):
    field = -bump_field(BUMPS, *grid)
    points = np.array([(30.0, 24.0), (45.5, 33.25), (52.0, 40.0)])
    found = appearing_at(points, lambda p: sample_field(field, p))
    assert np.abs(found - points).max() > 1
    np.testing.assert_allclose(found + sample_field(field, found), points, atol=1e-3)


def test_a_sample_between_pixels_is_between_their_values():
    field = np.arange(12, dtype=np.float32).reshape(3, 4, 1)
    got = sample_field(field, np.array([(0.5, 0.0), (2.0, 1.5), (-3.0, 9.0)]))
    np.testing.assert_allclose(got[:, 0], (0.5, 8.0, 8.0), atol=1e-5)
