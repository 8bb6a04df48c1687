"""look_closer: where a face is; LandmarkFilter: what is smoothed and what is not."""

from __future__ import annotations

import numpy as np
import pytest
from support.scripted_faces import face_at

from mimamo.faces.detection import Detection
from mimamo.faces.tracking import LandmarkFilter, look_closer


class TestCloserLook:
    @pytest.mark.parametrize("degrees", [-50, 0, 40])
    def test_corrects_landmarks_that_are_off(self, detector, place, marked, degrees):
        frame, pose = place((160, 120), 0.8, degrees)
        truth = marked @ pose[:, :2].T + pose[:, 2]
        size = 70.0
        box = np.concatenate([truth.mean(axis=0) - size / 2, truth.mean(axis=0) + size / 2])
        rough = (truth + np.array([8, -6])).astype(np.float32)
        face = look_closer(detector, frame, Detection(box.astype(np.float32), rough, 0.5))
        assert np.abs(face.landmarks - truth).mean() < 3
        assert np.abs(face.centre - truth.mean(axis=0)).max() < 10
        assert 70 < face.size < 110

    def test_sees_nothing_where_there_is_noface_at(self, detector, without_faces):
        assert look_closer(detector, without_faces[0], face_at(160, 120)) is None


class TestLandmarkFilter:
    def test_leaves_a_face_at_rest_where_it_is(self):
        smooth = LandmarkFilter()
        for step in range(5):
            result = smooth(face_at(100).landmarks, step / 30)
        np.testing.assert_allclose(result, face_at(100).landmarks, atol=1e-4)

    def test_calms_a_tremblingface_at(self):
        rng = np.random.default_rng(0)
        noisy = [face_at(100, size=112).landmarks + rng.normal(0, 0.5, (5, 2)) for _ in range(300)]
        smooth = LandmarkFilter()
        calm = [smooth(landmarks, step / 30) for step, landmarks in enumerate(noisy)]
        assert _tremble(calm) < 0.5 * _tremble(noisy)

    @pytest.mark.parametrize("speed", [2.0, 8.0, 30.0])
    def test_lags_behind_a_moving_face_by_less_than_a_pixel(self, speed):
        smooth = LandmarkFilter()
        for step in range(60):  # `speed` pixels a frame, in the scale of the crop
            truth = face_at(100 + speed * step, size=112).landmarks
            lag = np.abs(truth - smooth(truth, step / 30)).max()
        assert lag < 1.0

    def test_keeps_the_shape_of_a_movingface_at(self):
        smooth = LandmarkFilter()
        for step in range(10):
            result = smooth(face_at(100 + 3 * step).landmarks, step / 30)
        expected = face_at(0).landmarks - face_at(0).landmarks.mean(axis=0)
        np.testing.assert_allclose(result - result.mean(axis=0), expected, atol=1e-3)

    def test_does_not_depend_on_the_size_of_the_picture(self):
        small, large = LandmarkFilter(), LandmarkFilter()
        for step in range(10):
            landmarks = face_at(100 + 5 * np.sin(step)).landmarks
            one, ten = small(landmarks, step / 30), large(10 * landmarks, step / 30)
        np.testing.assert_allclose(10 * one, ten, rtol=1e-5)

    def test_smooths_less_over_a_longer_time(self):
        followed = []
        for passed in (1 / 60, 1 / 15):
            smooth = LandmarkFilter()
            smooth(face_at(100).landmarks, 0)
            followed.append(smooth(face_at(101).landmarks, passed)[0, 0])
        assert followed[0] < followed[1] < face_at(101).landmarks[0, 0]


def _tremble(track):
    return np.diff(np.array(track), axis=0).std()
