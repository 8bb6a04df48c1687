"""Submissions: a line for every frame, by the report's rule, and nothing lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mimamo import InputError
from mimamo.data import Cache
from mimamo.data.dataset import TEST
from mimamo.evaluate import Ensemble, submit
from mimamo.evaluate.rules import label_std, rescale
from mimamo.extract import extract
from mimamo.locks import locked


@pytest.fixture
def root(tmp_path: Path, add_video) -> Path:
    """A data set whose test video has faces in frames 3, 4, 6 and 7 of 9; its cache is beside."""
    grey = np.random.default_rng(0).integers(0, 256, (7, 112, 112, 3)).astype(np.uint8)
    data = tmp_path / "data"
    add_video(data, "Train_Set", "train", {1: grey[0]}, [(0, 0)])
    add_video(data, "Train_Set", "test", {n: grey[n - 1] for n in (3, 4, 6, 7)}, [])
    (data / "annotations/Train_Set/test.txt").unlink()
    extract(data, tmp_path / "cache", backbone="small")
    return tmp_path


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


class TestFiles:
    def test_a_line_for_every_frame_by_the_reports_rule(
        self, root: Path, small_run: Path, film
    ) -> None:
        (root / "films/batch").mkdir(parents=True)
        film(root / "films/batch/test.mp4", "." * 9)
        result = submit([small_run], root / "cache", root / "out", videos=root / "films")
        (path,) = result.files
        assert path.name == "test.txt"
        header, *rows = lines(path)
        assert header == "valence,arousal"
        cache = Cache(root / "cache")
        values = Ensemble([small_run], cache).predict(cache.subset("Test_Set"))["test"].clip(-1, 1)
        faces = [f"{valence:.6f},{arousal:.6f}" for valence, arousal in values.tolist()]
        third, fourth, sixth, seventh = faces
        expected = ["-5,-5"] * 2 + [third, fourth, fourth, sixth, seventh, seventh, seventh]
        assert rows == expected
        assert (result.frames, result.uncounted) == (9, ())

    def test_without_the_video_the_last_face_is_the_end_and_that_is_said(
        self, root: Path, small_run: Path
    ) -> None:
        said: list[str] = []
        result = submit([small_run], root / "cache", root / "out", report=said.append)
        assert (result.frames, result.uncounted) == (7, ("test",))
        assert "nothing tells the number of frames of 1 video, such as test;" in said[-1]

    @pytest.mark.parametrize("decode", [True, False])
    def test_a_twins_video_is_that_of_both(
        self, root: Path, small_run: Path, film, decode: bool
    ) -> None:
        data, cache = root / "data", root / "cache2"
        (data / "cropped_aligned/test").rename(data / "cropped_aligned/pair_left")
        extract(data, cache, backbone="small")
        (root / "films").mkdir()
        film(root / "films/pair.mp4", "." * 8)
        result = submit([small_run], cache, root / "out", videos=root / "films", decode=decode)
        assert (result.files[0].name, result.frames) == ("pair_left.txt", 8)

    def test_two_do_not_write_one_folder(self, root: Path, small_run: Path) -> None:
        (root / "out").mkdir()
        with locked(root / "out"), pytest.raises(InputError, match="out: another process is writ"):
            submit([small_run], root / "cache", root / "out")
        assert list((root / "out").iterdir()) == []

    def test_a_video_without_any_face_is_all_minus_five(
        self, root: Path, small_run: Path, film
    ) -> None:
        data, cache = root / "data", root / "cache2"
        for path in (data / "cropped_aligned/test").iterdir():
            path.unlink()
        extract(data, cache, backbone="small")
        with pytest.raises(InputError, match=r"test: .*no face in it.* give --videos"):
            submit([small_run], cache, root / "out")
        (root / "films").mkdir()
        film(root / "films/test.mp4", "." * 5)
        said: list[str] = []
        submit([small_run], cache, root / "out", videos=root / "films", report=said.append)
        assert lines(root / "out/test.txt")[1:] == ["-5,-5"] * 5
        assert "in 1 video no face was found, such as test; all is -5 there" in said[-1]

    def test_a_listed_video_without_a_folder_of_faces_is_predicted_from_its_film(
        self, root: Path, small_run: Path, film
    ) -> None:
        """Beside what the cache has, whose faces nobody found; and a folder may come later."""
        data, cache = root / "data", root / "cache"
        (data / "VA_test_set.txt").write_text("test\nfilmed\n")
        (data / "films").mkdir()
        film(data / "films/filmed.mp4", ".xx.")
        result = extract(data, cache, backbone="small")
        assert (result.made, result.kept, result.problems) == (1, 2, ())
        assert extract(data, cache, backbone="small").kept == 3
        result = submit([small_run], cache, root / "out")
        assert [path.name for path in result.files] == ["filmed.txt", "test.txt"]
        found = np.loadtxt(root / "out/filmed.txt", delimiter=",", skiprows=1)
        assert found.shape == (4, 2)
        assert (found == -5).all(axis=1).tolist() == [True, False, False, False]
        (data / "cropped_aligned/test").rename(data / "cropped_aligned/filmed")
        result = extract(data, cache, backbone="small")
        assert (result.made, result.kept) == (1, 1)
        assert Cache(cache).manifest.videos == {"train": "Train_Set", "filmed": TEST}

    @pytest.mark.parametrize("wrong", ["unreadable", "twice"])
    def test_a_video_that_has_faces_is_not_all_minus_five(
        self, root: Path, small_run: Path, film, wrong: str
    ) -> None:
        data, cache = root / "data", root / "cache2"
        images = sorted((data / "cropped_aligned/test").iterdir())
        if wrong == "twice":
            images[0].with_name("3.jpg").write_bytes(images[0].read_bytes())
        else:
            for path in images:
                path.write_bytes(b"")
        extract(data, cache, backbone="small")
        (root / "films").mkdir()
        film(root / "films/test.mp4", "." * 8)
        for films in (None, root / "films"):
            with pytest.raises(InputError, match=r"^test: cannot be predicted: .*; mend") as told:
                submit([small_run], cache, root / "out", videos=films)
            assert "\n" not in str(told.value)
        assert not (root / "out").exists()

    def test_a_list_chooses_the_videos(self, root: Path, small_run: Path) -> None:
        (root / "names.txt").write_text("\ufefftrain\r\n\ntest.mp4\n", encoding="utf-8")
        result = submit([small_run], root / "cache", root / "out", names=root / "names.txt")
        assert [path.name for path in result.files] == ["train.txt", "test.txt"]

    def test_an_ensemble_of_folds(self, root: Path, small_folds: Path) -> None:
        """Their mean, stretched to the spread of the labels they were trained on."""
        cache = Cache(root / "cache")
        ensemble = Ensemble([small_folds], cache, "cpu", "both")
        videos = cache.subset(TEST)
        each = [
            Ensemble([member.path], cache, "cpu", "both").predict(videos)["test"]
            for member in ensemble.members
        ]
        mean = {"test": np.mean(each, axis=0)}
        assert len(each) == 3
        assert not any(np.allclose(one, mean["test"], atol=1e-4) for one in each)
        for rescaled, values in [(False, mean), (True, rescale(mean, label_std(ensemble.notes)))]:
            out = root / f"out-{rescaled}"
            submit([small_folds], cache, out, rescaled=rescaled)
            found = np.loadtxt(out / "test.txt", delimiter=",", skiprows=3)
            for i in (0, -1):  # a frame with a face
                assert np.allclose(found[i], values["test"][i].clip(-1, 1), atol=2e-6)


def predicted(root: Path, run: Path) -> np.ndarray:
    """Of the faces in frames 3, 4, 6 and 7."""
    cache = Cache(root / "cache")
    values = Ensemble([run], cache).predict(cache.subset(TEST))["test"]
    return values.astype(np.float64).clip(-1, 1)


def rows_of(path: Path) -> tuple[list[str], np.ndarray]:
    """What the rows of one file are called, and their values."""
    header, *rows = lines(path)
    assert header == "image_location,valence,arousal"
    cells = [row.split(",") for row in rows]
    return [cell[0] for cell in cells], np.array([cell[1:] for cell in cells], float)


class TestOneFile:
    def test_every_frame_where_there_is_no_sample(self, root: Path, small_run: Path) -> None:
        result = submit([small_run], root / "cache", root / "out", format="abaw")
        assert result.files == (root / "out/predictions.txt",)
        called, values = rows_of(result.files[0])
        assert called == [f"test/0000{n}.jpg" for n in range(1, 8)]
        third, fourth, sixth, seventh = predicted(root, small_run)
        between = (fourth + sixth) / 2
        expected = [third, third, third, fourth, between, sixth, seventh]
        np.testing.assert_allclose(values, expected, atol=2e-6)

    def test_the_rows_of_a_sample_in_its_order(self, root: Path, small_run: Path) -> None:
        """Row by row; of frames beyond the last, which it has, and without some that there are."""
        rows = ["test/00009.jpg", "train/00001.jpg", "test/00003.jpg", "faces/test/4.jpg"]
        text = "image_location,valence,arousal\r\n" + "".join(f"{row},-5,-5\r\n" for row in rows)
        (root / "sample.txt").write_text(text)
        said: list[str] = []
        result = submit(
            [small_run], root / "cache", root / "out", format="abaw",
            sample=root / "sample.txt", report=said.append,
        )  # fmt: skip
        called, values = rows_of(root / "out/predictions.txt")
        assert called == rows
        third, fourth, _, seventh = predicted(root, small_run)
        np.testing.assert_allclose(values[[0, 2, 3]], [seventh, third, fourth], atol=2e-6)
        assert (result.frames, result.uncounted) == (4, ())
        assert said[-1] == (
            f"{root}/sample.txt: other lengths than the videos': 1 video padded by 2 frames, "
            "such as test by 2"
        )

    def test_a_sample_cuts_and_names_the_videos_of_files_too(
        self, root: Path, small_run: Path
    ) -> None:
        text = "".join(f"test/{n:05d}.jpg,0,0\n" for n in range(1, 7))
        (root / "sample.txt").write_text("image_location,valence,arousal\n" + text)
        said: list[str] = []
        submit(
            [small_run], root / "cache", root / "out", sample=root / "sample.txt",
            report=said.append,
        )  # fmt: skip
        third, fourth, sixth, _ = predicted(root, small_run)
        written = np.loadtxt(root / "out/test.txt", delimiter=",", skiprows=1)
        expected = [[-5, -5], [-5, -5], third, fourth, fourth, sixth]
        np.testing.assert_allclose(written, expected, atol=2e-6)
        assert said[-1].endswith("videos': 1 video cut by 1 frame, such as test by 1")

    def test_a_video_without_a_face_gets_the_others_mean(self, root: Path, small_run: Path) -> None:
        for path in (root / "data/cropped_aligned/test").iterdir():
            path.unlink()
        extract(root / "data", root / "cache2", backbone="small")
        text = "image_location,valence,arousal\ntest/00001.jpg,0,0\ntrain/00001.jpg,0,0\n"
        (root / "sample.txt").write_text(text)
        submit(
            [small_run], root / "cache2", root / "out", sample=root / "sample.txt", format="abaw"
        )
        _, values = rows_of(root / "out/predictions.txt")
        assert (values[0] == values[1]).all()
        assert (values != -5).all()

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("valence,arousal\n0,0\n", r"sample\.txt:1: expected the header 'image_location"),
            ("image_location,valence,arousal\n", "expected rows of pictures, found none"),
            ("image_location,valence,arousal\ntest,0,0\n", r"sample\.txt:2: expected <video>/0"),
            ("image_location,valence,arousal\ntest/0.jpg,0\n", r":2: expected <video>/00001"),
            ("image_location,valence,arousal\n\ntest/1e9.jpg,0\n", r":3: expected <video>/00001"),
            (
                "image_location,valence,arousal\ntest/99999999999999999999.jpg,0\n",
                r":2: expected <video>/00001",
            ),
            (
                "image_location,valence,arousal\ntest/00001.jpg,0,0\ntest/1.jpg,0,0\n",
                r":3: test/1\.jpg is there twice",
            ),
            ("image_location,valence,arousal\nno/1.jpg,0,0\n", r":2: expected a video of .*'no'"),
        ],
    )  # fmt: skip
    def test_a_sample_of_no_use(self, root: Path, small_run: Path, text: str, message: str) -> None:
        (root / "sample.txt").write_text(text)
        with pytest.raises(InputError, match=message) as told:
            submit([small_run], root / "cache", root / "out", sample=root / "sample.txt")
        assert "\n" not in str(told.value)
        assert not (root / "out").exists()

    def test_one_frame_more_than_the_film_says(self, root: Path, small_run: Path, film) -> None:
        (root / "films").mkdir()
        film(root / "films/test.mp4", "." * 6)
        said: list[str] = []
        result = submit(
            [small_run], root / "cache", root / "out", videos=root / "films", report=said.append
        )
        assert result.frames == 7
        assert "1 video one frame longer than the film says, such as test" in said[-1]


class TestRefused:
    def test_a_face_beyond_the_videos_end(self, root: Path, small_run: Path, film) -> None:
        (root / "films").mkdir()
        film(root / "films/test.mp4", "." * 5)
        with pytest.raises(InputError, match=r"test: has a face in frame 7, but its video only 5"):
            submit([small_run], root / "cache", root / "out", videos=root / "films")
        assert not (root / "out").exists()

    def test_no_video_of_that_name(self, root: Path, small_run: Path, film) -> None:
        (root / "films").mkdir()
        film(root / "films/other.mp4", ".")
        with pytest.raises(InputError, match=r"films: expected a video of test, found none"):
            submit([small_run], root / "cache", root / "out", videos=root / "films")

    def test_a_name_that_is_not_in_the_cache(self, root: Path, small_run: Path) -> None:
        (root / "names.txt").write_text("test\nnobody\n")
        with pytest.raises(InputError, match=r"names\.txt:2: expected a video of .*'nobody'"):
            submit([small_run], root / "cache", root / "out", names=root / "names.txt")

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (None, "cannot be read: No such file or directory$"),
            (b"t\xe9st", "expected a text file, got something else"),
            (b"\n", "expected one video's name a line, found none"),
            (b"test\ntest.txt\n", "test is there twice"),
        ],
    )
    def test_a_list_of_no_use(
        self, root: Path, small_run: Path, content: bytes | None, message: str
    ) -> None:
        if content is not None:
            (root / "names.txt").write_bytes(content)
        with pytest.raises(InputError, match=rf"names\.txt:(2:)? {message}"):
            submit([small_run], root / "cache", root / "out", names=root / "names.txt")

    def test_a_file_in_the_way(self, root: Path, small_run: Path) -> None:
        (root / "out").mkdir()
        (root / "out/test.txt").write_text("mine")
        with pytest.raises(InputError, match=r"out/test\.txt: exists"):
            submit([small_run], root / "cache", root / "out")
        assert (root / "out/test.txt").read_text() == "mine"
        submit([small_run], root / "cache", root / "out", overwrite=True)
        assert lines(root / "out/test.txt")[0] == "valence,arousal"

    def test_no_test_videos(self, small_run: Path, small_cache: Path, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="expected videos of Test_Set, found none"):
            submit([small_run], small_cache, tmp_path / "out")
