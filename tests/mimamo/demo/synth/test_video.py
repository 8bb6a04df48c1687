"""The rendered video and its truth."""

from __future__ import annotations

import numpy as np
import pytest

from mimamo.demo.synth.video import camera_tilt, write_video
from mimamo.errors import InputError
from mimamo.faces import CenterFace
from mimamo.video import VideoReader

FRAMES = 30


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """(its path, its truth)."""
    path = tmp_path_factory.mktemp("video") / "face.mp4"
    return path, write_video(path, frames=FRAMES, size=(480, 270), seed=2)


def test_it_has_its_frames_size_and_rate(video):
    path, truth = video
    with VideoReader(path) as reader:
        shapes = [frame.image.shape for frame in reader]
        assert reader.fps == pytest.approx(30)
    assert shapes == [(270, 480, 3)] * FRAMES
    assert truth.times == pytest.approx(np.arange(FRAMES) / 30)
    assert truth.values.shape == (FRAMES, 2)
    assert np.abs(truth.values).max() <= 1


def test_the_face_is_found_where_the_truth_says_it_is_in_view(video):
    path, truth = video
    assert not truth.in_view[0]
    assert truth.in_view.any()
    detector = CenterFace()
    with VideoReader(path) as reader:
        for frame in reader:
            if frame.index == 0:
                assert detector(frame.image) == []
            elif truth.in_view[frame.index] and frame.index % 4 == 0:
                assert len(detector(frame.image)) == 1


def test_the_same_seed_gives_the_same_video(video, tmp_path):
    path, truth = video
    again = write_video(tmp_path / path.name, frames=FRAMES, size=(480, 270), seed=2)
    np.testing.assert_array_equal(again.values, truth.values)
    with VideoReader(path) as one, VideoReader(tmp_path / path.name) as other:
        for first, second in zip(one, other, strict=True):
            np.testing.assert_array_equal(first.image, second.image)


def test_the_camera_comes_stays_and_looks_away_once():
    tilt = camera_tilt(np.arange(300) / 30)
    assert tilt[0] == 1
    assert tilt[-1] == 0
    assert tilt.min() >= 0
    assert tilt.max() <= 1
    away = np.flatnonzero(np.diff((tilt > 0.5).astype(int)) == 1)
    assert len(away) == 1
    assert (tilt[180:] == 1).sum() == 21  # a fourteenth of it
    assert (tilt == 0).mean() > 0.7


def test_a_path_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        write_video(tmp_path / "nowhere" / "face.mp4", frames=2)
