"""Archives of every edition as they are unpacked: found by what things are, in one look."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mimamo import InputError
from mimamo.data import AffWild2, Problems
from mimamo.data.annotations import read_annotations
from mimamo.data.archive import is_other_task, search, set_of, words_of
from mimamo.data.overview import overview
from mimamo.errors import NothingFoundError

HEADER = "valence,arousal\n0.5,-0.25\n"
TRAIN, VALIDATION, TEST = "Train_Set", "Validation_Set", "Test_Set"


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def faces(folder: Path, count: int = 2) -> None:
    """Pictures that nothing may open: they are empty."""
    for number in range(1, count + 1):
        write(folder / f"{number:05d}.jpg")


def subsets(dataset: AffWild2) -> dict[str, str]:
    return {video.name: video.subset for video in dataset.videos()}


# By how an edition calls itself: its annotations' folder, and the names of the sets.
LAYOUTS = {
    "ABAW 2020": ("annotations/VA_Set", "Training_Set", "Validation_Set"),
    "ABAW2 2021": ("annotations/VA_Set", "Train_Set", "Validation_Set"),
    "ABAW3 2022": ("Third ABAW Annotations/VA_Estimation_Challenge", TRAIN, VALIDATION),
    "ABAW5 2023": ("5th_ABAW_Annotations/VA_Estimation_Challenge", TRAIN, VALIDATION),
    "ABAW6 2024": ("6th ABAW Annotations/VA_Estimation_Challenge", TRAIN, VALIDATION),
    "ABAW8 2025": ("8th_Annotations/VA_Estimation_Challenge", TRAIN, VALIDATION),
    "ABAW10": ("ABAW10/va", "train", "val"),
    "Aff-Wild2": ("labels/TrainAndVal", "TrainSet", "Validation"),
}


@pytest.mark.parametrize("edition", LAYOUTS)
@pytest.mark.parametrize("nested", ["", "unzipped (1)/affwild2/"])
def test_every_edition_is_found_wherever_it_lies(tmp_path: Path, edition: str, nested: str) -> None:
    annotations, train, validation = LAYOUTS[edition]
    root = tmp_path / "archive"
    at = root / nested
    write(at / annotations / train / "1.txt", HEADER)
    write(at / annotations / validation / "2-30-1920x1080_left.txt", HEADER)
    other = write(at / annotations / "../EXPR_Set" / train / "1.txt", "Neutral,Anger\n0\n")
    write(other.parent / "2-30-1920x1080_left.txt", HEADER)
    write(at / annotations / "../AU_Detection_Challenge/Train_Set/1.txt", "AU1,AU2\n0,1\n")
    faces(at / "cropped_aligned/cropped_aligned/1")
    faces(at / "batch1 (1)/cropped_aligned/2-30-1920x1080_left")
    faces(at / "cropped_aligned_new_50_vids/hidden")
    faces(at / "cropped_aligned_new_50_vids/nobody")
    faces(at / "__MACOSX/cropped_aligned/ghost")
    write(at / "cropped_aligned/.DS_Store")
    write(at / "new_vids/hidden.avi")
    name = "Valence_Arousal_Estimation_Challenge_test_set_release.txt"
    write(at / name, "hidden\n")
    write(at / "Expression_Recognition_Challenge_test_set_release.txt", "nobody\n")
    dataset = AffWild2(root)
    assert subsets(dataset) == {"1": TRAIN, "2-30-1920x1080_left": VALIDATION, "hidden": TEST}
    assert dataset.unused == []
    assert dataset.videos()[-1].recording == at / "new_vids/hidden.avi"
    lines = overview(dataset)
    assert lines[0] == f"{root}: {edition}"
    assert [line.split() for line in lines[2:6]] == [
        [TRAIN, "1", "1", "0", "1", "0"],
        [VALIDATION, "1", "1", "0", "1", "0"],
        [TEST, "1", "1", "1", "0", "0"],
        ["in", "no", "list", "1", "1", "0", "0", "0"],
    ]
    assert any("1 video that neither annotations nor lists name, such as nobody" in line
               for line in dataset.remarks)  # fmt: skip


def test_several_archives_and_places_that_are_said(tmp_path: Path) -> None:
    write(tmp_path / "a/labels/x/1.txt", HEADER)
    write(tmp_path / "a/good/Train_Set/1.txt", HEADER)
    faces(tmp_path / "b/one/1")
    faces(tmp_path / "c/two/2")
    write(tmp_path / "films/1.mp4")
    names = write(tmp_path / "list.txt", "2\n")
    dataset = AffWild2([tmp_path / "a", tmp_path / "b", tmp_path / "c"], names=names)
    assert subsets(dataset) == {"1": TRAIN, "2": TEST}
    assert dataset.root == tmp_path
    assert ["/labels/x/1.txt: expected annotations in a folder named for their set" in u.line
            for u in dataset.unused] == [True]  # fmt: skip
    write(tmp_path / "a/test_set.txt", "2\n")
    said = AffWild2(
        tmp_path / "a",
        tmp_path / "films",
        annotations=tmp_path / "a/good",
        faces=[tmp_path / "b", tmp_path / "c"],
    )
    assert subsets(said) == {"1": TRAIN, "2": TEST}
    assert said.unused == []
    assert said.videos()[0].recording == tmp_path / "films/1.mp4"


def test_a_set_may_be_what_is_given(tmp_path: Path) -> None:
    write(tmp_path / "Validation_Set/1.txt", HEADER)
    faces(tmp_path / "faces/1")
    given = [tmp_path / "Validation_Set", tmp_path / "faces"]
    assert subsets(AffWild2(given)) == {"1": VALIDATION}


@pytest.mark.parametrize("name", ["exp", "AU", "multi"])
def test_what_is_searched_may_be_called_as_another_task(tmp_path: Path, name: str) -> None:
    root = tmp_path / name
    write(root / "annotations/Train_Set/1.txt", HEADER.title())
    faces(root / "cropped_aligned/1")
    assert subsets(AffWild2(root)) == {"1": TRAIN}
    assert read_annotations(root / "annotations/Train_Set/1.txt").shape == (1, 2)


def test_films_of_another_set_are_not_the_test_sets(tmp_path: Path) -> None:
    write(tmp_path / "annotations/Train_Set/1_left.txt", HEADER)
    for name in ("train/1.mp4", "train/2.mp4", "test/3.mp4", "4.mp4"):
        write(tmp_path / "videos" / name)
    dataset = AffWild2(tmp_path)
    assert subsets(dataset) == {"1_left": TRAIN, "3": TEST, "4": TEST}
    assert dataset.remarks == [
        f"{tmp_path}/videos/train/2.mp4: beside videos of {TRAIN}, but not annotated; not used"
    ]
    assert [line.split()[-6:] for line in overview(dataset)[2:5]] == [
        [TRAIN, "1", "0", "1", "1", "0"],
        [TEST, "2", "0", "2", "0", "0"],
        ["list", "2", "0", "2", "0", "0"],
    ]


def test_an_archive_given_with_its_own_folder_is_read_once(tmp_path: Path) -> None:
    write(tmp_path / "annotations/Train_Set/1.txt", HEADER)
    faces(tmp_path / "cropped_aligned/1")
    dataset = AffWild2([tmp_path, tmp_path / "cropped_aligned", tmp_path / "annotations"])
    assert subsets(dataset) == {"1": TRAIN}
    assert (dataset.unused, dataset.remarks) == ([], [])


class TestTwoOfOne:
    def test_aligned_faces_rather_than_others(self, tmp_path: Path) -> None:
        write(tmp_path / "annotations/Train_Set/1.txt", HEADER)
        faces(tmp_path / "cropped/1", 9)
        faces(tmp_path / "cropped_aligned/1", 5)
        dataset = AffWild2(tmp_path)
        assert dataset.videos()[0].source == tmp_path / "cropped_aligned/1"
        assert [line.split(": ")[1] for line in dataset.remarks] == [
            f"faces of 1 video that {tmp_path}/cropped_aligned has too; those are used"
        ]

    def test_the_folder_of_the_most_pictures(self, tmp_path: Path) -> None:
        write(tmp_path / "annotations/Train_Set/1.txt", HEADER)
        faces(tmp_path / "a_aligned/1", 3)
        faces(tmp_path / "b_aligned/1", 5)
        assert AffWild2(tmp_path).videos()[0].source == tmp_path / "b_aligned/1"

    def test_the_newest_edition(self, tmp_path: Path) -> None:
        write(tmp_path / "5th_ABAW_Annotations/VA_Estimation_Challenge/Train_Set/1.txt", HEADER)
        write(
            tmp_path / "6th_ABAW_Annotations/VA_Estimation_Challenge/Validation_Set/1.txt", HEADER
        )
        faces(tmp_path / "cropped_aligned/1")
        dataset = AffWild2(tmp_path)
        assert subsets(dataset) == {"1": VALIDATION}
        assert "annotations of ABAW5 2023 left out" in dataset.remarks[0]

    def test_the_same_annotations_twice(self, tmp_path: Path) -> None:
        for folder in ("annotations", "annotations/annotations"):
            write(tmp_path / folder / "Train_Set/1.txt", HEADER)
        faces(tmp_path / "cropped_aligned/1")
        assert subsets(AffWild2(tmp_path)) == {"1": TRAIN}
        write(tmp_path / "annotations/annotations/Train_Set/1.txt", HEADER + "0,0\n")
        with pytest.raises(InputError, match=r"Train_Set/1\.txt: is also in .*, unlike it"):
            AffWild2(tmp_path)


class TestLists:
    def test_what_a_list_names_and_is_not_there_is_said_with_its_line(self, tmp_path: Path) -> None:
        faces(tmp_path / "cropped_aligned/1")
        write(tmp_path / "VA_test_set.txt", "1\nmissing\n")
        dataset = AffWild2(tmp_path)
        assert subsets(dataset) == {"1": TEST}
        (unused,) = dataset.unused
        where = f"{tmp_path}/VA_test_set.txt:2"
        folder = tmp_path / "cropped_aligned/missing"
        assert unused.line == (
            f"{where}: no faces in {folder}; not used, nor submitted (an empty folder says that it "
            "has no face)"
        )

    def test_of_what_has_a_film_alone_the_film_is_used(self, tmp_path: Path) -> None:
        """A submission has to have all of the test set."""
        for name in ("1", "2"):
            write(tmp_path / f"annotations/Train_Set/{name}.txt", HEADER)
            write(tmp_path / f"videos/{name}.mp4")
        faces(tmp_path / "cropped_aligned/1")
        for name in ("3.mp4", "4.mp4", "5.mp4"):
            write(tmp_path / "videos" / name)
        (tmp_path / "cropped_aligned/5").mkdir()
        write(tmp_path / "VA_test_set.txt", "3\n4_left\n5\n6\n")
        dataset = AffWild2(tmp_path)
        assert [(v.name, v.subset, v.source, v.side) for v in dataset.videos()] == [
            ("1", TRAIN, tmp_path / "cropped_aligned/1", None),
            ("3", TEST, tmp_path / "videos/3.mp4", None),
            ("4_left", TEST, tmp_path / "videos/4.mp4", "left"),
            ("5", TEST, tmp_path / "cropped_aligned/5", None),
        ]
        assert [unused.video for unused in dataset.unused] == ["2", "6"]
        (remark,) = (line for line in dataset.remarks if "without" in line)
        assert remark.startswith(
            f"{tmp_path}: 2 videos of {TEST} without a folder of faces, such as 3: faces are found "
            "in the film"
        )
        rows = [line.split() for line in overview(dataset)]
        assert [TEST, "4", "0", "3", "0", "1"] in rows

    def test_none_of_whose_videos_is_there(self, tmp_path: Path) -> None:
        """Those that are in no list are not the test set for that."""
        write(tmp_path / "annotations/Train_Set/1.txt", HEADER)
        for name in ("1", "2"):
            faces(tmp_path / "cropped_aligned" / name)
        write(tmp_path / "Valence_Arousal_Estimation_Challenge_test_set_release.txt", "8\n9\n")
        dataset = AffWild2(tmp_path)
        assert subsets(dataset) == {"1": TRAIN}
        assert len(dataset.unused) == 2

    def test_a_sample_of_a_submission_is_one(self, tmp_path: Path) -> None:
        for name in ("1", "2", "3"):
            faces(tmp_path / "cropped_aligned" / name)
        rows = "image_location,valence,arousal\r\n2/00001.jpg,-5,-5\r\n1/00001.jpg,,\r\n"
        write(tmp_path / "prediction_example.txt", rows)
        assert subsets(AffWild2(tmp_path)) == {"1": TEST, "2": TEST}

    def test_a_broken_one_is_said_and_not_used(self, tmp_path: Path) -> None:
        for name in ("1", "2"):
            faces(tmp_path / "cropped_aligned" / name)
        write(tmp_path / "test_list.txt", "1\n1\n")
        dataset = AffWild2(tmp_path)
        assert subsets(dataset) == {"1": TEST, "2": TEST}
        assert dataset.unused[0].line.endswith("test_list.txt:2: 1 is there twice; not used")
        with pytest.raises(InputError, match="is there twice"):
            AffWild2(tmp_path, names=tmp_path / "test_list.txt")

    def test_notes_and_lists_of_other_sets_are_none(self, tmp_path: Path) -> None:
        for name in ("1", "2"):
            faces(tmp_path / "cropped_aligned" / name)
        write(tmp_path / "readme_test.txt", "Read this first.\nThe test set is secret.\n")
        write(tmp_path / "train_list.txt", "1\n")
        assert subsets(AffWild2(tmp_path)) == {"1": TEST, "2": TEST}


def test_numbered_pictures_of_something_else_do_not_stand_in_for_films(tmp_path: Path) -> None:
    write(tmp_path / "annotations/Train_Set/talk_left.txt", HEADER)
    write(tmp_path / "videos/talk.mp4")
    faces(tmp_path / "screenshots")
    faces(tmp_path)
    dataset = AffWild2(tmp_path)
    (video,) = dataset.videos()
    assert (video.source, video.side) == (tmp_path / "videos/talk.mp4", "left")
    assert "screenshots: pictures of no video that is named" in dataset.remarks[0]


class TestFirstAffWild:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        for part, values in (("valence", "0.5\n-0.25\n2\n"), ("arousal", "0.1\n0.2\n0.3\n")):
            write(tmp_path / "annotations/train" / part / "105.txt", values)
        write(tmp_path / "videos/other/2.mp4")  # also called like a number of these
        write(tmp_path / "videos/train/105.mp4")
        write(tmp_path / "videos/test/106.mp4")
        write(tmp_path / "bboxes/train/105/1.pts", "version: 1\n")
        write(tmp_path / "landmarks/train/105/1.pts", "version: 1\n")
        return tmp_path

    def test_films_stand_in_for_faces(self, root: Path) -> None:
        dataset = AffWild2(root)
        assert subsets(dataset) == {"105": TRAIN, "106": TEST, "2": TEST}
        assert dataset.layout == "Aff-Wild"
        assert overview(dataset)[0] == f"{root}: Aff-Wild 2017"
        problems = Problems()
        values = dataset.videos()[0].read_labels(problems)
        np.testing.assert_allclose(values, [[0.5, 0.1], [-0.25, 0.2], [np.nan] * 2])
        (line,) = problems.lines
        assert line.endswith("valence/105.txt:3: expected a number in [-1, 1], got '2'")

    def test_files_of_different_length(self, root: Path) -> None:
        write(root / "annotations/train/arousal/105.txt", "0.1\n")
        problems = Problems()
        values = AffWild2(root).videos()[0].read_labels(problems)
        assert np.isnan(values).all(axis=1).tolist() == [False, True, True]
        assert "arousal/105.txt:2: expected 3 lines, as " in problems.lines[1]

    def test_half_of_them(self, root: Path) -> None:
        (root / "annotations/train/arousal/105.txt").unlink()
        dataset = AffWild2(root)
        dataset.videos()
        assert "arousal/105.txt beside it, found none; not used" in dataset.unused[0].line

    def test_a_change_of_either_file_is_noticed(self, root: Path) -> None:
        from mimamo.extract.source import stamp

        video, *_ = AffWild2(root).videos()
        before = stamp(video)
        write(root / "annotations/train/arousal/105.txt", "0.1\n0.2\n0.4\n")
        assert stamp(video) != before


class TestSearch:
    def test_each_folder_is_listed_once_and_no_picture_looked_at(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(tmp_path / "annotations/Train_Set/1.txt", HEADER)
        for name in ("1", "2"):
            faces(tmp_path / "cropped_aligned" / name, 50)
        listed: Counter[str] = Counter()
        looked: list[str] = []

        def counting(real: Callable, note: Callable[[str], object]) -> Callable:
            return lambda path, *a, **k: (note(os.fspath(path)), real(path, *a, **k))[1]

        monkeypatch.setattr(os, "scandir", counting(os.scandir, lambda p: listed.update([p])))
        monkeypatch.setattr(os, "stat", counting(os.stat, looked.append))
        monkeypatch.setattr(os, "open", counting(os.open, looked.append))
        overview(AffWild2(tmp_path))
        assert set(listed.values()) == {1}
        assert len(listed) == 6
        assert not [path for path in looked if path.endswith(".jpg")]

    def test_links_are_followed_but_not_for_ever(self, tmp_path: Path) -> None:
        faces(tmp_path / "elsewhere/1")
        (tmp_path / "archive").mkdir()
        (tmp_path / "archive/cropped_aligned").symlink_to(tmp_path / "elsewhere")
        (tmp_path / "elsewhere/round").symlink_to(tmp_path / "archive")
        assert [f.pictures for f in search([tmp_path / "archive"]).faces["1"]] == [2]

    def test_pipes_and_what_cannot_be_read_do_no_harm(self, tmp_path: Path) -> None:
        faces(tmp_path / "cropped_aligned/1")
        write(tmp_path / "annotations/Train_Set/2.txt", HEADER)
        os.mkfifo(tmp_path / "annotations/Train_Set/1.txt")
        os.mkfifo(tmp_path / "list_test.txt")
        (tmp_path / "cropped_aligned/nowhere").symlink_to("nowhere")
        dataset = AffWild2(tmp_path)
        (video,) = dataset.videos()
        assert [u.line.split(": ")[1][:12] for u in dataset.unused] == ["no faces in "]
        with pytest.raises(InputError, match=r"1\.txt: expected a text file, got a device or a pi"):
            video.read_labels(Problems())

    def test_faces_of_openface(self, tmp_path: Path) -> None:
        write(tmp_path / "annotations/Train_Set/talk.txt", HEADER)
        write(tmp_path / "processed/talk_aligned/frame_det_00_000001.bmp")
        (video,) = AffWild2(tmp_path).videos()
        assert video.source.name == "talk_aligned"

    def test_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(NothingFoundError, match="expected faces, films or annotations"):
            overview(AffWild2(tmp_path))


def test_words() -> None:
    assert words_of("6th_TrainSet-VASet2") == ["6", "th", "train", "set", "va", "set", "2"]
    assert set_of(["test_run0", "labels"]) is None
    assert set_of(["Train_Set"]) == TRAIN
    assert set_of(["data", "Train_and_Test", "Val"]) == VALIDATION
    assert is_other_task(["VA_EXPR_Sets", "EXPR_Set", TRAIN])
    assert not is_other_task(["MTL_Challenge", "VA_Set", TRAIN])
    assert not is_other_task(["VA_EXPR_AU", TRAIN])
