"""YuNet: how its rows are read. Its network is not in the package: a stand-in answers for it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mimamo.errors import InputError
from mimamo.faces import CenterFace, YuNet
from mimamo.faces.centerface import bundled_model


class FakeYuNet:
    """Answers as `cv2.FaceDetectorYN` does for the image it is given."""

    rows = np.zeros((0, 15), np.float32)

    def setInputSize(self, size):
        self.size = size

    def detect(self, image):
        assert image.shape[1::-1] == self.size
        self.seen = image
        return 1, self.rows if len(self.rows) else None


@pytest.fixture
def fake(monkeypatch, tmp_path):
    """Return a stand-in that every new YuNet uses, and a file to open it from."""
    stand_in = FakeYuNet()
    monkeypatch.setattr(cv2.FaceDetectorYN, "create", lambda *arguments: stand_in)
    (tmp_path / "yunet.onnx").write_text("stand-in")
    stand_in.path = tmp_path / "yunet.onnx"
    return stand_in


class TestRows:
    def test_become_detections_in_the_images_pixels(self, fake):
        points = [30, 40, 60, 41, 45, 55, 33, 70, 58, 71]
        fake.rows = np.array(
            [[1, 2, 9, 9, *range(10), 0.7], [20, 25, 50, 60, *points, 0.9]], np.float32
        )
        best, second = YuNet(fake.path)(np.zeros((480, 640, 3), np.uint8))
        assert fake.size == (320, 240)
        assert (best.score, second.score) == pytest.approx((0.9, 0.7))
        # Twice as large; pixel centres are whole numbers: x -> 2·x + 1/2.
        np.testing.assert_allclose(best.box, np.array([20, 25, 70, 85]) * 2 + 0.5)
        np.testing.assert_allclose(best.landmarks.ravel(), np.array(points) * 2 + 0.5)

    def test_image_is_given_as_bgr(self, fake):
        YuNet(fake.path)(np.full((64, 64, 3), (200, 20, 10), np.uint8))
        assert fake.seen[0, 0].tolist() == [10, 20, 200]

    def test_nothing_is_looked_for_again_at_the_larger_size(self, fake):
        assert YuNet(fake.path)(np.zeros((1080, 1920, 3), np.uint8)) == []
        assert fake.size == (960, 540)


class TestModelFile:
    def test_missing(self, tmp_path):
        with pytest.raises(InputError, match=r"none\.onnx: expected a YuNet ONNX file"):
            YuNet(tmp_path / "none.onnx")

    def test_something_else(self, tmp_path, capfd):
        path = tmp_path / "other.onnx"
        path.write_text("not a network")
        with pytest.raises(InputError, match=r"other\.onnx: expected a YuNet ONNX file"):
            YuNet(path)
        assert capfd.readouterr().err == ""

    def test_the_network_of_another_detector(self, detector: CenterFace, capfd):
        with pytest.raises(InputError, match=r"centerface\.onnx: expected a YuNet ONNX file"):
            YuNet(bundled_model())
        assert capfd.readouterr().err == ""
