"""The films that reading is measured on, and how they were read before."""

from __future__ import annotations

import numpy as np
import pytest
from support.films import picture, write_film

from benchmarks.suites.reading import OpenCVFilm, repeated
from mimamo.video import VideoReader, VideoWriter


def test_a_film_repeated(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", 25) as writer:
        for index in range(12):
            writer.write(picture(index))
    repeated(tmp_path / "a.mp4", tmp_path / "b.mp4", 3)
    once, video = list(VideoReader(tmp_path / "a.mp4")), VideoReader(tmp_path / "b.mp4")
    frames = list(video)
    assert [frame.time for frame in frames] == pytest.approx(np.arange(36) / 25, abs=1e-6)
    assert (video.missing, video.warnings) == (None, [])
    for frame in frames:
        np.testing.assert_array_equal(frame.image, once[frame.index % 12].image)


def test_opencvs_frames_are_ours(tmp_path):
    path = write_film(tmp_path / "a.mp4", map(picture, range(12)))
    before, now = list(OpenCVFilm(path)), list(VideoReader(path))
    assert [x.time for x in before] == pytest.approx([x.time for x in now])
    for one, other in zip(before, now, strict=True):
        assert np.abs(one.image.astype(int) - other.image).mean() < 3
