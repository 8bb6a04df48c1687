"""VideoWriter: what it writes, and that it leaves nothing half written."""

from __future__ import annotations

import os
from contextlib import suppress
from fractions import Fraction

import av
import numpy as np
import pytest
from support.films import damage, noise, write_film

from mimamo.errors import InputError
from mimamo.video import VideoReader, VideoWriter
from mimamo.video.sound import _Stamps


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

    def test_a_browser_plays_it(self, tmp_path, picture):
        path = tmp_path / "out.mp4"
        with VideoWriter(path, 25) as writer:
            writer.write(picture(0))
        data = path.read_bytes()
        assert data.index(b"moov") < data.index(b"mdat")  # it starts before it is there in full
        with av.open(str(path)) as container:
            context = container.streams.video[0].codec_context
            assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
            assert (context.colorspace, context.color_range) == (1, 1)  # BT.709, limited

    def test_frames_have_the_times_they_are_given(self, tmp_path, picture):
        times = [0.0, 0.04, 0.08, 0.5, 0.501, 2.5]
        with VideoWriter(tmp_path / "out.mp4", 25) as writer:
            for index, time in enumerate(times):
                writer.write(picture(index), time)
        video = VideoReader(tmp_path / "out.mp4")
        np.testing.assert_allclose([frame.time for frame in video], times, atol=6e-6)
        with av.open(str(video.path)) as container:
            stream = container.streams.video[0]
            assert float(stream.duration * stream.time_base) == pytest.approx(2.54)

    def test_any_name_will_do(self, tmp_path, picture):
        path = tmp_path / os.fsdecode(b"caf\xe9\n.mp4")
        try:
            path.touch()
        except OSError:
            pytest.skip("this file system cannot hold the name")
        with VideoWriter(path, 25) as writer:
            writer.write(picture(0))
        assert len(list(VideoReader(path))) == 1

    def test_an_older_file_stays_until_the_new_one_is_complete(self, tmp_path, picture):
        path = tmp_path / "out.mp4"
        path.write_text("older")
        with VideoWriter(path, 25) as writer:
            writer.write(picture(0))
            assert path.read_text() == "older"
        assert len(list(VideoReader(path))) == 1


class TestSound:
    def film(self, path, name, codec, picture, warn=pytest.fail):
        """A video of 10 frames with the sound of another."""
        source = write_film(path / name, noise(10), "mpeg4", sound=codec)
        with VideoWriter(path / "out.mp4", 25, sound=source, warn=warn) as writer:
            for index in range(10):
                writer.write(picture(index))
        return path / "out.mp4"

    @pytest.mark.parametrize(
        ("name", "codec", "expected"),
        [
            ("in.mp4", "aac", "aac"), ("in.ts", "aac", "aac"), ("in.mkv", "libopus", "opus"),
            ("in.avi", "libmp3lame", "mp3float"), ("in.mkv", "flac", "flac"),
            ("in.avi", "pcm_s16le", "aac"), ("in.mkv", "ac3", "aac"),
        ],
    )  # fmt: skip
    def test_it_is_taken_over(self, tmp_path, picture, name, codec, expected):
        path = self.film(tmp_path, name, codec, picture)
        assert [frame.index for frame in VideoReader(path)] == list(range(10))
        with av.open(str(path)) as container:
            (sound,) = container.streams.audio
            assert sound.codec_context.name == expected
            heard = [frame.to_ndarray() for frame in container.decode(sound)]
        samples = np.concatenate([x.mean(axis=0) for x in heard]).astype(float)
        assert len(samples) / 48000 == pytest.approx(0.4, abs=0.06)
        middle = samples[4800:14400] / np.abs(samples).max()
        # The tone of `write_film`, 20 samples a radian.
        spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
        tone = np.argmax(spectrum) / len(middle) * 2 * np.pi
        assert tone == pytest.approx(1 / 20, abs=2e-3)

    def test_it_starts_where_it_did(self, tmp_path, picture):
        """In a film whose stamps begin anywhere, and whose picture comes later."""
        times = [0.3 + n / 25 for n in range(10)]
        source = write_film(
            tmp_path / "in.ts", noise(10), times=times, sound="aac",
            container_options={"output_ts_offset": "50"},
        )  # fmt: skip
        video = VideoReader(source)
        found = [frame.time for frame in video]
        with VideoWriter(tmp_path / "out.mp4", 25, sound=source, warn=pytest.fail) as writer:
            for frame in video:
                writer.write(frame.image, frame.time)
        np.testing.assert_allclose(
            [frame.time for frame in VideoReader(tmp_path / "out.mp4")], found, atol=1e-3
        )
        with av.open(str(tmp_path / "out.mp4")) as container:
            assert next(container.decode(audio=0)).time == pytest.approx(0, abs=0.03)

    @pytest.mark.parametrize("codec", ["aac", "ac3"])
    def test_of_recordings_joined_end_to_end_it_goes_on(self, tmp_path, picture, codec):
        source = write_film(tmp_path / "in.ts", noise(50), "mpeg2video", sound=codec)
        source.write_bytes(2 * source.read_bytes())
        with VideoWriter(tmp_path / "out.mp4", 25, sound=source, warn=pytest.fail) as writer:
            for index in range(100):
                writer.write(picture(index % 20))
        with av.open(str(tmp_path / "out.mp4")) as container:
            heard = [(frame.time, frame.samples / 48000) for frame in container.decode(audio=0)]
        steps = np.diff([time for time, _ in heard])
        assert sum(seconds for _, seconds in heard) == pytest.approx(4, abs=0.15)
        assert np.abs(steps - heard[0][1]).max() < 0.05

    def test_stamps_that_fall_back_are_left_out_up_to_a_second(self):
        stamps = _Stamps(5, Fraction(1, 100))
        found = [stamps(stamp, 10) for stamp in (105, 100, 115, 15, 5, 15)]
        assert found == [100, None, 110, None, 120, 130]  # the fifth begins another recording

    def test_none_is_no_matter(self, tmp_path, picture):
        path = self.film(tmp_path, "in.mp4", None, picture)
        with av.open(str(path)) as container:
            assert len(container.streams.audio) == 0

    def test_a_codec_that_is_not_there_is_said(self, tmp_path, picture):
        source = write_film(tmp_path / "in.mkv", noise(3), "mpeg4", sound="flac")
        damage(source, lambda data: data.__setitem__(
            slice(None), data.replace(b"A_FLAC", b"A_WHAT")
        ))  # fmt: skip
        said = []
        with VideoWriter(tmp_path / "out.mp4", 25, sound=source, warn=said.append) as writer:
            writer.write(picture(0))
        assert said == [f"{source}: its sound is left out: no decoder for its codec"]
        assert len(list(VideoReader(tmp_path / "out.mp4"))) == 1

    @pytest.mark.parametrize("codec", ["aac", "pcm_s16le"])
    def test_a_damaged_place_does_not_end_it(self, tmp_path, picture, codec):
        source = write_film(tmp_path / "in.mkv", noise(50), "mpeg4", sound=codec)
        size = source.stat().st_size
        damage(source, lambda data: data.__setitem__(
            slice(size // 3, size // 3 + 5000), bytes(5000)
        ))  # fmt: skip
        with VideoWriter(tmp_path / "out.mp4", 25, sound=source) as writer:
            for index in range(50):
                writer.write(picture(index % 20))
        assert len(list(VideoReader(tmp_path / "out.mp4"))) == 50
        with av.open(str(tmp_path / "out.mp4")) as container:
            heard = 0
            for packet in container.demux(audio=0):
                with suppress(av.FFmpegError):
                    heard += len(packet.decode())
            assert heard > 10


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

    def test_full_disk(self, tmp_path, capfd):
        """In the pictures, or while the index is put in front: the file is whole or not there.

        With some sizes PyAV printed the traceback of one of two errors.
        """
        resource = pytest.importorskip("resource", reason="file size limits are POSIX")
        noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
        frames = [np.roll(noise, i, axis=1) for i in range(10)]
        out = tmp_path / "out.mp4"
        _write_all(out, frames)
        whole = out.read_bytes()
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        for largest in (0, *range(len(whole) // 16, len(whole), len(whole) // 16 - 1)):
            out.unlink(missing_ok=True)
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, before[1]))
            try:
                with pytest.raises(
                    InputError, match=r"out\.mp4: cannot be written: File too large$"
                ):
                    _write_all(out, frames)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, before)
            assert list(tmp_path.iterdir()) == []
        _write_all(out, frames)
        assert out.read_bytes() == whole
        assert capfd.readouterr() == ("", "")


def _write_all(path, frames):
    with VideoWriter(path, 25) as writer:
        for frame in frames:
            writer.write(frame)
