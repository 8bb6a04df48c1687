"""Whether a face looks like another, and whether a picture goes on from the one before."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import skimage.data
from support.films import face_frames, other_face
from support.scripted_faces import face_at, picture_of

from mimamo.faces.likeness import CutDetector, appearance, thumbnail


def _cuts(images) -> list[bool]:
    cut = CutDetector()
    return [cut(thumbnail(np.ascontiguousarray(image))) for image in images]


class TestCuts:
    @pytest.mark.parametrize("pattern", ["xxxxxxxxxxxx", "xx..xx", "xxooxx", "x.|oo"])
    def test_what_moves_in_a_picture_is_no_cut(self, pattern):
        assert not any(_cuts(face_frames(pattern)))

    def test_neither_is_a_camera_that_turns_nor_light_that_changes(self, photograph):
        wide = np.concatenate([photograph, photograph[:, ::-1]], axis=1)
        turning = [wide[:, 40 * step : 40 * step + 512] for step in range(12)]
        assert not any(_cuts(turning))
        darker = [photograph, photograph // 2, photograph, np.minimum(photograph, 205) + 50]
        assert not any(_cuts(darker))

    def test_nor_noise_in_the_dark(self):
        noise = np.random.default_rng(0)
        assert not any(_cuts(noise.integers(0, 12, (5, 240, 320, 3), np.uint8)))

    def test_another_picture_is_one(self, photograph):
        pictures = [
            photograph, skimage.data.coffee(), skimage.data.chelsea(), skimage.data.rocket(),
            np.full((90, 160, 3), 90, np.uint8), photograph, photograph[:, ::-1],
        ]  # fmt: skip
        assert _cuts(pictures) == [False, *[True] * 6]


class TestAppearance:
    def test_does_not_mind_light_place_and_size(self):
        one = appearance(picture_of((100, 1)), face_at(100).landmarks)
        assert np.linalg.norm(one) == pytest.approx(1, abs=1e-5)
        darker = appearance(picture_of((300, 1)) // 2 + 20, face_at(300).landmarks)
        half = appearance(
            np.ascontiguousarray(picture_of((100, 1))[::2, ::2]),
            (face_at(100).landmarks + 0.5) / 2 - 0.5,
        )
        assert one @ darker > 0.99
        assert one @ half > 0.95

    def test_tells_most_people_apart_and_takes_none_for_the_same(self, detector):
        """As `FaceTracks` does: below 0.7 they are others, from 0.9 on the same."""
        looks = []
        for number in range(100):
            image = np.full((224, 224, 3), 90, np.uint8)
            face = cv2.resize(other_face(number), (112, 112), interpolation=cv2.INTER_CUBIC)
            image[56:168, 56:168] = face[..., None]
            looks.append(appearance(image, detector(image)[0].landmarks))
        alike = (np.array(looks) @ np.array(looks).T)[np.triu_indices(100, 1)]
        assert np.mean(alike < 0.7) > 0.94
        assert alike.max() < 0.9

    def test_a_plain_face_looks_like_nothing(self):
        plain = np.full((480, 640, 3), 70, np.uint8)
        np.testing.assert_array_equal(appearance(plain, face_at(100).landmarks), np.zeros(256))
