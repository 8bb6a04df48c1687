"""Reading annotations and pairing them with folders of faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mimamo import InputError
from mimamo.data.affwild2 import AffWild2, match_annotations, read_annotations

HEADER = "valence,arousal"


@pytest.fixture
def annotation(tmp_path: Path) -> Path:
    return tmp_path / "video.txt"


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


class TestReadAnnotations:
    def test_one_row_per_frame(self, annotation: Path) -> None:
        annotation.write_text(f"{HEADER}\n0.5,-0.25\n-1,1\n0,0.0\n")
        values = read_annotations(annotation)
        assert values.dtype == np.float32
        assert values.tolist() == [[0.5, -0.25], [-1, 1], [0, 0]]

    def test_a_frame_with_one_or_two_values_missing_is_not_annotated(
        self, annotation: Path
    ) -> None:
        annotation.write_text(f"{HEADER}\n-5,-5\n-5,0.5\n0.5,-5.0\n0.1,0.2\n")
        assert np.isnan(read_annotations(annotation)).tolist() == [
            [True, True],
            [True, True],
            [True, True],
            [False, False],
        ]

    @pytest.mark.parametrize(
        "content",
        [
            f"{HEADER}\r\n0.5,-0.25\r\n",
            f"{HEADER}\n0.5,-0.25",
            f"{HEADER}\n0.5,-0.25\n\n",
            f"\ufeff{HEADER}\n0.5,-0.25\n",
            "valence, arousal\n 0.5 , -0.25\n",
        ],
        ids=["windows", "no final newline", "blank last line", "byte order mark", "spaces"],
    )
    def test_what_text_editors_do_is_harmless(self, annotation: Path, content: str) -> None:
        annotation.write_bytes(content.encode())
        assert read_annotations(annotation).tolist() == [[0.5, -0.25]]

    def test_a_header_alone_is_a_video_of_no_frames(self, annotation: Path) -> None:
        annotation.write_text(f"{HEADER}\n")
        assert read_annotations(annotation).shape == (0, 2)

    @pytest.mark.parametrize(
        "line",
        ["", "0.5", "0.5,", "0.5,0.5,0.5", "0.5;0.5", "a,b", "1.01,0", "0,-2", "nan,0", "inf,0"],
    )
    def test_a_malformed_line_is_named(self, annotation: Path, line: str) -> None:
        annotation.write_text(f"{HEADER}\n0,0\n0,0\n{line}\n0,0\n")
        with pytest.raises(InputError) as error:
            read_annotations(annotation)
        message = str(error.value)
        assert message.startswith(f"{annotation}:4: expected valence,arousal")
        assert repr(line) in message
        assert "\n" not in message

    @pytest.mark.parametrize("content", ["", "0.5,0.5\n", "arousal,valence\n0.5,0.5\n"])
    def test_a_missing_header_is_named(self, annotation: Path, content: str) -> None:
        annotation.write_text(content)
        with pytest.raises(InputError, match=r"video\.txt:1: expected the header"):
            read_annotations(annotation)

    def test_a_file_that_is_no_text(self, annotation: Path) -> None:
        annotation.write_bytes(b"\x89PNG\xff\xfe")
        with pytest.raises(InputError, match=r"video\.txt: expected a text file"):
            read_annotations(annotation)

    def test_a_missing_file(self, annotation: Path) -> None:
        with pytest.raises(InputError, match=r"video\.txt: cannot be read: No such file"):
            read_annotations(annotation)


class TestMatchAnnotations:
    def test_each_image_gets_the_annotation_of_its_frame(self) -> None:
        annotations = np.array([[0.0, 0.0], [0.1, -0.1], [0.2, -0.2], [0.3, -0.3]], np.float32)
        matched = match_annotations(annotations, [1, 3])
        assert np.array_equal(matched, annotations[[1, 3]])

    def test_images_past_the_annotations_are_not_annotated(self) -> None:
        matched = match_annotations(np.zeros((3, 2), np.float32), [2, 3, 9])
        assert np.isnan(matched).any(axis=1).tolist() == [False, True, True]


class TestPairing:
    def test_videos_pair_up_by_their_full_names(self, root: Path) -> None:
        for name in ("1-30-1280x720", "1-30-1280x720_left", "1-30-1280x720_right", "two.dots"):
            add_video(root, name)
        add_video(root, "6", "Validation_Set")
        dataset = AffWild2(root)
        videos = dataset.videos("Train_Set")
        assert [video.name for video in videos] == [
            "1-30-1280x720",
            "1-30-1280x720_left",
            "1-30-1280x720_right",
            "two.dots",
        ]
        assert all(video.faces.name == video.name for video in videos)
        assert [video.name for video in dataset.videos("Validation_Set")] == ["6"]
        assert videos[0].annotations.tolist() == [[0.5, -0.25]]
        assert dataset.unused == []

    def test_an_annotation_without_faces_is_left_out_and_reported(self, root: Path) -> None:
        add_video(root, "good")
        add_video(root, "empty", faces=0)
        add_video(root, "lonely")
        (root / "cropped_aligned" / "lonely").rename(root / "cropped_aligned" / "lonely_left")
        dataset = AffWild2(root)
        assert [video.name for video in dataset.videos("Train_Set")] == ["good"]
        empty, lonely, folders = dataset.unused
        assert "empty.txt: no faces in" in empty
        assert "lonely.txt: no faces in" in lonely
        assert folders.endswith("not used: lonely_left")

    @pytest.mark.parametrize(
        ("count", "shown"),
        [(2, "test-0, test-1"), (6, "test-0, test-1, test-2, test-3, test-4, ...")],
    )
    def test_folders_without_annotation_are_reported_in_one_line(
        self, root: Path, count: int, shown: str
    ) -> None:
        add_video(root, "good")
        for number in reversed(range(count)):
            add_video(root, f"test-{number}", subset=None)
        assert AffWild2(root).unused == [
            f"{root / 'cropped_aligned'}: {count} folders in neither Train_Set nor Validation_Set; "
            f"not used: {shown}"
        ]

    def test_other_files_are_not_looked_at(self, root: Path) -> None:
        add_video(root, "good")
        (root / "annotations/Train_Set/._good.txt").write_bytes(b"\x00\x05\x16\x07")
        (root / "annotations/Train_Set/readme.md").touch()
        (root / "cropped_aligned/list.csv").touch()
        dataset = AffWild2(root)
        assert len(dataset.videos("Train_Set")) == 1
        assert dataset.unused == []


class TestBadLayout:
    @pytest.mark.parametrize(
        "missing", ["annotations/Train_Set", "annotations/Validation_Set", "cropped_aligned"]
    )
    def test_a_missing_folder_is_named(self, root: Path, missing: str) -> None:
        (root / missing).rmdir()
        with pytest.raises(InputError, match=rf"{missing}: expected a folder of the Aff-Wild2"):
            AffWild2(root)

    def test_a_subset_without_videos(self, root: Path) -> None:
        add_video(root, "good")
        with pytest.raises(InputError, match=r"Validation_Set: expected at least one"):
            AffWild2(root).videos("Validation_Set")

    def test_a_video_in_both_subsets(self, root: Path) -> None:
        add_video(root, "twice")
        (root / "annotations/Validation_Set/twice.txt").write_text(f"{HEADER}\n0,0\n")
        with pytest.raises(InputError, match=r"Validation_Set/twice\.txt: is also in Train_Set"):
            AffWild2(root)

    def test_a_malformed_line_is_found_before_any_image_is_read(self, root: Path) -> None:
        add_video(root, "bad")
        (root / "annotations/Train_Set/bad.txt").write_text(f"{HEADER}\n0,0\n0;0\n")
        with pytest.raises(InputError, match=r"bad\.txt:3: "):
            AffWild2(root).videos("Train_Set")

    def test_an_unknown_subset(self, root: Path) -> None:
        with pytest.raises(
            ValueError, match="expected Train_Set or Validation_Set, got 'Test_Set'"
        ):
            AffWild2(root).videos("Test_Set")
