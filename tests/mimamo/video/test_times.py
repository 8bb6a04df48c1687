"""VideoReader: the times of a film's frames."""

from __future__ import annotations

import av
import numpy as np
import pytest
from support.films import noise, write_film

from mimamo.video import VideoReader
from mimamo.video.decoding import Decoding


class TestTimes:
    def test_times_are_the_containers(self, make_video):
        times = [frame.time for frame in VideoReader(make_video())]
        np.testing.assert_allclose(times, np.arange(12) / 25, atol=1e-6)

    @pytest.mark.parametrize(("name", "codec"), [("v.webm", "libvpx"), ("v.mp4", "libx264")])
    def test_a_variable_rate_keeps_each_frames_own(self, make_video, name, codec):
        given = [0.0, 0.04, 0.08, 0.5, 0.53, 1.2, 1.21, 1.9]
        video = VideoReader(make_video(name, len(given), codec, times=given))
        np.testing.assert_allclose([frame.time for frame in video], given, atol=1e-6)
        assert video.fps == pytest.approx(7 / 1.9)  # on average
        assert video.missing is None

    def test_they_count_from_the_containers_start(self, tmp_path):
        """The picture comes in half a second after the sound."""
        path = write_film(
            tmp_path / "x.mkv", noise(5), times=[0.5 + n / 25 for n in range(5)], sound="aac"
        )
        times = [frame.time for frame in VideoReader(path)]
        np.testing.assert_allclose(times, 0.5 + np.arange(5) / 25, atol=0.025)

    @pytest.mark.parametrize("bf", ["0", "2"])
    @pytest.mark.parametrize("name", ["x.mp4", "x.mov", "x.mkv", "x.ts", "x.avi", "x.flv"])
    def test_frames_that_wait_for_others_begin_at_0(self, make_video, name, bf):
        """AVI has no times, and FFmpeg's are late by the frames that wait; H.264 in FLV ends with
        a tag that holds no frame."""
        video = VideoReader(make_video(name, 12, options={"bf": bf, "g": "6"}))
        times = [frame.time for frame in video]
        np.testing.assert_allclose(times, np.arange(12) / 25, atol=1.1e-3)
        assert (video.missing, video.warnings) == (None, [])

    @pytest.mark.parametrize(("name", "bf"), [("x.mp4", "2"), ("x.mov", "2"), ("x.mp4", "0")])
    def test_what_an_edit_list_cuts_off_is_not_shown(self, make_video, name, bf):
        given = (np.arange(12) - 5) / 25
        options = {"avoid_negative_ts": "disabled"}
        path = make_video(name, 12, times=given, options={"bf": bf}, container_options=options)
        video = VideoReader(path)
        np.testing.assert_allclose([frame.time for frame in video], np.arange(7) / 25, atol=1e-6)
        assert video.missing is None

    def test_after_frames_before_0_come_the_others_at_their_own_times(self, make_video):
        """FFmpeg gives no times for what begins before a Matroska file's first cluster."""
        given = np.array([-0.08, -0.04, 0.0, 0.04, 0.5, 0.53, 1.2])
        options = {"avoid_negative_ts": "disabled"}
        path = make_video("x.mkv", len(given), times=given, container_options=options)
        video = VideoReader(path)
        times = [frame.time for frame in video]
        assert times[0] == 0
        np.testing.assert_allclose(np.diff(times[1:]), np.diff(given[1:]), atol=0.2)
        np.testing.assert_allclose(np.diff(times[2:]), np.diff(given[2:]), atol=1e-6)

    def test_a_stream_that_starts_at_any_time_starts_at_0(self, make_video):
        path = make_video("x.ts", 12, container_options={"output_ts_offset": "100"})
        with av.open(str(path)) as container:
            assert container.start_time >= 100 * av.time_base
        assert next(iter(VideoReader(path))).time == 0

    def test_recordings_joined_end_to_end_go_on(self, make_video):
        one, other = make_video("a.ts", 12, "mpeg2video"), make_video("b.ts", 12, "mpeg2video")
        one.write_bytes(one.read_bytes() + other.read_bytes())
        times = np.array([frame.time for frame in VideoReader(one)])
        assert len(times) == 24
        np.testing.assert_allclose(np.diff(times), 0.04, atol=1e-6)

    def test_avi_in_any_order_of_frames(self, make_video):
        """It has no times of frames that are stored in another order; FFmpeg guesses them."""
        reordered = {"preset": "medium", "bf": "3", "g": "12"}
        times = [frame.time for frame in VideoReader(make_video("x.avi", 72, options=reordered))]
        np.testing.assert_allclose(times, np.arange(72) / 25, atol=1e-6)

    def test_times_that_go_back_and_forth_are_no_two_alike(self, make_video):
        """ASF has no times of frames that are stored in another order; FFmpeg guesses them."""
        reordered = {"preset": "medium", "bf": "3", "g": "12"}
        times = [frame.time for frame in VideoReader(make_video("x.asf", 72, options=reordered))]
        assert len(times) == 72
        assert np.diff(times).min() > 0.01

    def test_times_that_are_missing_follow_from_the_rate(self, make_video, monkeypatch):
        monkeypatch.setattr(Decoding, "stamp", staticmethod(lambda frame: None))
        times = [frame.time for frame in VideoReader(make_video())]
        np.testing.assert_allclose(times, np.arange(12) / 25, atol=1e-9)

    def test_a_rate_that_is_needed_and_missing_is_said(self, make_video, monkeypatch):
        monkeypatch.setattr(Decoding, "stamp", staticmethod(lambda frame: None))
        monkeypatch.setattr("mimamo.video.reader._HIGHEST_FPS", 20)
        path = make_video()
        video = VideoReader(path)
        assert video.fps == 30
        list(video)
        assert video.warnings == [
            f"{path}: has frames without times and no frame rate; 30 a second assumed"
        ]

    def test_nothing_is_said_where_it_is_not_needed(self, make_video, monkeypatch):
        monkeypatch.setattr("mimamo.video.reader._HIGHEST_FPS", 20)
        video = VideoReader(make_video())
        list(video)
        assert (video.warnings, video.fps) == ([], pytest.approx(25))
