"""VideoWriter: what it writes, and that it leaves nothing half written."""

from __future__ import annotations

import numpy as np
import pytest

from mimamo.errors import InputError
from mimamo.video import VideoReader, VideoWriter


class TestWriting:
    def test_frames_come_back(self, tmp_path, picture):
        path = tmp_path / "out.mp4"
        with VideoWriter(path, 29.97) as writer:
            for index in range(10):
                writer.write(picture(index))
        video = VideoReader(path)
        frames = list(video)
        assert video.fps == pytest.approx(29.97)
        assert len(frames) == 10
        for frame in frames:
            assert np.abs(frame.image.astype(float) - picture(frame.index)).mean() < 6
        assert [entry.name for entry in tmp_path.iterdir()] == ["out.mp4"]

    @pytest.mark.parametrize("shape", [(47, 63), (47, 64), (48, 63)])
    def test_odd_sides_grow_by_their_last_line(self, tmp_path, picture, shape):
        image = picture(8)[: shape[0], : shape[1]]
        path = tmp_path / "odd.mp4"
        with VideoWriter(path, 25) as writer:
            writer.write(image)
        (frame,) = VideoReader(path)
        assert frame.image.shape == (48, 64, 3)
        cut = frame.image[: shape[0], : shape[1]]
        assert np.abs(cut.astype(float) - image).mean() < 6
        assert np.abs(frame.image[:, -1].astype(float) - frame.image[:, -2]).mean() < 6

    def test_a_view_with_strides_is_written_right(self, tmp_path, picture):
        path = tmp_path / "flipped.mp4"
        with VideoWriter(path, 25) as writer:
            writer.write(picture(8)[:, ::-1])
        (frame,) = VideoReader(path)
        assert np.abs(frame.image.astype(float) - picture(8)[:, ::-1]).mean() < 6

    def test_an_older_file_stays_until_the_new_one_is_complete(self, tmp_path, picture):
        path = tmp_path / "out.mp4"
        path.write_text("older")
        with VideoWriter(path, 25) as writer:
            writer.write(picture(0))
            assert path.read_text() == "older"
        assert len(list(VideoReader(path))) == 1


class TestFailures:
    def test_an_exception_leaves_nothing_behind(self, tmp_path, picture):
        with pytest.raises(AttributeError):
            _write_all(tmp_path / "out.mp4", [picture(0), None])
        assert list(tmp_path.iterdir()) == []

    def test_no_frames(self, tmp_path):
        with pytest.raises(ValueError, match="no frame"), VideoWriter(tmp_path / "out.mp4", 25):
            pass
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        "image",
        [
            np.zeros((48, 64, 3), np.float32),
            np.zeros((48, 64), np.uint8),
            np.zeros((48, 64, 4), np.uint8),
            np.zeros((0, 64, 3), np.uint8),
            np.zeros((48, 66, 3), np.uint8),  # not the first frame's size
        ],
    )
    def test_frames_of_another_kind(self, tmp_path, picture, image):
        with VideoWriter(tmp_path / "out.mp4", 25) as writer:
            writer.write(picture(0))
            with pytest.raises(ValueError, match="image: expected"):
                writer.write(image)

    @pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf")])
    def test_frame_rate(self, tmp_path, fps):
        with pytest.raises(ValueError, match="fps"):
            VideoWriter(tmp_path / "out.mp4", fps)

    def test_suffix(self, tmp_path):
        with pytest.raises(InputError, match=r"out\.avi.*\.mp4"):
            VideoWriter(tmp_path / "out.avi", 25)

    def test_folder_in_the_way(self, tmp_path):
        (tmp_path / "out.mp4").mkdir()
        with pytest.raises(InputError, match=r"out\.mp4.*folder"):
            VideoWriter(tmp_path / "out.mp4", 25)

    def test_folder_that_is_missing(self, tmp_path):
        with pytest.raises(InputError, match=r"out\.mp4"), VideoWriter(tmp_path / "no/out.mp4", 25):
            pass

    def test_full_disk(self, tmp_path):
        resource = pytest.importorskip("resource", reason="file size limits are POSIX")
        noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
        try:
            with pytest.raises(InputError, match=r"out\.mp4.*frames could be written"):
                _write_all(tmp_path / "out.mp4", [np.roll(noise, i, axis=1) for i in range(10)])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert list(tmp_path.iterdir()) == []


def _write_all(path, frames):
    with VideoWriter(path, 25) as writer:
        for frame in frames:
            writer.write(frame)
