"""Films with damaged places, or cut short: what decodes is used, what is missing is said once."""

from __future__ import annotations

import math
import re
import struct
from pathlib import Path

import numpy as np
import pytest
from support.films import SIZE, damage, face_frames, hole, noise, packets_of, write_film

from mimamo.errors import InputError
from mimamo.video import VideoReader, decoding


def read(path: Path) -> tuple[VideoReader, list[float]]:
    video = VideoReader(path)
    times = [frame.time for frame in video]
    assert times == sorted(times)
    return video, times


PLAIN = {"bf": "0", "g": "10"}  # no frame waits for a later one


class TestHoles:
    def test_packets_that_do_not_decode_are_skipped_and_the_gap_is_said(self, tmp_path):
        path = write_film(tmp_path / "x.mp4", noise(50), options=PLAIN)
        hole(path, 30, 33)
        video, times = read(path)
        assert video.missing is not None
        start, stop = map(float, re.fullmatch(
            rf"{path}: frames missing between ([\d.]+) s and ([\d.]+) s", video.missing
        ).groups())  # fmt: skip
        assert start == pytest.approx(29 / 25, abs=0.051)
        assert stop >= 34 / 25 - 0.051
        kept = {round(25 * time) for time in times}
        assert kept >= set(range(30)) | set(range(40, 50))  # up to the next key frame at most
        assert not kept & set(range(31, 33))
        ((before, after),) = video.gaps
        assert times.index(after) == times.index(before) + 1

    def test_several_are_one_line(self, tmp_path):
        path = write_film(tmp_path / "x.mp4", noise(60), "mjpeg", pix_fmt="yuvj420p")
        for number in range(5, 60, 10):
            hole(path, number, number)
        video, times = read(path)
        assert len(times) == 54
        assert video.missing == (
            f"{path}: frames missing between 0.16 s and 0.24 s, between 0.56 s and 0.64 s, "
            "between 0.96 s and 1.04 s and in 3 more places"
        )
        list(video)
        assert video.warnings == []

    @pytest.mark.parametrize(("first", "place"), [(0, "between 0.0 s and 0.1 s"),
                                                  (17, "after 0.6 s")])  # fmt: skip
    def test_at_the_ends(self, tmp_path, first, place):
        path = write_film(tmp_path / "x.mp4", noise(20), "mjpeg", pix_fmt="yuvj420p")
        hole(path, first, first + 2)
        video, times = read(path)
        assert len(times) == 17
        assert video.missing == f"{path}: frames missing {place}"
        assert len(video.gaps) == 1

    def test_a_frame_of_a_variable_rate(self, tmp_path):
        """It is missed though its neighbours are nearer than frames are on average."""
        times = [0.0, 0.5, 1.0, 1.5, 1.52, 1.54, 1.56, 2.0, 2.5]
        path = write_film(tmp_path / "x.mkv", noise(9), "mjpeg", times=times, pix_fmt="yuvj420p")
        packets = packets_of(path)
        place, size, _ = packets[5]
        damage(path, lambda data: data.__setitem__(
            slice(place + 8, place + size - 8), bytes(size - 16)
        ))  # fmt: skip
        video, found = read(path)
        assert found == pytest.approx(times[:5] + times[6:])
        assert video.missing == f"{path}: frames missing between 1.5 s and 1.6 s"

    @pytest.mark.parametrize("name", ["x.mkv", "x.webm", "x.ts", "x.ogv", "x.avi", "x.flv"])
    def test_in_every_container(self, tmp_path, name):
        codec = {"x.webm": "libvpx", "x.ogv": "libvpx", "x.avi": "mpeg4"}.get(name, "libx264")
        options = PLAIN if codec != "libvpx" else {}
        path = write_film(
            tmp_path / name, noise(60), codec, {"x.ogv": "ogg"}.get(name), options=options
        )
        size = path.stat().st_size

        def zero(data: bytearray) -> None:
            data[size // 2 : size // 2 + size // 8] = bytes(size // 8)

        video, times = read(damage(path, zero))
        assert 15 < len(times) < 60
        assert video.missing is not None


class TestNotDamaged:
    def test_a_count_or_duration_is_no_proof(self, tmp_path):
        """Sound longer than the picture; OpenCV computed a count of 75 from it."""
        path = write_film(tmp_path / "x.mkv", noise(25))
        longer = write_film(tmp_path / "y.mkv", noise(1), sound="aac")
        with_sound = write_film(tmp_path / "z.mkv", noise(25), times=None, sound="aac")
        for film, count in ((path, 25), (longer, 1), (with_sound, 25)):
            video, times = read(film)
            assert len(times) == count
            assert (video.missing, video.warnings) == (None, [])

    @pytest.mark.parametrize("tail", [b"\0\0\0\x20free", b"\0" * 5000, b"abc" * 999])
    def test_bytes_behind_the_last_box_are_nothing(self, make_video, tail):
        path = make_video()
        path.write_bytes(path.read_bytes() + tail)
        video, times = read(path)
        assert (len(times), video.missing, video.warnings) == (12, None, [])

    @pytest.mark.parametrize("end", ["first", "last"])
    def test_a_part_cut_out_without_encoding_it_again(self, make_video, end):
        """An edit list hides the first or last 8 frames, which are still there, and counted."""
        path = make_video(frames=20, options={"g": "50"})

        def hide(data: bytearray) -> None:
            place = data.index(b"elst") + 12  # 8.6.6: version 0, one entry: duration, media time
            length, start = struct.unpack_from(">Ii", data, place)
            unit = struct.unpack_from(">I", data, data.index(b"mdhd") + 16)[0]
            if end == "first":
                struct.pack_into(">i", data, place + 4, start + unit * 8 // 25)
            else:
                struct.pack_into(">I", data, place, length * 12 // 20)

        video, times = read(damage(path, hide))
        assert video.frame_count == 20
        assert len(times) == 12
        assert (video.missing, video.warnings) == (None, [])


class TestCutShort:
    @pytest.mark.parametrize(
        ("name", "codec"),
        [("x.avi", "mpeg4"), ("x.mkv", "libx264"), ("x.webm", "libvpx"), ("x.flv", "flv")],
    )
    def test_what_is_there_is_read_and_the_rest_said(self, tmp_path, name, codec):
        path = write_film(tmp_path / name, noise(60), codec)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        video, times = read(path)
        assert 15 < len(times) < 45
        assert video.missing == f"{path}: frames missing after {times[-1]:.1f} s"

    @pytest.mark.parametrize("place", [3, 6, 10])
    def test_a_short_film_that_is_read_whole_when_it_is_opened(self, tmp_path, place):
        """Where FFmpeg tells of the end only then."""
        images = list(face_frames(14 * "x", 192))
        path = write_film(tmp_path / "x.mkv", images, container_options={"live": "1"})
        assert read(path)[0].missing is None
        start, size, _ = packets_of(path)[place]
        path.write_bytes(path.read_bytes()[: start + size // 2])
        video, times = read(path)
        assert len(times) == place
        assert video.missing == f"{path}: frames missing after {times[-1]:.1f} s"

    @pytest.mark.parametrize("torn", [0, 100])
    def test_mp4_with_its_index_in_front(self, tmp_path, torn):
        """Cut between two packets, or within one."""
        path = write_film(
            tmp_path / "x.mp4", noise(40), options=PLAIN,
            container_options={"movflags": "+faststart"},
        )  # fmt: skip
        assert read(path)[0].missing is None
        place = packets_of(path)[25][0]
        path.write_bytes(path.read_bytes()[: place + torn])
        video, times = read(path)
        assert len(times) in (25, 26)
        assert video.missing == f"{path}: frames missing after {times[-1]:.1f} s"

    @pytest.mark.parametrize(("left", "reason"), [(0.5, "moov atom not found"), (0.95, "")])
    def test_mp4_with_its_index_lost(self, tmp_path, left, reason):
        path = write_film(tmp_path / "x.mp4", noise(12))
        path.write_bytes(path.read_bytes()[: int(left * path.stat().st_size)])
        with pytest.raises(InputError, match=rf"x\.mp4: expected a video.*{reason}"):
            VideoReader(path)

    def test_mp4_in_fragments(self, tmp_path):
        path = write_film(
            tmp_path / "x.mp4", noise(40), options=PLAIN,
            container_options={"movflags": "frag_keyframe+empty_moov"},
        )  # fmt: skip
        path.write_bytes(path.read_bytes()[: packets_of(path)[25][0] + 100])
        video, times = read(path)
        assert 25 <= len(times) <= 26
        assert video.missing == f"{path}: frames missing after {times[-1]:.1f} s"


def test_a_frame_that_asks_for_all_memory(make_video, monkeypatch):
    """A damaged header may; FFmpeg is told how many pixels are too many."""
    path = make_video()
    monkeypatch.setattr(decoding, "MOST_PIXELS", SIZE[0] * SIZE[1] - 1)
    with pytest.raises(InputError, match=r"clip\.mp4: expected a video with frames"):
        VideoReader(path)
    monkeypatch.setattr(decoding, "MOST_PIXELS", 1 << 26)
    assert VideoReader(path).size == SIZE


def test_gaps_are_infinite_at_the_end_only(make_video):
    from mimamo.video.reader import gaps_in_words

    assert gaps_in_words([(1.0, math.inf)]) == "after 1.0 s"
    assert (
        gaps_in_words([(1.0, 1.5), (2.04, math.inf)]) == "between 1.0 s and 1.5 s and after 2.0 s"
    )
    assert np.isfinite([frame.time for frame in VideoReader(make_video())]).all()
