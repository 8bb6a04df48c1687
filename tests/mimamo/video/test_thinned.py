"""ThinnedFilm: fewer frames, each with its own time."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from support.films import picture, write_film

from mimamo.video import FrameFolder, ThinnedFilm, VideoReader
from mimamo.video.image import read_image
from mimamo.video.picture import Pictures


def film(path, times):
    write_film(path, [picture(index) for index in range(len(times))], times=times)
    return VideoReader(path)


@pytest.mark.parametrize(
    ("rate", "taken"), [(30, 18), (100, 60), (50, 30), (7, 5), (1000, 120), (150, 60)]
)
def test_at_so_many_a_second(tmp_path, rate, taken):
    video = film(tmp_path / "a.mp4", np.arange(120) / 200)
    whole = list(video)
    thinned = ThinnedFilm(video, rate)
    for _ in range(2):
        frames = list(thinned)
        assert [frame.index for frame in frames] == list(range(taken))
        by_time = {frame.time: frame.image for frame in whole}
        assert all(np.array_equal(frame.image, by_time[frame.time]) for frame in frames)
        steps = np.diff([frame.time for frame in frames])
        assert np.ptp(steps) < 1e-4
        assert steps.mean() >= 1 / rate - 1e-6
    assert thinned.fps == pytest.approx(1 / steps.mean(), rel=1e-3)
    assert (thinned.path, thinned.size, thinned.name) == (video.path, video.size, "a")


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("fps", [24, 25, 29.97, 30, 50, 59.94, 60, 120])
def test_steps_are_even_whatever_the_rates(tmp_path, fps, suffix):
    """Of a film that has no more than that rate every frame is taken, however times are rounded."""
    video = film(tmp_path / f"a.{suffix}", np.arange(48) / fps)
    for rate in (24, 25, 30, 60):
        steps = np.diff([frame.time for frame in ThinnedFilm(video, rate)])
        every = int(np.ceil(fps / rate - 0.03))
        assert steps == pytest.approx(every / fps, abs=1.1e-3)
        assert len(steps) == (48 - 1) // every


def test_a_variable_rate_is_kept_where_it_is_low(tmp_path):
    times = np.r_[np.arange(0, 1, 0.01), np.arange(1, 3, 0.2)]
    frames = list(ThinnedFilm(film(tmp_path / "a.mkv", times), 10))
    expected = [*np.arange(0, 1, 0.1), *np.arange(1, 3, 0.2)]
    assert [frame.time for frame in frames] == pytest.approx(expected, abs=2e-3)


def test_pictures_are_made_of_those_taken_alone(tmp_path, monkeypatch):
    made, make = [], Pictures.__call__
    monkeypatch.setattr(Pictures, "__call__", lambda self, x: made.append(x.pts) or make(self, x))
    thinned = ThinnedFilm(film(tmp_path / "a.mp4", np.arange(40) / 200), 20)
    made.clear()
    assert len(list(thinned)) == len(made) == 4


def test_pictures_of_a_folder_are_read_if_they_are_taken(tmp_path, monkeypatch):
    for number in range(12):
        Image.fromarray(picture(number)).save(tmp_path / f"{number}.png")
    folder, read = FrameFolder(tmp_path, fps=100), []
    monkeypatch.setattr(
        "mimamo.video.frames.read_image", lambda path: read.append(path.stem) or read_image(path)
    )
    frames = list(ThinnedFilm(folder, 25))
    assert read == ["0", "4", "8"]
    for number, frame in zip((0, 4, 8), frames, strict=True):
        np.testing.assert_array_equal(frame.image, picture(number))
        assert frame.time == number / 100


def test_what_is_missing_is_the_films(tmp_path):
    video = film(tmp_path / "a.mp4", np.arange(4) / 25)
    thinned = ThinnedFilm(video, 5)
    assert (thinned.missing, thinned.gaps) == (None, [])
    video.gaps = [(1.0, float("inf"))]
    assert thinned.missing == f"{video.path}: frames missing after 1.0 s"
    assert thinned.gaps == video.gaps
    assert thinned.warnings is video.warnings


@pytest.mark.parametrize("rate", [0, -3, float("inf"), float("nan")])
def test_rates_that_are_none(tmp_path, rate):
    with pytest.raises(ValueError, match="rate: expected a positive number"):
        ThinnedFilm(film(tmp_path / "a.mp4", [0.0, 0.04]), rate)
