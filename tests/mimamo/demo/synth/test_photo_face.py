"""The animated photograph: it moves as its expression says, and never folds."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mimamo.demo.synth.photo_face import (
    LANDMARKS,
    Expression,
    Light,
    PhotoCamera,
    displacement,
    illuminate,
    landmarks_of,
    render,
)
from mimamo.faces.centerface import CenterFace
from mimamo.faces.detection import Detection
from mimamo.faces.tracking import look_closer

STEPS = np.linspace(-1, 1, 9)
LEFT_EYE, RIGHT_EYE, NOSE, LEFT_CORNER, RIGHT_CORNER = range(5)
SCALE = 2  # pixels of a frame per pixel of the photograph
WHOLE = PhotoCamera(center=(255.5, 255.5), zoom=SCALE, size=(512 * SCALE, 512 * SCALE))
EXTREMES = [
    Expression(),
    Expression(smile=-1, alert=-1),
    Expression(smile=-1, alert=1, jaw=1),
    Expression(smile=1, alert=1, jaw=1, yaw=6, pitch=6),
    Expression(smile=1, yaw=-6, pitch=-6, roll=4),
    Expression(alert=1, sway_x=4, sway_y=-4),
]
GREY = np.full((40, 60, 3), 100, np.uint8)


def picture(expression: Expression, camera: PhotoCamera = WHOLE) -> np.ndarray:
    return render(expression, camera, Light(), np.random.default_rng(0))[0]


def shift_between(before: Expression, after: Expression, where: tuple[slice, slice]) -> np.ndarray:
    """How far the picture moved, (x, y) in photograph pixels, by registration (ECC)."""
    first, second = (cv2.cvtColor(picture(e), cv2.COLOR_RGB2GRAY)[where] for e in (before, after))
    start = np.eye(2, 3, dtype=np.float32)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 200, 1e-7)
    _, found = cv2.findTransformECC(first, second, start, cv2.MOTION_TRANSLATION, stop, None, 5)
    return found[:, 2] / SCALE


def around(point: np.ndarray, half: int) -> tuple[slice, slice]:
    x, y = np.round(point * SCALE).astype(int)
    return slice(y - half * SCALE, y + half * SCALE), slice(x - half * SCALE, x + half * SCALE)


class TestMotion:
    @pytest.mark.parametrize("sway", [(0.35, 0.0), (-1.3, 0.6), (2.5, -1.75)])
    def test_the_pixels_move_by_the_sway(self, sway):
        """Sub-pixel motion is in the pixels as it is in the expression."""
        moved = Expression(sway_x=sway[0], sway_y=sway[1])
        measured = shift_between(Expression(), moved, around(np.array((224.0, 105.0)), 35))
        np.testing.assert_allclose(measured, sway, atol=0.05)

    @pytest.mark.parametrize("turn", [{"yaw": 4.0}, {"pitch": -3.0}, {"roll": 3.0}])
    def test_the_pixels_at_the_nose_move_as_its_landmark(self, turn):
        rest, turned = (landmarks_of(e)[NOSE] for e in (Expression(), Expression(**turn)))
        measured = shift_between(Expression(), Expression(**turn), around((rest + turned) / 2, 9))
        assert np.linalg.norm(turned - rest) > 1
        np.testing.assert_allclose(measured, turned - rest, atol=0.35)

    def test_a_turn_moves_the_nose_more_than_the_eyes(self):
        moves = landmarks_of(Expression(yaw=5)) - landmarks_of(Expression())
        assert moves[NOSE, 0] > 1.1 * moves[LEFT_EYE, 0] > 0

    @pytest.mark.parametrize("expression", EXTREMES)
    def test_landmarks_lie_where_the_map_takes_them_from(self, expression):
        found, field = landmarks_of(expression), displacement(expression)
        columns, rows = np.round(found).astype(int).T
        np.testing.assert_allclose(found + field[rows, columns], LANDMARKS, atol=0.25)

    @pytest.mark.parametrize("expression", EXTREMES)
    def test_the_skin_never_folds(self, expression):
        """Going right or down in the picture goes right or down in the photograph."""
        field = displacement(expression)
        assert (1 + np.diff(field[..., 0], axis=1)).min() > 0.2
        assert (1 + np.diff(field[..., 1], axis=0)).min() > 0.2

    @pytest.mark.parametrize("expression", EXTREMES)
    def test_what_is_outside_of_the_head_stands_still(self, expression):
        field = np.abs(displacement(expression))
        assert field.max() > 0.5
        assert max(field[:, :112].max(), field[:, 336:].max(), field[232:].max()) < 0.5


class TestExpressions:
    def test_a_smile_lifts_and_spreads_the_corners_of_the_mouth(self):
        points = np.array([landmarks_of(Expression(smile=s)) for s in STEPS])
        for corner in (LEFT_CORNER, RIGHT_CORNER):
            assert (np.diff(points[:, corner, 1]) < 0).all()
        width = points[:, RIGHT_CORNER, 0] - points[:, LEFT_CORNER, 0]
        assert (np.diff(width) > 0).all()
        assert points[0, LEFT_CORNER, 1] - points[-1, LEFT_CORNER, 1] > 5

    def test_the_chin_falls_with_the_jaw(self):
        # What is at a place comes from further up, the further the chin has fallen.
        above = [displacement(Expression(jaw=jaw))[162, 224, 1] for jaw in np.linspace(0, 1, 5)]
        assert (np.diff(above) < 0).all()

    def test_alert_brows_rise(self):
        below = [displacement(Expression(alert=a))[88, 200, 1] for a in STEPS]
        assert (np.diff(below) > 0).all()

    def test_a_detector_finds_the_landmarks_where_they_are(self):
        detector = CenterFace()
        camera = PhotoCamera(center=(255.5, 255.5), zoom=1, size=(512, 512))
        for expression in (Expression(), Expression(smile=0.8), Expression(smile=-0.8, yaw=4)):
            points = landmarks_of(expression).astype(np.float32)
            box = np.array([182, 54, 275, 180], np.float32)
            face = look_closer(detector, picture(expression, camera), Detection(box, points, 1.0))
            error = np.linalg.norm(face.landmarks - points, axis=1)
            between_eyes = points[RIGHT_EYE, 0] - points[LEFT_EYE, 0]
            assert error.max() < 0.1 * between_eyes


class TestCamera:
    def test_its_centre_is_the_middle_of_the_frame(self):
        camera = PhotoCamera(center=(200.0, 120.0), zoom=1.7, angle=20, size=(320, 180))
        x, y = camera.matrix() @ (200.0, 120.0, 1.0)
        assert (x, y) == pytest.approx((159.5, 89.5))

    def test_zoom_and_angle_are_what_they_say(self):
        matrix = PhotoCamera(zoom=1.7, angle=90).matrix()
        # A quarter turn clockwise: what was right is now below.
        np.testing.assert_allclose(matrix[:, :2] @ (1, 0), (0, 1.7), atol=1e-12)

    def test_true_landmarks_go_with_it(self):
        expression = Expression(smile=0.5)
        camera = PhotoCamera(center=(230.0, 110.0), zoom=1.4, angle=-5, size=(320, 240))
        image, landmarks = render(expression, camera, Light(), np.random.default_rng(0))
        assert image.shape == (240, 320, 3)
        points = np.hstack([landmarks_of(expression), np.ones((5, 1))])
        np.testing.assert_allclose(landmarks, points @ camera.matrix().T)
        assert (landmarks > 0).all()

    def test_a_shift_of_the_camera_shifts_the_picture(self):
        before = picture(
            Expression(), PhotoCamera(center=(224.0, 110.0), zoom=1.0, size=(200, 200))
        )
        after = picture(Expression(), PhotoCamera(center=(228.0, 107.0), zoom=1, size=(200, 200)))
        np.testing.assert_array_equal(before[:-3, 4:], after[3:, :-4])


class TestLight:
    def test_gain_and_warmth(self):
        lit = illuminate(GREY, Light(gain=1.2, warmth=0.1), np.random.default_rng(0))
        np.testing.assert_array_equal(lit[20, 30], (132, 120, 108))

    def test_the_slope_is_the_gain_at_the_edges(self):
        lit = illuminate(GREY, Light(side=0.25), np.random.default_rng(0))[..., 1]
        assert (lit[:, 0] == 75).all()
        assert (lit[:, -1] == 125).all()

    def test_noise_has_its_deviation_and_its_seed(self):
        noisy = [
            illuminate(GREY, Light(noise=4.0), np.random.default_rng(seed)) for seed in (0, 0, 1)
        ]
        assert noisy[0].astype(float)[..., 0].std() == pytest.approx(4.0, rel=0.1)
        np.testing.assert_array_equal(noisy[0], noisy[1])
        assert (noisy[0] != noisy[2]).any()
