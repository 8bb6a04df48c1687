"""Alignment: the transform, and the pixels it makes."""

from __future__ import annotations

import numpy as np
import pytest

from mimamo.faces.alignment import (
    TEMPLATE,
    align_face,
    crop_transform,
    similarity_transform,
    warp,
)


def _similarity(scale, degrees, shift):
    turn = scale * np.exp(1j * np.radians(degrees))
    return np.array([[turn.real, -turn.imag, shift[0]], [turn.imag, turn.real, shift[1]]])


class TestSimilarityTransform:
    @pytest.mark.parametrize("degrees", [0, 30, -100, 180])
    def test_recovers_a_known_motion(self, degrees):
        points = np.random.default_rng(0).normal(size=(5, 2))
        known = _similarity(2.5, degrees, (7, -3))
        found = similarity_transform(points, points @ known[:, :2].T + known[:, 2])
        np.testing.assert_allclose(found, known, atol=1e-12)

    def test_is_the_least_squares_solution(self):
        rng = np.random.default_rng(1)
        source, target = rng.normal(size=(2, 5, 2))
        found = similarity_transform(source, target)
        # The same in four unknowns a, b, c, d: u = a·x - b·y + c, v = b·x + a·y + d.
        (x, y), one, zero = source.T, np.ones(5), np.zeros(5)
        rows = np.concatenate([np.stack([x, -y, one, zero], 1), np.stack([y, x, zero, one], 1)])
        (a, b, c, d), *_ = np.linalg.lstsq(rows, target.T.ravel(), rcond=None)
        np.testing.assert_allclose(found, [[a, -b, c], [b, a, d]], atol=1e-12)

    def test_never_mirrors(self):
        found = similarity_transform(TEMPLATE * (-1, 1), TEMPLATE)
        assert np.linalg.det(found[:, :2]) > 0

    def test_one_point_is_refused(self):
        with pytest.raises(ValueError, match="source"):
            similarity_transform(np.ones((5, 2)), TEMPLATE)

    def test_crop_transform_puts_a_face_onto_the_template(self):
        known = _similarity(0.3, 20, (50, 60))
        inverse = np.linalg.inv(known[:, :2])
        landmarks = (TEMPLATE - known[:, 2]) @ inverse.T
        np.testing.assert_allclose(crop_transform(landmarks), known, atol=1e-9)
        np.testing.assert_allclose(crop_transform(landmarks, 24)[:, 2] - known[:, 2], 24)


class TestWarp:
    @pytest.mark.parametrize("scale", [1.0, 2.0, 0.5, 0.37, 0.11])
    @pytest.mark.parametrize("degrees", [0, 25])
    def test_pixels_land_where_the_transform_says(self, scale, degrees):
        # A ramp is reproduced by any interpolation and any averaging that is centred.
        y, x = np.mgrid[:900, :900]
        image = np.stack([x / 4, y / 4, (x + y) / 8], axis=-1).round().astype(np.uint8)
        transform = _similarity(scale, degrees, (0, 0))
        transform[:, 2] = 49.5 - transform[:, :2] @ (450.3, 449.8)
        view = warp(image, transform, 100)
        grid = np.stack(np.meshgrid(np.arange(100), np.arange(100)), axis=-1)
        at = (grid - transform[:, 2]) @ np.linalg.inv(transform[:, :2]).T
        inside = ((at > 2) & (at < 897)).all(axis=-1)
        assert inside.mean() > 0.6
        expected = np.stack([at[..., 0] / 4, at[..., 1] / 4, at.sum(axis=-1) / 8], axis=-1)
        assert np.abs(view - expected)[inside].max() < 1.01  # rounding, twice

    @pytest.mark.parametrize("scale", [0.5, 0.3, 0.1])
    def test_detail_below_the_resolution_becomes_grey(self, scale):
        board = np.indices((900, 900)).sum(axis=0) % 2 * 255
        image = np.repeat(board[..., None], 3, axis=-1).astype(np.uint8)
        transform = _similarity(scale, 3, (0, 0))
        transform[:, 2] = 31.5 - transform[:, :2] @ (450.3, 449.8)
        view = warp(image, transform, 64).astype(float)
        assert np.abs(view - 127.5).max() < 25  # without averaging it is up to 127

    def test_a_shift_by_whole_pixels_is_exact(self, photograph):
        transform = np.array([[1.0, 0, -30], [0, 1, -40]])
        np.testing.assert_array_equal(warp(photograph, transform, 112), photograph[40:152, 30:142])

    def test_the_border_is_repeated(self):
        image = np.full((50, 50, 3), 200, np.uint8)
        assert (warp(image, np.array([[1.0, 0, 30], [0, 1, 30]]), 112) == 200).all()

    def test_senseless_landmarks_cost_bounded_memory(self):
        image = np.full((50, 50, 3), 200, np.uint8)
        assert warp(image, np.array([[1e-9, 0, 0], [0, 1e-9, 0]]), 112).shape == (112, 112, 3)


class TestAlignFace:
    @pytest.mark.parametrize("degrees", [0, -35, 60])
    @pytest.mark.parametrize("scale", [0.6, 1.3])
    def test_the_crop_is_upright_and_of_one_size(self, place, photograph, marked, degrees, scale):
        frame, pose = place((300, 250), scale, degrees, size=(600, 500))
        crop = align_face(frame, marked @ pose[:, :2].T + pose[:, 2])
        expected = align_face(photograph, marked)
        assert crop.shape == (112, 112, 3)
        assert crop.dtype == np.uint8
        assert np.abs(crop.astype(float) - expected).mean() < 5
