"""The film of a page: the file itself where every browser plays it, and else a copy."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image
from support.films import FPS, picture, write_film

from mimamo.page.film import write_playable
from mimamo.video import AlignedFolder, FrameFolder, VideoReader


def images(count: int = 6, size: tuple[int, int] = (64, 48)) -> list[np.ndarray]:
    return [picture(index, size) for index in range(count)]


def played(video, copy):
    frames = [frame.time for frame in video] if not isinstance(video, AlignedFolder) else None
    times = np.array(frames) if frames else np.arange(video.frame_count) / video.fps
    return write_playable(copy, video, times), times


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
        ("a.mp4", "libx264", {"interlaced": True}),
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
