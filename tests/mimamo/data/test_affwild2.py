"""Reading annotations and pairing them with folders of faces."""

from __future__ import annotations

from pathlib import Path

import pytest

from mimamo import InputError
from mimamo.data import Problems
from mimamo.data.affwild2 import AffWild2

HEADER = "valence,arousal"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty data set."""
    for folder in ("annotations/Train_Set", "annotations/Validation_Set", "cropped_aligned"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


def add_video(root: Path, name: str, subset: str | None = "Train_Set", faces: int = 2) -> None:
    """Add a video; without a subset it has no annotation. Its images are never opened here."""
    if subset:
        (root / "annotations" / subset / f"{name}.txt").write_text(f"{HEADER}\n0.5,-0.25\n")
    folder = root / "cropped_aligned" / name
    folder.mkdir()
    for number in range(1, faces + 1):
        (folder / f"{number:05d}.jpg").touch()


def names(dataset: AffWild2, subset: str) -> list[str]:
    return [video.name for video in dataset.videos() if video.subset == subset]


class TestPairing:
    def test_videos_pair_up_by_their_full_names(self, root: Path) -> None:
        for name in ("1-30-1280x720", "1-30-1280x720_left", "1-30-1280x720_right", "two.dots"):
            add_video(root, name)
        add_video(root, "6", "Validation_Set")
        dataset = AffWild2(root)
        assert names(dataset, "Train_Set") == [
            "1-30-1280x720",
            "1-30-1280x720_left",
            "1-30-1280x720_right",
            "two.dots",
        ]
        videos = dataset.videos()
        assert all(video.source.name == video.name for video in videos)
        assert names(dataset, "Validation_Set") == ["6"]
        assert videos[0].read_labels(Problems(strict=True)).tolist() == [[0.5, -0.25]]
        assert dataset.unused == []

    def test_an_annotation_without_faces_is_left_out_and_reported(self, root: Path) -> None:
        add_video(root, "good")
        add_video(root, "empty", faces=0)
        add_video(root, "lonely")
        (root / "cropped_aligned" / "lonely").rename(root / "cropped_aligned" / "lonely_left")
        dataset = AffWild2(root)
        assert names(dataset, "Train_Set") == ["good"]
        assert [unused.line.split(": ")[0].rsplit("/", 1)[1] for unused in dataset.unused] == [
            "empty.txt",
            "lonely.txt",
        ]
        assert [line.split(": ")[0].rsplit("/", 1)[1] for line in dataset.remarks] == [
            "lonely_left"
        ]

    def test_faces_without_annotation_are_the_test_set(self, root: Path) -> None:
        add_video(root, "good")
        add_video(root, "secret", subset=None)
        dataset = AffWild2(root)
        assert names(dataset, "Test_Set") == ["secret"]
        assert dataset.videos()[-1].read_labels is None

    def test_the_test_sets_annotations_may_be_there(self, root: Path) -> None:
        (root / "annotations/Test_Set").mkdir()
        add_video(root, "known", subset="Test_Set")
        (video,) = AffWild2(root).videos()
        assert (video.subset, video.labels.name) == ("Test_Set", "known.txt")

    def test_faces_beside_an_annotated_person_are_not_the_test_set(self, root: Path) -> None:
        add_video(root, "talk_left")
        for name in ("talk", "talk_right", "alone_left"):
            add_video(root, name, subset=None)
        dataset = AffWild2(root)
        assert names(dataset, "Test_Set") == ["alone_left"]
        assert [line.split(": ")[0].rsplit("/", 1)[1] for line in dataset.remarks] == [
            "talk",
            "talk_right",
        ]
        assert dataset.unused == []

    def test_hidden_and_other_files_are_passed_over(self, root: Path) -> None:
        add_video(root, "good")
        (root / "annotations/Train_Set/._good.txt").write_bytes(b"\x00\x05\x16\x07")
        (root / "annotations/Train_Set/readme.md").touch()
        (root / "cropped_aligned/list.csv").touch()
        dataset = AffWild2(root)
        assert len(dataset.videos()) == 1
        assert dataset.unused == []


class TestFilms:
    def test_they_tell_the_length_of_aligned_faces(self, root: Path) -> None:
        add_video(root, "good")
        (root / "videos/batch1").mkdir(parents=True)
        (root / "videos/batch1/good.mp4").touch()
        (video,) = AffWild2(root).videos()
        assert video.source == root / "cropped_aligned" / "good"
        assert video.recording == root / "videos/batch1/good.mp4"

    def test_they_stand_in_for_faces(self, root: Path, tmp_path: Path) -> None:
        add_video(root, "good")
        for file in (root / "cropped_aligned/good").iterdir():
            file.unlink()
        (root / "cropped_aligned/good").rmdir()
        (root / "cropped_aligned").rmdir()
        films = tmp_path / "films"
        films.mkdir()
        (films / "good.avi").touch()
        (video,) = AffWild2(root, films).videos()
        assert (video.subset, video.source) == ("Train_Set", films / "good.avi")

    def test_both_people_of_a_film_are_looked_for_in_it(self, root: Path) -> None:
        for name in ("talk_left", "talk_right", "nobody_left"):
            (root / f"annotations/Train_Set/{name}.txt").write_text(f"{HEADER}\n0,0\n")
        (root / "cropped_aligned").rmdir()
        (root / "videos").mkdir()
        (root / "videos/talk.mp4").touch()
        dataset = AffWild2(root)
        found = {video.name: (video.source.name, video.side) for video in dataset.videos()}
        assert found == {
            "talk_left": ("talk.mp4", "left"),
            "talk_right": ("talk.mp4", "right"),
        }
        assert [unused.line.split(": ")[0].rsplit("/", 1)[1] for unused in dataset.unused] == [
            "nobody_left.txt"
        ]

    @pytest.mark.parametrize(("second", "said"), [(b"film", 0), (b"longer film", 1)])
    def test_the_largest_of_one_name(self, root: Path, second: bytes, said: int) -> None:
        """An archive has films once for each task; one may have been cut short."""
        add_video(root, "good")
        for folder, content in (("batch1", b"film"), ("batch2", second)):
            (root / "videos" / folder).mkdir(parents=True)
            (root / "videos" / folder / "good.mp4").write_bytes(content)
        dataset = AffWild2(root)
        (video,) = dataset.videos()
        assert video.recording == root / f"videos/batch{1 + said}/good.mp4"
        assert len(dataset.remarks) == said
        assert all("batch2/good.mp4: there are others" in line for line in dataset.remarks)


class TestBadLayout:
    def test_a_missing_folder_is_named(self, root: Path) -> None:
        with pytest.raises(InputError, match=r"none: expected the folder of a data set: No such"):
            AffWild2(root / "none")

    @pytest.mark.parametrize("wrong", ["annotations", "faces", "videos", "names"])
    def test_a_place_that_is_said_and_holds_nothing(self, root: Path, wrong: str) -> None:
        add_video(root, "good")
        (root / "nothing").mkdir()
        (root / "nothing.txt").touch()
        given: dict[str, object] = {
            "annotations": {"annotations": root / "nothing"},
            "faces": {"faces": [root / "nothing"]},
            "videos": {"videos": root / "nothing"},
            "names": {"names": root / "nothing.txt"},
        }[wrong]
        with pytest.raises(InputError, match=r"nothing(\.txt)?: expected .* found none"):
            AffWild2(root, **given)

    def test_nothing_in_it(self, root: Path) -> None:
        with pytest.raises(InputError, match="expected videos with faces"):
            AffWild2(root).videos()

    def test_a_video_in_both_subsets(self, root: Path) -> None:
        add_video(root, "twice")
        (root / "annotations/Validation_Set/twice.txt").write_text(f"{HEADER}\n0,0\n")
        with pytest.raises(InputError, match=r"Validation_Set/twice\.txt: is also in Train_Set"):
            AffWild2(root)
