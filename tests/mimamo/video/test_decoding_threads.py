"""Several of FFmpeg's threads give what one gives, of whole films and of damaged ones."""

from __future__ import annotations

import numpy as np
import pytest
from support.films import SIZE, noise, packets_of, write_film

from mimamo.threads import decoders
from mimamo.video import VideoReader

CODECS = [("x.mp4", "libx264"), ("x.webm", "libvpx-vp9"), ("x.mkv", "mpeg4"), ("x.ts", "libx264")]


def _all(path, threads):
    video = VideoReader(path, threads=threads)
    for _ in range(2):  # as it can be read again
        frames = list(video)
    said = video.missing, video.warnings, video.fps, video.size_changes
    return [(x.index, x.time) for x in frames], [x.image for x in frames], said


def _assert_same(path):
    (places, images, said), (expected, others, words) = _all(path, 3), _all(path, 1)
    assert (places, said) == (expected, words)
    assert all(np.array_equal(*pair) for pair in zip(images, others, strict=True))
    return places, said


@pytest.mark.parametrize(("name", "codec"), CODECS)
def test_whole_films(tmp_path, name, codec):
    places, said = _assert_same(write_film(tmp_path / name, noise(30), codec))
    assert [index for index, _ in places] == list(range(30))
    assert said[:2] == (None, [])


@pytest.mark.parametrize(("name", "codec"), CODECS)
@pytest.mark.parametrize("place", [0.4, 0.9])
def test_damaged_films(tmp_path, name, codec, place):
    """Of threads, one tells of an error some frames later than it gives them."""
    path = write_film(tmp_path / name, noise(30), codec, options={"g": "8"})
    start, size, _ = packets_of(path)[int(place * 30)]
    with path.open("r+b") as file:
        file.seek(start + size // 3)
        file.write(bytes(max(size // 3, 200)))
    _assert_same(path)


def test_a_size_that_changes_after_a_damaged_place(tmp_path):
    small = write_film(tmp_path / "a.ts", noise(20))
    large = write_film(tmp_path / "b.ts", noise(20, (96, 80)))
    path = tmp_path / "ab.ts"
    data = bytearray(small.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2000] = bytes(2000)
    path.write_bytes(data + large.read_bytes())
    _, said = _assert_same(path)
    assert said[3]
    assert f"{SIZE[0]}x{SIZE[1]} to 96x80" in said[1][0]


def test_passes_that_are_cut_off(tmp_path):
    """A thread that has an error to report does not keep the decoder from being freed."""
    path = write_film(tmp_path / "x.mp4", noise(40))
    for _, (start, size, _) in zip(range(30), packets_of(path)[8:], strict=False):
        with path.open("r+b") as file:
            file.seek(start + size // 2)
            file.write(bytes(size // 2))
    for count in range(1, 9):
        with VideoReader(path, threads=4) as video:
            assert len([frame for frame, _ in zip(video, range(count), strict=False)]) == count


def test_how_many(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    assert decoders("cpu") == 1
    assert decoders("cuda") == 4
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "8")
    assert decoders("cuda:3") == 1
