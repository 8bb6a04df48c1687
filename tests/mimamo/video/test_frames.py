"""FrameFolder: films that are folders of pictures."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from mimamo.errors import InputError
from mimamo.video import FrameFolder
from mimamo.video.names import natural


def folder_of(folder, names):
    """Pictures in these names, whose grey is 10 times their place."""
    folder.mkdir()
    for place, name in enumerate(names):
        Image.new("RGB", (48, 32), (10 * place,) * 3).save(folder / name)
    return folder


class TestReading:
    @pytest.mark.parametrize(
        "names",
        [
            [f"img{number}.jpg" for number in range(1, 13)],  # CASME II
            [f"006_1_2_{number:05}.jpg" for number in range(5562, 5574)],  # SAMM
            ["a.png", "A1.jpg", "a2.bmp", "a10.webp", "b.jpeg"],
        ],
    )
    def test_in_the_natural_order_of_their_names(self, tmp_path, names):
        folder = folder_of(tmp_path / "film", names)
        for name in (".DS_Store", "._img1.jpg", "notes.txt", "info.csv"):
            (folder / name).write_text("")
        film = FrameFolder(folder, fps=25)
        frames = list(film)
        assert [frame.index for frame in frames] == list(range(len(names)))
        assert [frame.time for frame in frames] == [index / 25 for index in range(len(names))]
        for frame in frames:
            assert frame.image.shape == (32, 48, 3)
            assert np.abs(frame.image.astype(int) - 10 * frame.index).max() <= 2
        facts = (film.name, film.frame_count, film.size, film.missing, film.warnings)
        assert facts == ("film", len(names), (48, 32), None, [])

    def test_numbers_that_are_not_there_leave_a_gap(self, tmp_path):
        film = FrameFolder(folder_of(tmp_path / "f", [f"{n}.png" for n in (3, 4, 5, 8)]), fps=10)
        assert [frame.time for frame in film] == [0.0, 0.1, 0.2, 0.5]
        assert film.warnings == [f"{film.path}: by their numbers, 2 of its frames are not there"]
        assert film.missing is None
        assert film.gaps == [(0.2, 0.5)]

    def test_every_fifth_frame_of_a_film_has_no_gaps(self, tmp_path):
        film = FrameFolder(folder_of(tmp_path / "f", [f"f{n}.png" for n in (0, 5, 10, 20)]), fps=10)
        assert [frame.time for frame in film] == [0.0, 0.1, 0.2, 0.4]
        assert film.gaps == [(0.2, 0.4)]

    def test_numbers_that_count_something_else_are_an_order_only(self, tmp_path):
        film = FrameFolder(folder_of(tmp_path / "f", [f"{n}.png" for n in (0, 33, 67, 100)]), fps=2)
        assert [frame.time for frame in film] == [0.0, 0.5, 1.0, 1.5]
        assert film.warnings == []

    def test_what_cannot_be_read_is_skipped_and_told(self, tmp_path):
        folder = folder_of(tmp_path / "f", [f"{n}.png" for n in range(6)])
        for number in (2, 3, 5):
            (folder / f"{number}.png").write_bytes(b"no picture")
        film = FrameFolder(folder, fps=10)
        for _ in range(2):
            assert [(x.index, x.time) for x in film] == [(0, 0.0), (1, 0.1), (2, 0.4)]
            assert film.missing == (
                f"{folder / '5.png'}: expected an image, got something else; "
                "frames missing between 0.1 s and 0.4 s and after 0.4 s"
            )
            assert film.gaps == [(0.1, 0.4), (0.4, math.inf)]
        for number in (2, 3, 5):
            Image.new("RGB", (48, 32)).save(folder / f"{number}.png")
        assert len(list(film)) == 6
        assert film.missing is None

    def test_pictures_may_differ_in_size(self, tmp_path):
        folder = folder_of(tmp_path / "f", ["1.png", "2.png"])
        for name in ("3.png", "4.png"):
            Image.new("RGB", (20, 10)).save(folder / name)
        film = FrameFolder(folder)
        for _ in range(2):
            assert [frame.image.shape[:2] for frame in film] == [(32, 48)] * 2 + [(10, 20)] * 2
            said = "the picture size changes from 48x32 to 20x10"
            assert film.warnings == [f"{folder / '3.png'}: {said}"]


class TestRefused:
    def test_a_folder_without_pictures(self, tmp_path):
        (tmp_path / "._1.jpg").write_text("")
        with pytest.raises(InputError, match=r"expected pictures \(img1.jpg, \.\.\.\), found none"):
            FrameFolder(tmp_path)
        with pytest.raises(InputError, match="none: cannot be read as a folder"):
            FrameFolder(tmp_path / "none")

    def test_pictures_of_which_none_can_be_read(self, tmp_path):
        for name in ("1.jpg", "2.jpg"):
            (tmp_path / name).write_text("no picture")
        with pytest.raises(InputError, match=r"2\.jpg: expected an image, got something else"):
            FrameFolder(tmp_path)

    @pytest.mark.parametrize("fps", [0, -1, float("inf"), float("nan")])
    def test_rates_that_are_none(self, tmp_path, fps):
        with pytest.raises(ValueError, match="fps: expected a positive number"):
            FrameFolder(tmp_path, fps=fps)


def test_names_sort_as_people_sort_them():
    names = ["x10a2", "x2", "x1b", "X1a", "10", "9", "x", "²", "x" + "1" * 240]
    ordered = ["9", "10", "x", "X1a", "x1b", "x2", "x10a2", "x" + "1" * 240, "²"]
    assert sorted(names, key=natural) == ordered
