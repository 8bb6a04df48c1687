"""observe_faces: a whole video to one observation for each frame."""

from __future__ import annotations

import os

import cv2
import numpy as np
import pytest

from mimamo.faces import observe_faces
from mimamo.faces.alignment import align_face, crop_transform
from mimamo.video import AlignedFolder, VideoFrame, VideoReader

GRID = np.stack(np.meshgrid(np.linspace(0, 111, 8), np.linspace(0, 111, 8)), -1).reshape(-1, 2)


@pytest.fixture(scope="module")
def observed(moving_face, detector):
    """Return the observations of the moving face, by `steady`."""
    frames = [VideoFrame(i, i / 30, image) for i, image in enumerate(moving_face.frames)]
    return {
        steady: list(observe_faces(frames, detector, steady=steady)) for steady in (True, False)
    }


class TestMovingFace:
    def test_found_in_every_frame(self, observed):
        assert [face.index for face in observed[True]] == list(range(30))
        assert all(face.score > 0.7 for face in observed[True])

    def test_the_crop_moves_with_the_face(self, observed, moving_face):
        # Where the crop's pixels lie in the photograph should be the same in every frame.
        for steady, deviation, tremble in ((False, 0.8, 0.6), (True, 0.9, 0.6)):
            places = _in_photograph(observed[steady], moving_face.poses)
            assert _rms(places - places.mean(axis=0)) < deviation
            assert _rms(np.diff(places, axis=0)) < tremble

    def test_the_closer_look_halves_the_trembling(self, observed, moving_face, detector):
        plain = [detector(frame)[0] for frame in moving_face.frames]
        trembling = [
            _rms(np.diff(_in_photograph(faces, moving_face.poses), axis=0))
            for faces in (observed[False], plain)
        ]
        assert trembling[0] < 0.5 * trembling[1]

    def test_pixels_of_the_crop_change_little(self, observed, moving_face):
        middle = np.mean([face.landmarks for face in observed[True]], axis=0)
        still = [align_face(frame, middle) for frame in moving_face.frames]
        changes = [
            np.abs(np.diff(np.array(crops, float), axis=0)).mean()
            for crops in ([face.crop for face in observed[True]], still)
        ]
        assert changes[0] < 0.4 * changes[1]

    def test_landmarks_are_right(self, observed, moving_face, marked):
        for face, pose in zip(observed[True], moving_face.poses, strict=True):
            truth = marked @ pose[:, :2].T + pose[:, 2]
            assert np.abs(face.landmarks - truth).mean() < 3.5
            assert (face.box[:2] < truth.min(axis=0)).all()
            assert (face.box[2:] > truth.max(axis=0)).all()


class TestVideo:
    def test_every_frame_has_its_observation(self, moving_face, without_faces, make_film, detector):
        frames = [*moving_face.frames[:3], *without_faces, *moving_face.frames[6:9]]
        with VideoReader(make_film(frames)) as video:
            faces = list(observe_faces(video, detector))
        assert [face.index for face in faces] == list(range(9))
        np.testing.assert_allclose([face.time for face in faces], np.arange(9) / 30, atol=1e-6)
        found = [face.crop is not None for face in faces]
        assert found == [True] * 3 + [False] * 3 + [True] * 3
        for face in faces:
            assert face.image.shape == (240, 320, 3)
            if face.crop is None:
                assert face.box is None
                assert face.landmarks is None
                assert face.score == 0
            else:
                assert face.crop.shape == (112, 112, 3)
                assert face.crop.dtype == np.uint8

    def test_no_face_anywhere(self, without_faces, make_film, detector):
        faces = list(observe_faces(VideoReader(make_film(without_faces)), detector))
        assert [face.crop for face in faces] == [None] * 3

    def test_twice_the_same(self, moving_face, make_film, detector):
        video = VideoReader(make_film(moving_face.frames[:5]))
        first, second = (list(observe_faces(video, detector)) for _ in range(2))
        for one, other in zip(first, second, strict=True):
            np.testing.assert_array_equal(one.crop, other.crop)
            np.testing.assert_array_equal(one.landmarks, other.landmarks)

    def test_reads_no_frame_ahead(self, moving_face, detector):
        read = []

        def frames():
            for index, image in enumerate(moving_face.frames):
                read.append(index)
                yield VideoFrame(index, index / 30, image)

        faces = observe_faces(frames(), detector)
        next(faces)
        next(faces)
        assert read == [0, 1]

    @pytest.mark.parametrize(("lost", "numbers"), [(11, [1, 1, 1]), (12, [1, 1, 2])])
    def test_a_hole_of_a_film_is_a_gap_of_its_faces(self, moving_face, detector, lost, numbers):
        """Of as many frames as the hole's seconds are at the film's rate."""

        class Torn(list):
            fps, gaps = 25.0, ((1 / 25, (2 + lost) / 25),)

        times = (0.0, 1 / 25, (2 + lost) / 25)
        frames = zip(times, moving_face.frames[:3], strict=True)
        film = Torn(VideoFrame(index, *each) for index, each in enumerate(frames))
        assert [face.face for face in observe_faces(film, detector)] == numbers

    def test_a_detector_is_needed(self, moving_face, make_film):
        with pytest.raises(ValueError, match="detector"):
            observe_faces(VideoReader(make_film(moving_face.frames[:1])), None)


class TestAlignedFolder:
    def test_images_are_given_as_they_are_and_gaps_are_frames_without_a_face(self, tmp_path):
        for number in (2, 5):
            cv2.imwrite(
                str(tmp_path / f"{number:05}.png"), np.full((112, 112, 3), number, np.uint8)
            )
        folder = AlignedFolder(tmp_path, fps=25)
        faces = list(observe_faces(folder, None))
        assert [face.index for face in faces] == list(range(5))
        assert [face.time for face in faces] == pytest.approx(np.arange(5) / 25)
        found = {face.index: int(face.crop[0, 0, 0]) for face in faces if face.crop is not None}
        assert found == {1: 2, 4: 5}
        assert [face.score for face in faces] == [0, 1, 0, 0, 1]
        assert all(face.image is face.box is face.landmarks is None for face in faces)


@pytest.mark.skipif(
    "MIMAMO_TEST_VIDEO" not in os.environ, reason="MIMAMO_TEST_VIDEO names no video of a face"
)
class TestRealVideo:
    @pytest.mark.slow
    def test_a_face_in_every_frame_and_twice_the_same(self, detector):
        video = VideoReader(os.environ["MIMAMO_TEST_VIDEO"])
        crops, again = ([face.crop for face in observe_faces(video, detector)] for _ in range(2))
        assert len(crops) == video.frame_count
        assert all(crop is not None for crop in crops)
        np.testing.assert_array_equal(crops, again)


def _in_photograph(faces, poses):
    """Return where the crops' grid lies in the photograph, [T, 64, 2], in pixels of the crop."""
    places, scales = [], []
    for face, pose in zip(faces, poses, strict=True):
        to_crop = crop_transform(face.landmarks) @ np.vstack([pose, [0, 0, 1]])
        places.append((GRID - to_crop[:, 2]) @ np.linalg.inv(to_crop[:, :2]).T)
        scales.append(np.hypot(*to_crop[:, 0]))
    return np.array(places) * np.mean(scales)


def _rms(vectors):
    return np.sqrt((vectors**2).sum(axis=-1).mean())
