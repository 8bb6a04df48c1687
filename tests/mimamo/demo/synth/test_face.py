"""The animated face: it moves as its expression says, and never folds."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest

from mimamo.demo.synth import portrait
from mimamo.demo.synth.expression import REGION_X, REGION_Y, Expression, skin_displacement
from mimamo.demo.synth.face import animate, backward_map, landmarks_of
from mimamo.demo.synth.lids import lips_of, stretch
from mimamo.demo.synth.portrait import SCALE
from mimamo.faces.centerface import CenterFace
from mimamo.faces.detection import Detection
from mimamo.faces.tracking import look_closer

STEPS = np.linspace(-1, 1, 9)
LEFT_EYE, RIGHT_EYE, NOSE, LEFT_CORNER, RIGHT_CORNER = range(5)
EXTREMES = [
    Expression(),
    Expression(smile=-1, alert=-1),
    Expression(smile=-1, alert=1, jaw=1),
    Expression(smile=1, alert=1, jaw=1, yaw=6, pitch=6),
    Expression(smile=1, blink=1, yaw=-6, pitch=-6, roll=4),
    Expression(blink=0.6, alert=1, sway_x=4, sway_y=-4),
]


def shift_between(before: Expression, after: Expression, where: tuple[slice, slice]) -> np.ndarray:
    """How far the picture moved, (x, y) in photograph pixels, by registration (ECC)."""
    first, second = (cv2.cvtColor(animate(e), cv2.COLOR_RGB2GRAY)[where] for e in (before, after))
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
        measured = shift_between(Expression(), moved, around(np.array((224.0, 105.0)), 45))
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

    def test_landmarks_lie_where_the_map_takes_them_from(self):
        for expression in EXTREMES:
            found = landmarks_of(expression)
            field = skin_displacement(expression)
            columns, rows = np.round(found - (REGION_X[0], REGION_Y[0])).astype(int).T
            taken = found + field[rows, columns]
            np.testing.assert_allclose(taken, portrait.LANDMARKS, atol=0.25)

    def test_what_is_outside_of_the_face_stands_still(self):
        photograph, _ = portrait.textures()
        for expression in EXTREMES:
            changed = (animate(expression) != photograph).any(axis=2)
            rows, columns = np.nonzero(changed)
            assert rows.max() < REGION_Y[1] * SCALE
            assert REGION_X[0] * SCALE <= columns.min()
            assert columns.max() < REGION_X[1] * SCALE

    @pytest.mark.parametrize("expression", EXTREMES)
    def test_the_skin_never_folds(self, expression):
        """Going right or down in the picture goes right or down in the photograph."""
        x, y, _ = backward_map(expression)
        assert np.diff(x, axis=1).min() > 0
        # A shut lid or closed lips leave out what is behind them: a step ahead, never one back.
        assert np.diff(y, axis=0).min() > -1e-3

    @pytest.mark.parametrize("expression", EXTREMES)
    def test_the_field_fades_out_at_the_sides(self, expression):
        field = np.abs(skin_displacement(expression))
        assert field.max() > 0.5
        assert max(field[:, 0].max(), field[:, -1].max(), field[-1].max()) < 0.5


class TestExpressions:
    def test_a_smile_lifts_and_spreads_the_corners_of_the_mouth(self):
        points = np.array([landmarks_of(Expression(smile=s)) for s in STEPS])
        for corner in (LEFT_CORNER, RIGHT_CORNER):
            assert (np.diff(points[:, corner, 1]) < 0).all()
        width = points[:, RIGHT_CORNER, 0] - points[:, LEFT_CORNER, 0]
        assert (np.diff(width) > 0).all()
        assert points[0, LEFT_CORNER, 1] - points[-1, LEFT_CORNER, 1] > 5

    def test_sad_lips_bend_down_and_smiling_lips_up(self):
        """The line between the lips against its own ends, once the skin has moved as well."""

        def bend(smile: float) -> float:
            expression = Expression(smile=smile)
            x = np.array([204.0, 224.0, 243.5], np.float32)
            lips = lips_of(x, expression)
            line = np.stack([x, (lips.upper + lips.lower) / 2], axis=1)
            field = -skin_displacement(expression)
            columns, rows = np.round(line - (REGION_X[0], REGION_Y[0])).astype(int).T
            left, middle, right = line[:, 1] + field[rows, columns, 1]
            return float(middle - (left + right) / 2)

        bends = [bend(smile) for smile in STEPS]
        assert all(after > before for before, after in pairwise(bends))
        assert bends[0] < -0.5
        assert bends[-1] > 2

    def test_the_mouth_opens_with_the_jaw_and_with_a_smile(self):
        middle = np.array([224.0], np.float32)

        def gap(**expression: float) -> float:
            lips = lips_of(middle, Expression(**expression))
            return float(lips.lower[0] - lips.upper[0])

        jaw = [gap(jaw=j) for j in np.linspace(0, 1, 6)]
        assert jaw[0] == pytest.approx(0, abs=1e-5)
        assert all(after > before for before, after in pairwise(jaw))
        assert gap(smile=1) > gap(smile=0.5) > gap(smile=0)

    def test_the_pictures_mouth_darkens_inside_as_the_jaw_drops(self):
        below_the_teeth = around(np.array((224.0, 153.0)), 5)

        def dark(jaw: float) -> float:
            return float((animate(Expression(jaw=jaw))[below_the_teeth].max(axis=2) < 70).mean())

        assert dark(0) == 0
        assert dark(1) > dark(0.75) > 0.05

    def test_the_eyes_shut_in_a_blink_and_open_with_alertness(self):
        eye = around(np.array(portrait.LEFT_EYE.center), 7)

        def pupil(**expression: float) -> float:
            return float((animate(Expression(**expression))[eye].max(axis=2) < 110).mean())

        blinking = [pupil(blink=b) for b in (0, 0.4, 0.8, 1.0)]
        assert all(after < before for before, after in pairwise(blinking))
        assert pupil(alert=1) > pupil(alert=0) > pupil(alert=-1)

    def test_alert_brows_rise(self):
        brow = portrait.LEFT_BROW[1]
        row, column = int(brow[1]) - REGION_Y[0], int(brow[0]) - REGION_X[0]
        # What is at a place comes from further down, the higher the brow.
        below = [skin_displacement(Expression(alert=a))[row, column, 1] for a in STEPS]
        assert (np.diff(below) > 0).all()

    def test_a_detector_finds_the_landmarks_where_they_are(self):
        detector = CenterFace()
        for expression in (Expression(), Expression(smile=0.8), Expression(smile=-0.8, yaw=4)):
            points = landmarks_of(expression).astype(np.float32)
            box = np.array([182, 54, 275, 180], np.float32)
            image = cv2.resize(animate(expression), (512, 512), interpolation=cv2.INTER_AREA)
            face = look_closer(detector, image, Detection(box, points, 1.0))
            error = np.linalg.norm(face.landmarks - points, axis=1)
            between_eyes = points[RIGHT_EYE, 0] - points[LEFT_EYE, 0]
            assert error.max() < 0.1 * between_eyes


def test_stretch_maps_knots_to_knots_and_leaves_the_rest():
    y = np.arange(0, 12, 0.5)
    moved = [np.full_like(y, level) for level in (2, 4, 8)]
    source = [np.full_like(y, level) for level in (2, 6, 8)]
    got = stretch(y, moved, source)
    np.testing.assert_allclose(got[[4, 8, 16]], (2, 6, 8))
    np.testing.assert_allclose(got[y <= 2], y[y <= 2])
    np.testing.assert_allclose(got[y > 8], y[y > 8])
    assert (np.diff(got) > 0).all()
