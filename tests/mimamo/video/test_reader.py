"""VideoReader: frames, times, and what it says of files that are not whole videos."""

from __future__ import annotations

import os
import struct
import subprocess
import sys

import cv2
import numpy as np
import pytest

from mimamo.errors import InputError
from mimamo.video import VideoReader


class TestFrames:
    def test_all_frames_in_order_as_rgb(self, make_video, picture):
        with VideoReader(make_video()) as video:
            frames = list(video)
        assert [frame.index for frame in frames] == list(range(12))
        for frame in frames:
            assert frame.image.dtype == np.uint8
            error = frame.image.astype(float) - picture(frame.index)
            assert np.abs(error).mean() < 6  # a lossy codec; swapped channels would give 80

    def test_facts(self, make_video):
        video = VideoReader(make_video("some.clip.mp4"))
        facts = (video.name, video.size, video.fps, video.frame_count)
        assert facts == ("some.clip", (64, 48), 25.0, 12)
        list(video)
        assert not video.truncated
        assert video.warnings == []

    def test_times_are_the_containers(self, make_video):
        times = [frame.time for frame in VideoReader(make_video())]
        np.testing.assert_allclose(times, np.arange(12) / 25, atol=1e-6)

    def test_can_be_read_again_even_after_a_break(self, make_video):
        video = VideoReader(make_video())
        first = next(iter(video))
        again = list(video)
        assert len(again) == 12
        np.testing.assert_array_equal(first.image, again[0].image)

    def test_a_pass_that_is_cut_off_says_nothing_of_the_file(self, make_video):
        video = VideoReader(make_video())
        older = iter(video)
        next(older)
        newer = iter(video)
        next(newer)
        assert list(older) == []
        assert len(list(newer)) == 11
        with video:
            closed = iter(video)
            next(closed)
        assert list(closed) == []
        assert not video.truncated
        assert video.warnings == []

    def test_rotation_of_the_container_is_applied(self, make_video):
        upright = next(iter(VideoReader(make_video()))).image
        path = make_video("turned.mp4")
        _set_rotation_matrix(path, (0, 1, -1, 0))
        video = VideoReader(path)
        assert video.size == (48, 64)
        np.testing.assert_array_equal(next(iter(video)).image, np.rot90(upright, -1))


class TestTimesAndRatesThatAreMissing:
    @pytest.mark.parametrize("fps", [0.0, float("nan"), 90000.0])
    def test_unusable_rate_is_replaced_and_reported(self, make_video, monkeypatch, fps):
        _distort(monkeypatch, {cv2.CAP_PROP_FPS: fps})
        video = VideoReader(make_video())
        assert video.fps == 30
        assert len(video.warnings) == 1
        assert "frame rate" in video.warnings[0]

    @pytest.mark.parametrize("stamp", [0.0, -5.0, float("nan"), float("inf")])
    def test_senseless_times_follow_from_the_rate(self, make_video, monkeypatch, stamp):
        _distort(monkeypatch, {cv2.CAP_PROP_POS_MSEC: stamp})
        times = [frame.time for frame in VideoReader(make_video())]
        np.testing.assert_allclose(times, np.arange(12) / 25, atol=1e-9)

    @pytest.mark.parametrize("count", [0.0, -9.2e18])
    def test_unknown_count_is_none(self, make_video, monkeypatch, count):
        _distort(monkeypatch, {cv2.CAP_PROP_FRAME_COUNT: count})
        video = VideoReader(make_video())
        assert video.frame_count is None
        assert len(list(video)) == 12
        assert video.warnings == []


class TestFilesThatEndTooEarly:
    @pytest.mark.parametrize(("name", "code"), [("cut.avi", "MJPG"), ("cut.mkv", "mp4v")])
    def test_what_is_there_is_read_and_the_rest_reported(self, make_video, name, code):
        path = make_video(name, frames=60, code=code)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        _check_reported_as_truncated(path)

    def test_mp4_with_its_index_in_front(self, make_video):
        path = make_video(frames=20)
        data = _index_in_front(path.read_bytes())
        path.write_bytes(data)
        video = VideoReader(path)
        assert len(list(video)) == 20
        assert video.warnings == []  # the rearranged file is whole
        path.write_bytes(data[: -(data.index(b"mdat") // 2)])
        _check_reported_as_truncated(path)

    def test_mp4_with_its_index_lost(self, make_video):
        path = make_video()
        path.write_bytes(path.read_bytes()[:-200])
        with pytest.raises(InputError, match=r"clip\.mp4.*truncated"):
            VideoReader(path)

    def test_whole_mp4_with_fewer_frames_is_not_called_truncated(self, make_video, monkeypatch):
        _distort(monkeypatch, {cv2.CAP_PROP_FRAME_COUNT: 122.0})
        video = VideoReader(make_video())
        list(video)
        assert not video.truncated
        assert len(video.warnings) == 1
        assert "12 frames decoded of the 122" in video.warnings[0]

    def test_a_second_pass_does_not_report_again(self, make_video, monkeypatch):
        _distort(monkeypatch, {cv2.CAP_PROP_FRAME_COUNT: 122.0})
        video = VideoReader(make_video())
        list(video)
        list(video)
        assert len(video.warnings) == 1


BAD_CONTENT = {
    "nothing": b"",
    "text": b"valence,arousal\n0.1,0.2\n" * 50,
    "playlist": b"#EXTM3U\n#EXTINF:1,\n/etc/hostname\n",
    "noise": np.random.default_rng(0).bytes(5000),
    "other": b"\x89PNG\r\n\x1a\n" + bytes(50),
}


class TestWhatIsNotAVideo:
    @pytest.mark.parametrize("kind", BAD_CONTENT)
    def test_content(self, tmp_path, kind):
        path = tmp_path / "film.mp4"
        path.write_bytes(BAD_CONTENT[kind])
        _check_refused(path)

    def test_text_under_its_own_name(self, tmp_path):
        path = tmp_path / "notes.txt"  # FFmpeg would show it as a film of a terminal
        path.write_bytes(BAD_CONTENT["text"])
        _check_refused(path)

    @pytest.mark.parametrize(("name", "code"), [("none.mp4", "mp4v"), ("none.avi", "MJPG")])
    def test_container_without_frames(self, make_video, name, code):
        _check_refused(make_video(name, frames=0, code=code))

    def test_folder(self, tmp_path):
        _check_refused(tmp_path)

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
    def test_pipe(self, tmp_path):
        os.mkfifo(tmp_path / "pipe.mp4")
        _check_refused(tmp_path / "pipe.mp4")

    def test_missing_file(self, tmp_path):
        _check_refused(tmp_path / "none.mp4")

    def test_a_file_lost_after_opening(self, make_video):
        video = VideoReader(make_video())
        video.path.unlink()
        with pytest.raises(InputError, match=r"clip\.mp4"):
            next(iter(video))

    def test_opencv_and_ffmpeg_stay_silent(self, make_video, tmp_path):
        noise = tmp_path / "noise.mp4"
        noise.write_bytes(BAD_CONTENT["noise"])
        cut = make_video("cut.mkv", frames=60)
        cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
        program = (
            "import sys\n"
            "from mimamo.errors import InputError\n"
            "from mimamo.video import VideoReader\n"
            "try:\n"
            "    VideoReader(sys.argv[1])\n"
            "except InputError:\n"
            "    print('refused')\n"
            "print(len(list(VideoReader(sys.argv[2]))) > 0)\n"
        )
        command = [sys.executable, "-c", program, str(noise), str(cut)]
        environment = {name: os.environ[name] for name in os.environ if "OPENCV" not in name}
        environment["PYTHONPATH"] = os.pathsep.join(sys.path)
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
        assert done.stdout.split() == ["refused", "True"]
        assert done.stderr == ""


def _check_refused(path):
    with pytest.raises(InputError) as caught:
        VideoReader(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message


def _check_reported_as_truncated(path):
    video = VideoReader(path)
    found = len(list(video))
    assert 0 < found < video.frame_count
    assert video.truncated
    assert len(video.warnings) == 1
    for part in (str(path), "truncated", f"{found} frames decoded of the {video.frame_count}"):
        assert part in video.warnings[0]


def _distort(monkeypatch, answers):
    """Let every capture answer `get` from `answers` where these know the property."""

    class Capture:
        def __init__(self, *arguments):
            self._real = real(*arguments)

        def get(self, key):
            return answers.get(key, self._real.get(key))

        def __getattr__(self, name):
            return getattr(self._real, name)

    real = cv2.VideoCapture
    monkeypatch.setattr(cv2, "VideoCapture", Capture)


def _set_rotation_matrix(path, values):
    """Write the rotation (a, b, c, d) into the track header of an MP4 (ISO/IEC 14496-12, 8.3.2)."""
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40  # version 0: 40 bytes stand before the matrix
    a, b, c, d = (value << 16 for value in values)
    struct.pack_into(">9i", data, matrix, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


def _index_in_front(data):
    """Move an MP4's `moov` box before its `mdat`, as tools for streaming do."""
    boxes, offset = {}, 0
    while offset < len(data):
        size, kind = struct.unpack_from(">I4s", data, offset)
        boxes[kind] = bytearray(data[offset : offset + size])
        offset += size
    moov = boxes.pop(b"moov")
    table = moov.index(b"stco") + 8
    for entry in range(struct.unpack_from(">I", moov, table)[0]):
        where = table + 4 + 4 * entry
        struct.pack_into(">I", moov, where, struct.unpack_from(">I", moov, where)[0] + len(moov))
    first = boxes.pop(b"ftyp")
    return bytes(first + moov + b"".join(boxes.values()))
