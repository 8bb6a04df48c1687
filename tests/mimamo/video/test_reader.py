"""VideoReader: frames, times and pictures of films as people have them."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext
from av.stream import Disposition
from support.films import SIZE, damage, noise, packets_of, with_matrix, write_film

from mimamo.errors import InputError
from mimamo.video import ThinnedFilm, VideoReader


def difference(image: np.ndarray, expected: np.ndarray) -> float:
    """Mean difference; a lossy codec keeps it below 6, swapped channels would give 80."""
    assert image.dtype == np.uint8
    assert image.shape == expected.shape
    return float(np.abs(image.astype(float) - expected).mean())


class TestFrames:
    def test_all_frames_in_order_as_rgb(self, make_video, picture):
        with VideoReader(make_video()) as video:
            frames = list(video)
        assert [frame.index for frame in frames] == list(range(12))
        for frame in frames:
            assert difference(frame.image, picture(frame.index)) < 6

    def test_facts(self, make_video):
        video = VideoReader(make_video("some.clip.mp4"))
        facts = (video.name, video.size, video.fps, video.frame_count)
        assert facts == ("some.clip", (64, 48), 25.0, 12)
        list(video)
        assert video.fps == pytest.approx(25)
        assert video.missing is None
        assert video.warnings == []

    @pytest.mark.parametrize(
        ("name", "codec"),
        [
            ("x.mkv", "libx265"), ("x.webm", "libvpx"), ("x.webm", "libvpx-vp9"),
            ("x.mp4", "libsvtav1"), ("x.avi", "mpeg4"), ("x.ts", "mpeg2video"),
            ("x.flv", "flv"), ("x.ogv", "libvpx"), ("x.wmv", "wmv2"), ("x.mxf", "mpeg2video"),
            ("x.h264", "libx264"), ("x.265", "libx265"), ("x.264", "libx264"),
            ("x.m2v", "mpeg2video"), ("x.flv", "libx264"), ("x.flv", "libx265"),
        ],
    )  # fmt: skip
    def test_containers_and_codecs(self, make_video, picture, name, codec):
        raw = {"x.264": "h264", "x.265": "hevc", "x.m2v": "mpeg2video"}
        format = {"x.ogv": "ogg", **raw}.get(name)
        options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
        video = VideoReader(make_video(name, 12, codec, format, options=options))
        frames = list(video)
        assert len(frames) == 12
        np.testing.assert_allclose([f.time for f in frames], np.arange(12) / 25, atol=1.1e-3)
        assert max(difference(f.image, picture(f.index)) for f in frames) < 12
        assert (video.missing, video.warnings) == (None, [])

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
        assert video.missing is None
        assert video.warnings == []


class TestPictures:
    @pytest.mark.parametrize("degrees", [0, 90, 180, 270])
    @pytest.mark.parametrize("mirrored", [False, True])
    def test_they_are_upright(self, make_video, degrees, mirrored):
        upright = next(iter(VideoReader(make_video("a.mp4", options={"crf": "0"})))).image
        path = make_video("b.mp4", options={"crf": "0"}, rotation=(degrees, mirrored))
        video = VideoReader(path)
        expected = np.rot90(upright, degrees // 90)
        expected = expected[:, ::-1] if mirrored else expected
        assert video.size == expected.shape[1::-1]
        np.testing.assert_array_equal(next(iter(video)).image, expected)

    def test_a_matrix_of_the_track_header(self, make_video):
        """By its definition: a point (x, y) is shown at (a x + c y, b x + d y)."""
        upright = next(iter(VideoReader(make_video()))).image
        path = damage(make_video("turned.mp4"), lambda data: with_matrix(data, (0, 1, -1, 0)))
        np.testing.assert_array_equal(next(iter(VideoReader(path))).image, np.rot90(upright, -1))

    @pytest.mark.parametrize(
        ("pixel", "size"),
        [(Fraction(2), (128, 48)), (Fraction(15, 16), (64, 51)), (Fraction(4, 3), (85, 48))],
    )
    def test_pixels_are_square_and_nothing_is_lost(self, make_video, picture, pixel, size):
        video = VideoReader(make_video(pixel=pixel))
        assert video.size == size
        frame = list(video)[8]
        assert difference(frame.image[:, :: size[0] - 1], picture(8, size)[:, :: size[0] - 1]) < 9
        red = (frame.image[..., 0] > 180).mean()
        assert red == pytest.approx(0.5, abs=0.04)

    def test_a_pixels_shape_and_a_rotation_together(self, make_video):
        video = VideoReader(make_video(pixel=Fraction(2), rotation=(90, False)))
        assert video.size == (48, 128)

    def test_a_senseless_shape_is_not_believed(self, make_video):
        assert VideoReader(make_video(pixel=Fraction(1000))).size == SIZE

    def test_their_shape_changes_where_the_codec_says_so(self, make_video):
        """As television does from programme to programme."""
        path, wide = (make_video(f"{n}.ts", 30, pixel=Fraction(n)) for n in (1, 2))
        path.write_bytes(path.read_bytes() + wide.read_bytes())
        for threads in (1, 3):
            video = VideoReader(path, threads=threads)
            assert [frame.image.shape[1] for frame in video] == [64] * 30 + [128] * 30
            said = f"{path}: the picture size changes from 64x48 to 128x48 at 1.2 s"
            assert video.warnings == [said]

    def test_interlaced_frames_are_deinterlaced_one_for_one(self, tmp_path):
        """A bar that moves by 8 pixels a field leaves a comb, which is gone afterwards."""

        def field(place: int) -> np.ndarray:
            image = np.zeros((96, 128, 3), np.uint8)
            image[:, 8 * place : 8 * place + 24] = 255
            return image

        woven = []
        for number in range(6):
            woven.append(field(2 * number))
            woven[-1][1::2] = field(2 * number + 1)[1::2]
        plain = list(VideoReader(write_film(tmp_path / "p.mp4", woven)))
        frames = list(VideoReader(write_film(tmp_path / "i.mp4", woven, interlaced=True)))
        assert [frame.time for frame in frames] == [frame.time for frame in plain]
        for number, frame in enumerate(frames):
            lines = frame.image.astype(int).sum(axis=2)
            comb = np.abs(2 * lines[1:-1] - lines[:-2] - lines[2:]).mean()
            before = plain[number].image.astype(int).sum(axis=2)
            assert comb < 0.35 * np.abs(2 * before[1:-1] - before[:-2] - before[2:]).mean()

    def test_a_size_that_changes_is_each_frames_own_and_said_once(self, tmp_path):
        small = write_film(tmp_path / "a.ts", noise(5))
        large = write_film(tmp_path / "b.ts", noise(5, (96, 80)))
        path = tmp_path / "ab.ts"
        path.write_bytes(small.read_bytes() + large.read_bytes() + small.read_bytes())
        video = VideoReader(path)
        shapes = [frame.image.shape for frame in video]
        assert shapes == [(48, 64, 3)] * 5 + [(80, 96, 3)] * 5 + [(48, 64, 3)] * 5
        list(video)
        assert video.warnings == [f"{path}: the picture size changes from 64x48 to 96x80 at 0.2 s"]
        assert video.missing is None

    @pytest.mark.parametrize(
        ("degrees", "how"), [(90, "size changes from 64x48 to 48x64"), (180, "turns")]
    )
    def test_a_turn_that_its_key_frames_alone_tell_is_of_all_and_said_once(
        self, make_video, tmp_path, degrees, how
    ):
        plain = make_video("a.h264", 6, format="h264")
        message = f"h264_metadata=display_orientation=insert:rotate={degrees}"
        with av.open(str(plain)) as container:
            turning = BitStreamFilterContext(message, container.streams.video[0])
            packets = [packet for packet in container.demux(video=0) if packet.size]
            turned = b"".join(bytes(x) for packet in packets for x in turning.filter(packet))
        path = tmp_path / "b.h264"
        path.write_bytes(plain.read_bytes() + turned + plain.read_bytes())
        upright = [frame.image for frame in VideoReader(plain)]
        expected = [*upright, *(np.rot90(image, degrees // 90) for image in upright), *upright]
        video = VideoReader(path)
        frames = [frame.image for frame in video]
        assert len(frames) == 18
        for image, other in zip(frames, expected, strict=True):
            np.testing.assert_array_equal(image, other)
        assert (video.warnings, video.size_changes) == (
            [f"{path}: the picture {how} at 0.2 s"],
            True,
        )
        thinned = [frame.image for frame in ThinnedFilm(video, 12.5)]
        np.testing.assert_array_equal(thinned[4], expected[8])


class TestStreams:
    def test_the_first_that_decodes_is_used_and_the_others_said(self, tmp_path):
        path, sizes = tmp_path / "two.mkv", (SIZE, (96, 80))
        with av.open(str(path), "w") as output:
            streams = [output.add_stream("mpeg4", 25) for _ in sizes]
            for stream, size in zip(streams, sizes, strict=True):
                stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
            for images in zip(*(noise(5, size) for size in sizes), strict=True):
                for stream, image in zip(streams, images, strict=True):
                    output.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
            for stream in streams:
                output.mux(stream.encode(None))
        said = [f"{path}: has 2 video streams; the first that decodes is used"]
        video = VideoReader(path)
        assert (video.size, len(list(video)), video.warnings) == (SIZE, 5, said)

        places = packets_of(path)

        def spoil(data: bytearray) -> None:
            for place, size, _ in places:  # a block has a few bytes before its packet
                data[place + 8 : place + size - 8] = bytes(size - 16)

        video = VideoReader(damage(path, spoil))
        assert (video.size, len(list(video)), video.warnings) == (sizes[1], 5, said)

    def test_a_cover_is_no_film(self, tmp_path):
        path = tmp_path / "song.mp4"
        with av.open(str(path), "w") as output:
            sound = output.add_stream("aac", 48000, layout="mono")
            cover = output.add_stream("png", 1)
            cover.width, cover.height, cover.pix_fmt = *SIZE, "rgb24"
            cover.disposition = Disposition.attached_pic
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.float32), "fltp", "mono")
            silence.sample_rate = 48000
            output.mux(cover.encode(av.VideoFrame.from_ndarray(noise(1)[0])))
            output.mux(cover.encode(None))
            output.mux(sound.encode(silence))
            output.mux(sound.encode(None))
        with pytest.raises(InputError, match=r"song\.mp4: expected a video, found no pictures"):
            VideoReader(path)

    @pytest.mark.parametrize(
        ("name", "before", "after", "codec"),
        [
            ("x.mp4", b"avc1", b"evc1", r"evc \("),
            ("x.mp4", b"avc1", b"xyz1", "xyz1$"),
            ("x.mkv", b"ISO/AVC", b"ISO/XYZ", "unknown$"),
        ],
    )
    def test_a_codec_that_is_not_there_is_named(self, make_video, name, before, after, codec):
        path = make_video(name)
        path.write_bytes(path.read_bytes().replace(before, after))
        with pytest.raises(InputError, match=rf"FFmpeg has no decoder here for its codec, {codec}"):
            VideoReader(path)


class TestNames:
    @pytest.mark.parametrize(
        "name", [b"caf\xe9.mp4", b"a\nb.mp4", b"x" * 251 + b".mp4", b"-i.mp4", b"http:a%03d.mp4"]
    )
    def test_any_name_will_do(self, make_video, tmp_path, name):
        path = tmp_path / os.fsdecode(name)
        try:
            path.write_bytes(make_video("plain.mp4").read_bytes())
        except OSError:
            pytest.skip("this file system cannot hold the name")
        assert len(list(VideoReader(path))) == 12


MEMORY = """
import gc, sys
from pathlib import Path
from mimamo.video import VideoReader
gc.disable()  # nothing may wait for it
held = []
for frame in VideoReader(sys.argv[1]):
    held.append(int(Path("/proc/self/statm").read_text().split()[1]) * 4096)
print(len(held), (max(held) - held[40]) // 1_000_000)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="Linux alone tells it there")
@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.slow
def test_memory_does_not_grow_with_the_film(tmp_path, interlaced):
    """Of 200 pictures of 0.9 MB, upright only by their display matrix, few are held at a time."""
    path = write_film(
        tmp_path / "x.mp4", noise(4, (640, 480)) * 50, interlaced=interlaced, rotation=(90, True)
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", MEMORY, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    count, grown = map(int, done.stdout.split())
    assert count == 200
    assert grown < 30  # megabytes


def test_training_needs_no_ffmpeg() -> None:
    """Nor do a cache and the network: machines that train have what is needed there alone."""
    code = (
        "import sys; sys.modules['av'] = None\n"
        "import mimamo.data, mimamo.model, mimamo.train\n"
        "from mimamo.video import AlignedFolder, is_video\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
