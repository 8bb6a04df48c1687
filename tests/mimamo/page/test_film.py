"""The film of a page: the file itself where every browser plays it, and else a copy."""

from __future__ import annotations

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from support.films import FPS, picture, write_film

from mimamo.page.film import write_playable
from mimamo.video import AlignedFolder, FrameFolder, ThinnedFilm, VideoReader


def images(count: int = 6, size: tuple[int, int] = (64, 48)) -> list[np.ndarray]:
    return [picture(index, size) for index in range(count)]


def played(video, copy):
    frames = [frame.time for frame in video] if not isinstance(video, AlignedFolder) else None
    times = np.array(frames) if frames else np.arange(video.frame_count) / video.fps
    return write_playable(copy, video, times).path, times


def of_two_sizes(path: Path) -> Path:
    """A WebM of one stream, of three pictures of 64x48 pixels and three of 90x120.

    All are grey, with a white square from (20, 10) to (40, 30).
    """
    parts = []
    for width, height in ((64, 48), (90, 120)):
        image = np.full((height, width, 3), 90, np.uint8)
        image[10:30, 20:40] = 255
        parts.append(write_film(path.with_name(f"{width}.webm"), [image] * 3, "libvpx"))
    with ExitStack() as stack:
        one, other = (stack.enter_context(av.open(str(part))) for part in parts)
        output = stack.enter_context(av.open(str(path), "w"))
        joined = output.add_stream_from_template(one.streams.video[0])
        for container, later in ((one, 0), (other, 3)):
            for packet in container.demux(video=0):
                if packet.size:
                    packet.pts += round(later / FPS / packet.time_base)
                    packet.dts, packet.stream = packet.pts, joined
                    output.mux(packet)
    return path


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "libx264"), ("a.webm", "libvpx"), ("a.webm", "libvpx-vp9")]
)
def test_what_browsers_play_is_taken_as_it_is(tmp_path, name, codec):
    write_film(tmp_path / name, images(), codec)
    film, _ = played(VideoReader(tmp_path / name), tmp_path / "copy.mp4")
    assert film == tmp_path / name
    assert not (tmp_path / "copy.mp4").exists()


@pytest.mark.parametrize(
    ("name", "codec", "how"),
    [
        ("a.mkv", "libx264", {}),
        ("a.avi", "mpeg4", {}),
        ("a.mp4", "mpeg4", {}),
        ("a.mp4", "libx264", {"pixel": Fraction(2)}),
        ("a.mp4", "libx264", {"rotation": (90, False)}),
        ("a.mp4", "libx264", {"rotation": (0, True)}),
        ("a.mp4", "libx264", {"pix_fmt": "yuv444p"}),
        ("a.mp4", "libx264", {"interlaced": True}),
        ("a.webm", "libvpx-vp9", {"pix_fmt": "yuva420p"}),
        ("a.mp4", "libx264", {"times": [10 + index / FPS for index in range(6)]}),
        ("a.webm", "libvpx", {"times": [10 + index / FPS for index in range(6)]}),
    ],
)
def test_other_films_are_copied(tmp_path, name, codec, how):
    write_film(tmp_path / name, images(), codec, **how)
    video = VideoReader(tmp_path / name)
    film, times = played(video, tmp_path / "copy.mp4")
    assert film == tmp_path / "copy.mp4"
    copy = VideoReader(film)
    assert copy.size == video.size
    assert played(copy, tmp_path / "other.mp4")[0] == film  # which browsers play
    np.testing.assert_allclose([frame.time for frame in copy], times, atol=1e-4)


@pytest.mark.parametrize(
    "times", [[0.0, 0.04, 0.08, 1.0, 1.04, 1.08], [0.0, 0.04, 0.08, 0.12, 0.22, 0.32]]
)
def test_frames_that_come_unevenly_are_copied_if_they_are_reordered(tmp_path, times):
    """One step much longer than the rest, and some that are little more than twice as long."""
    for name, reordered in (("a.mp4", "2"), ("b.mp4", "0")):
        write_film(tmp_path / name, images(), times=times, options={"bf": reordered})
        film, found = played(VideoReader(tmp_path / name), tmp_path / "copy.mp4")
        assert film == tmp_path / ("copy.mp4" if reordered == "2" else name)
        np.testing.assert_allclose([frame.time for frame in VideoReader(film)], found, atol=1e-4)


def test_a_film_that_is_only_called_mp4_is_copied(tmp_path):
    """Browsers go by what is in a file."""
    path = tmp_path / "a.mp4"
    write_film(tmp_path / "a.ts", images(), "libx264").rename(path)
    assert played(VideoReader(path), tmp_path / "copy.mp4")[0] == tmp_path / "copy.mp4"


def test_large_pictures_become_smaller(tmp_path):
    write_film(tmp_path / "a.avi", images(3, (1281, 641)), "mpeg4")
    film, _ = played(VideoReader(tmp_path / "a.avi"), tmp_path / "copy.mp4")
    assert VideoReader(film).size == (960, 480)


def test_pictures_in_folders_are_copied(tmp_path):
    for name in ("faces", "frames"):
        (tmp_path / name).mkdir()
    for number in (1, 2, 5):
        Image.new("RGB", (112, 112), (250, 10, 10)).save(tmp_path / "faces" / f"{number:05}.png")
        Image.new("RGB", (64, 48), (10, 10, 250)).save(tmp_path / "frames" / f"img{number}.png")
    film, _ = played(AlignedFolder(tmp_path / "faces", fps=FPS), tmp_path / "a.mp4")
    shown = [frame.image[50, 50].astype(int) for frame in VideoReader(film)]
    grey, red = np.array([128] * 3), np.array([250, 10, 10])
    for image, expected in zip(shown, [red, red, grey, grey, red], strict=True):
        assert np.abs(image - expected).max() < 12
    film, times = played(FrameFolder(tmp_path / "frames", fps=FPS), tmp_path / "b.mp4")
    assert [frame.time for frame in VideoReader(film)] == pytest.approx(times.tolist(), abs=1e-4)


def test_pictures_of_another_size_are_fitted_into_the_first(tmp_path):
    video = VideoReader(of_two_sizes(tmp_path / "a.webm"))
    times = np.array([frame.time for frame in video])
    assert len(times) == 6
    film = write_playable(tmp_path / "copy.mp4", video, times)
    assert (film.path, film.size) == (tmp_path / "copy.mp4", (64, 48))
    assert film.scale[:, 0].tolist() == [1, 1, 1, 0.4, 0.4, 0.4]
    for frame, scale, shift in zip(VideoReader(film.path), film.scale, film.shift, strict=True):
        bright = np.argwhere(frame.image[..., 1] > 170)[:, ::-1]
        for corner, there in ((20, 10), bright.min(axis=0)), ((39, 29), bright.max(axis=0)):
            assert np.abs(scale * corner + shift - there).max() <= 1
        assert (frame.image[20, 2].mean() < 30) == (scale[0] < 1)  # black beside it


def test_odd_sides_are_those_of_the_copy(tmp_path):
    write_film(tmp_path / "a.mkv", images(3, (65, 49)), "ffv1")
    video = VideoReader(tmp_path / "a.mkv")
    film = write_playable(tmp_path / "copy.mp4", video, np.arange(3) / FPS)
    assert film.size == VideoReader(film.path).size == (66, 50)
    assert np.ptp(film.scale) == np.ptp(film.shift) == 0


def test_a_thinned_film_is_copied(tmp_path):
    write_film(tmp_path / "a.mp4", images())
    film, times = played(ThinnedFilm(VideoReader(tmp_path / "a.mp4"), 12.5), tmp_path / "copy.mp4")
    assert len(times) == 3
    np.testing.assert_allclose([frame.time for frame in VideoReader(film)], times, atol=1e-4)
