"""What is magnified of films in which frames are missing."""

from __future__ import annotations

import math
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from support.films import hole, picture, write_film

from mimamo.faces import observe
from mimamo.magnify import MagnifySettings, magnify_film
from mimamo.magnify.pictures import FilmParts
from mimamo.video import VideoFrame, VideoReader
from phasenet.temporal_filters import fir_matrix, fir_taps

FPS = 25


class Film(list):
    """The frames of these places, of a film that has lost the others; `cut` is another's."""

    size, fps = (64, 48), FPS

    def __init__(self, *places: int, cut: int | None = None) -> None:
        times = [place / FPS for place in places]
        pictures = [picture(3)[:, :: -1 if place == cut else 1] for place in places]
        super().__init__(map(VideoFrame, range(len(places)), times, pictures))
        self.gaps = [(a, b) for a, b in pairwise(times) if round((b - a) * FPS) > 1]


def parts_of(film, faces=False, most=2.0):
    parts = FilmParts(film, faces, None, most)
    return parts, [(None if x.time is None else round(x.time * FPS), x.part) for x in parts]


def test_short_gaps_are_bridged_and_long_ones_part_the_film():
    parts, got = parts_of(Film(0, 1, 4, 5, 9, 10))
    assert got == [(0, 0), (1, 0), (None, 0), (None, 0), (4, 0), (5, 0), (9, 1), (10, 1)]
    assert (parts.held, parts.gaps, parts.cuts) == ([4 / FPS], [9 / FPS], [])
    assert parts.times == [place / FPS for place in (0, 1, 4, 5, 9, 10)]
    assert parts.steps == pytest.approx([1 / FPS] * 3)


def test_pictures_of_another_size_are_fitted_into_the_first_one():
    film = Film(0, 1)
    film[1] = VideoFrame(1, 1 / FPS, np.full((96, 96, 3), 200, np.uint8))
    shown = [picture.image for picture in FilmParts(film, False, None, 2.0)]
    assert [image.shape for image in shown] == [(48, 64, 3)] * 2
    assert (shown[1][:, 8:56] == 200).all()
    assert not shown[1][:, [*range(8), *range(56, 64)]].any()


def test_nothing_goes_on_over_a_cut():
    film = Film(0, 2, 3, 5, cut=3)
    film[3] = VideoFrame(3, 5 / FPS, film[2].image)
    parts, got = parts_of(film)
    assert got == [(0, 0), (None, 0), (2, 0), (3, 1), (None, 1), (5, 1)]
    assert parts.cuts == [3 / FPS]


def test_frames_without_a_face_are_missing_ones_and_another_face_is_another_part(monkeypatch):
    frames, image = Film(0, 1, 2, 3, 6, 7, 8), picture(3)
    marks = np.array([[20, 20], [40, 20], [30, 30], [22, 40], [38, 40]], np.float32)

    def observed(film, detector):
        for frame, face in zip(film, (1, 1, 0, 1, 1, 2, 2), strict=True):
            yield SimpleNamespace(
                index=frame.index, time=frame.time, image=image, face=face,
                landmarks=marks if face else None,
            )  # fmt: skip

    monkeypatch.setattr(observe, "observe_faces", observed)
    parts = FilmParts(frames, True, lambda image: [], 2)
    got = [(None if x.time is None else round(x.time * FPS), x.part) for x in parts]
    assert got == [
        (0, 0), (1, 0), (None, 0), (3, 0), (None, 0), (None, 0), (6, 0), (7, 1), (8, 1)
    ]  # fmt: skip
    assert parts.cuts == [7 / FPS]


@pytest.mark.parametrize(("low", "high"), [(0.8, 2), (1, 8), (4, 8)])
def test_bridging_is_nearer_to_the_truth_than_parting_up_to_a_period(low, high):
    """Of motion in the band and a drift, by the filter alone."""
    fps, length, rng = 30, 180, np.random.default_rng(0)

    def filtered(values):
        taps = fir_taps(low, high, fps, len(values) - 1)
        return fir_matrix(taps, len(values)).numpy() @ values

    errors = []
    for _ in range(8):
        hertz, at = rng.uniform(low, high), rng.uniform(0, 7)
        t = np.arange(length) / fps
        place = np.sin(2 * math.pi * hertz * t + at) + t
        first = (length - int(fps / high)) // 2
        last = first + int(fps / high)
        held = place.copy()
        held[first:last] = place[first - 1]
        truth = filtered(place)
        near = [*range(first - 15, first), *range(last, last + 15)]
        gap = np.zeros(last - first)
        parted = np.concatenate([filtered(place[:first]), gap, filtered(place[last:])])
        errors.append([np.linalg.norm((x - truth)[near]) for x in (filtered(held), parted)])
    bridged, parted = np.mean(errors, axis=0)
    assert bridged < parted


def swinging(length: int) -> list[np.ndarray]:
    """A bar that swings twice a second by a fifth of a pixel."""
    x = np.arange(32)
    at = 15 + 0.2 * np.sin(2 * np.pi * 2 * np.arange(length) / FPS)
    bars = [128 + 90 * np.exp(-(((x - a) / 3) ** 2)) for a in at]
    return [np.rint(bar)[None, :, None].repeat(3, 2).repeat(16, 0).astype(np.uint8) for bar in bars]


@pytest.mark.parametrize("temporal", ["fir", "iir"])
def test_a_film_with_a_hole_is_magnified_at_its_own_times(tmp_path, temporal):
    shown, said = [], []
    for name in ("whole", "holed"):
        path = tmp_path / f"{name}.mp4"
        write_film(
            path, swinging(75), "mjpeg", pix_fmt="yuvj444p", options={"qmin": "1", "qmax": "1"}
        )
        if name == "holed":
            hole(path, 35, 37)
        settings = MagnifySettings(10, 1, 4, temporal, nbands=2, bands_per_octave=1)
        result = magnify_film(path, tmp_path / f"{name}.out.mp4", settings, warn=said.append)
        frames = VideoReader(result.files[0])
        shown.append({round(FPS * frame.time): frame.image.astype(float) for frame in frames})
    whole, holed = shown
    assert sorted(holed) == [*range(35), *range(38, 75)]
    assert said == [f"{path}: 1 short gap, the first up to 1.5 s; bridged by the frame before"]
    assert result.missing == f"{path}: frames missing between 1.4 s and 1.5 s"
    wrong = max(np.abs(whole[place] - image).mean() for place, image in holed.items())
    moved = np.mean([np.abs(image - whole[0]).mean() for image in whole.values()])
    assert wrong < 0.5 * moved


@pytest.mark.parametrize(("high", "told"), [(8, "short gap"), (9, "long gap")])
def test_a_gap_is_bridged_up_to_a_period_of_the_highest_frequency(tmp_path, high, told):
    """Three frames are missing; a period has 3.1 of them, or 2.8."""
    path, said = tmp_path / "a.mp4", []
    write_film(path, swinging(60), "mjpeg", pix_fmt="yuvj444p")
    hole(path, 30, 32)
    settings = MagnifySettings(3, 2, high, nbands=2, bands_per_octave=1)
    magnify_film(path, tmp_path / "out.mp4", settings, warn=said.append)
    assert told in said[0]
