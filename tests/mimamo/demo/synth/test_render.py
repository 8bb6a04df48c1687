"""The frame: camera and light."""

from __future__ import annotations

import numpy as np
import pytest

from mimamo.demo.synth.expression import Expression
from mimamo.demo.synth.face import landmarks_of
from mimamo.demo.synth.render import Camera, Light, illuminate, render

GREY = np.full((40, 60, 3), 100, np.uint8)


class TestCamera:
    def test_its_centre_is_the_middle_of_the_frame(self):
        camera = Camera(center=(200.0, 120.0), zoom=1.7, angle=20, size=(320, 180))
        x, y = camera.matrix() @ (200.0, 120.0, 1.0)
        assert (x, y) == pytest.approx((159.5, 89.5))

    def test_zoom_and_angle_are_what_they_say(self):
        matrix = Camera(zoom=1.7, angle=90).matrix()
        # A quarter turn clockwise: what was right is now below.
        np.testing.assert_allclose(matrix[:, :2] @ (1, 0), (0, 1.7), atol=1e-12)

    def test_true_landmarks_go_with_it(self):
        expression = Expression(smile=0.5)
        camera = Camera(center=(230.0, 110.0), zoom=1.4, angle=-5, size=(320, 240))
        drawn = render(expression, camera)
        assert drawn.image.shape == (240, 320, 3)
        points = np.hstack([landmarks_of(expression), np.ones((5, 1))])
        np.testing.assert_allclose(drawn.landmarks, points @ camera.matrix().T)
        assert (drawn.landmarks > 0).all()

    def test_a_shift_of_the_camera_shifts_the_picture(self):
        before = render(Expression(), Camera(center=(224.0, 110.0), zoom=1.0, size=(200, 200)))
        after = render(Expression(), Camera(center=(228.0, 107.0), zoom=1.0, size=(200, 200)))
        np.testing.assert_array_equal(before.image[:-3, 4:], after.image[3:, :-4])


class TestLight:
    def test_gain_and_warmth(self):
        lit = illuminate(GREY, Light(gain=1.2, warmth=0.1))
        np.testing.assert_array_equal(lit[20, 30], (132, 120, 108))

    def test_slope_is_the_gain_at_the_edges(self):
        lit = illuminate(GREY, Light(slope=(0.25, 0.0)))[..., 1]
        assert (lit[:, 0] == 75).all()
        assert (lit[:, -1] == 125).all()

    def test_noise_has_its_deviation_and_its_seed(self):
        noisy = [
            illuminate(GREY, Light(noise=4.0), np.random.default_rng(seed)) for seed in (0, 0, 1)
        ]
        assert noisy[0].astype(float)[..., 0].std() == pytest.approx(4.0, rel=0.1)
        np.testing.assert_array_equal(noisy[0], noisy[1])
        assert (noisy[0] != noisy[2]).any()

    def test_noise_needs_a_generator(self):
        with pytest.raises(ValueError, match="rng"):
            illuminate(GREY, Light(noise=1.0))

    def test_blur_takes_detail_away(self):
        checks = np.indices((40, 60)).sum(axis=0)[..., None] % 2 * np.full(3, 200)
        sharp = checks.astype(np.uint8)
        assert illuminate(sharp, Light(blur=1.0)).std() < 0.2 * illuminate(sharp, Light()).std()
