"""Reading OMG-Emotion: utterances, their one label, and what is wrong with them."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from mimamo import InputError
from mimamo.data import Cache, OMGEmotion, Problems
from mimamo.extract import extract, open_dataset

HEADER = "link,start,end,video,utterance,arousal,valence,EmotionMaxVote"
ROWS = {
    "omg_TrainVideos.csv": [
        "x,0,1,fb4,utterance_1.mp4,0.4,-0.5,3",
        "x,1,2,fb4,utterance_2.mp4,0.1,0.25,4",
    ],
    "omg_ValidationVideos.csv": ["x,0,1,9ac,utterance_1.mp4,0.9,0.75,1"],
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for table, rows in ROWS.items():
        (tmp_path / table).write_text("\n".join([HEADER, *rows]) + "\n")
        for row in rows:
            video, utterance = row.split(",")[3:5]
            folder = tmp_path / "faces" / video / utterance.removesuffix(".mp4")
            folder.mkdir(parents=True)
            for number in range(1, 21):
                image = np.full((112, 112, 3), 5 * number, np.uint8)
                cv2.imwrite(str(folder / f"{number:05d}.jpg"), image)
    return tmp_path


def test_utterances_find_their_label(root: Path) -> None:
    videos = OMGEmotion(root).videos()
    assert [(video.subset, video.name) for video in videos] == [
        ("Train_Set", "fb4_utterance_1"),
        ("Train_Set", "fb4_utterance_2"),
        ("Validation_Set", "9ac_utterance_1"),
    ]
    labels = [video.read_labels(Problems(strict=True)).tolist() for video in videos]
    np.testing.assert_allclose(labels, [[[-0.5, 0.4]], [[0.25, 0.1]], [[0.75, 0.9]]], atol=1e-6)


def test_a_cache_of_them_knows_that_a_label_is_of_an_utterance(root: Path, tmp_path: Path) -> None:
    result = extract(root, tmp_path / "cache", backbone="small", strict=True)
    assert (result.made, result.frames) == (3, 60)
    cache = Cache(tmp_path / "cache")
    assert (cache.manifest.layout, cache.manifest.unit) == ("OMG-Emotion", "utterance")
    video = cache.subset("Validation_Set")[0]
    assert video.subject == "9ac"
    np.testing.assert_allclose(video.sequence.labels, [[0.75, 0.9]] * 20, atol=1e-6)


def test_a_changed_row_makes_its_utterance_again_and_no_other(root: Path, tmp_path: Path) -> None:
    extract(root, tmp_path / "cache", backbone="small")
    table = root / "omg_TrainVideos.csv"
    text = table.read_text().replace("0.1,0.25", "0.1,0.75")
    table.write_text(text + "x,2,3,fb4,utterance_3.mp4,0,0,1\n")
    result = extract(root, tmp_path / "cache", backbone="small")
    assert (result.made, result.kept) == (1, 2)
    video = Cache(tmp_path / "cache").videos[1]
    np.testing.assert_allclose(video.sequence.labels, [[0.75, 0.1]] * 20, atol=1e-6)


def test_a_test_set_without_labels(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "faces/fb4", root / "faces/t_1")
    (root / "omg_TestVideos_WithoutLabels.csv").write_text(
        "link,start,end,video,utterance\nx,0,1,t_1,utterance_1.mp4\n"
    )
    result = extract(root, tmp_path / "cache", backbone="small", strict=True)
    assert (result.made, result.skipped) == (4, ())
    (video,) = Cache(tmp_path / "cache").subset("Test_Set")
    assert (video.name, len(video), video.annotated_frames) == ("t_1_utterance_1", 20, 0)
    labelled = f"{HEADER}\nx,0,1,t_1,utterance_1.mp4,0.5,-0.5,3\n"
    (root / "omg_TestVideos_WithLabels.csv").write_text(labelled)
    result = extract(root, tmp_path / "cache", backbone="small", strict=True)
    assert (result.made, result.kept) == (1, 3)
    (video,) = Cache(tmp_path / "cache").subset("Test_Set")
    assert video.annotated_frames == 20


def test_the_layout_is_recognised(root: Path) -> None:
    assert open_dataset(root).layout == "OMG-Emotion"


def test_the_way_to_the_data_set_says_nothing_of_its_subsets(tmp_path: Path) -> None:
    root = tmp_path / "my training"
    for folder in ("Train_videos", "Validation_videos"):
        (root / folder / "fb4").mkdir(parents=True)
        (root / folder / "fb4" / "utterance_1.mp4").touch()
    for table in ROWS:
        row = "x,0,1,fb4,utterance_1.mp4,0.4,-0.5,3"
        (root / table).write_text(f"{HEADER}\n{row if 'Train' in table else ''}\n")
    (root / "Train_videos").rename(root / "z_Train_videos")  # the last one found
    (video,) = OMGEmotion(root).videos()
    assert video.source == root / "z_Train_videos/fb4/utterance_1.mp4"


def test_a_video_file_is_found_under_the_folder_of_its_subset(root: Path) -> None:
    for folder in ("Test", "Train"):
        path = root / folder / "fb4" / "utterance_1.mp4"
        path.parent.mkdir(parents=True)
        path.touch()
    assert OMGEmotion(root).videos()[0].source == root / "Train" / "fb4" / "utterance_1.mp4"


class TestBadInput:
    @pytest.mark.parametrize("label", ["1.5,0", "x,0", ",", "0,nan"])
    def test_a_label_that_is_none(self, root: Path, tmp_path: Path, label: str) -> None:
        table = root / "omg_TrainVideos.csv"
        table.write_text(table.read_text().replace("0.1,0.25", label))
        lines: list[str] = []
        result = extract(root, tmp_path / "cache", backbone="small", report=lines.append)
        assert (result.made, len(result.skipped)) == (2, 1)
        assert result.problems[0].startswith(f"{table}:3: expected valence and arousal")

    def test_an_utterance_without_a_video(self, root: Path) -> None:
        table = root / "omg_TrainVideos.csv"
        table.write_text(table.read_text() + "x,0,1,fb4,utterance_9.mp4,0,0,1\n")
        dataset = OMGEmotion(root)
        assert len(dataset.videos()) == 3
        missing = f"{table}:4: no video or faces of fb4_utterance_9; not used"
        assert dataset.unused == [(missing, "fb4_utterance_9")]

    def test_a_table_without_its_columns(self, root: Path) -> None:
        (root / "omg_TrainVideos.csv").write_text("video,utterance,valence\n")
        with pytest.raises(InputError, match=r"TrainVideos\.csv:1: .* found no arousal"):
            OMGEmotion(root).videos()

    @pytest.mark.parametrize(
        ("row", "message"),
        [
            ("x,0,1,fb4,utt", "expected 8 columns, got 5"),
            ("x,0,1,fb4,utterance_1.mp4,0.4,-0.5,3,,5", "expected 8 columns, got 10"),
            ("x,0,1,,utterance_1.mp4,0.4,-0.5,3", "expected the name of video, got an empty cell"),
            ("x,0,1,fb4, ,0.4,-0.5,3", "expected the name of utterance, got an empty cell"),
        ],
    )
    def test_a_row_of_no_use(self, root: Path, tmp_path: Path, row: str, message: str) -> None:
        table = root / "omg_TrainVideos.csv"
        header, first, *rest = table.read_text().splitlines()
        table.write_text("\n".join([header, first, row, *rest]))
        expected = f"{table}:3: {message}; not used"
        with pytest.raises(InputError) as error:
            extract(root, tmp_path / "cache", backbone="small", strict=True)
        assert str(error.value) == expected
        lines: list[str] = []
        result = extract(root, tmp_path / "cache", backbone="small", report=lines.append)
        assert (result.made, result.problems) == (3, (expected,))
        assert expected in lines

    def test_a_row_that_is_no_csv(self, root: Path) -> None:
        table = root / "omg_TrainVideos.csv"
        table.write_text(table.read_text() + "x" * 200_000)
        with pytest.raises(InputError, match=r"TrainVideos\.csv:4: expected a row of CSV: field"):
            OMGEmotion(root).videos()

    def test_a_missing_table(self, root: Path) -> None:
        (root / "omg_ValidationVideos.csv").unlink()
        with pytest.raises(InputError, match=r"omg_ValidationVideos\.csv: cannot be read"):
            OMGEmotion(root).videos()
