"""Submissions of OMG-Emotion: a row for every utterance, in the data set's own columns."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from mimamo import InputError
from mimamo.data import Cache, OMGEmotion
from mimamo.evaluate import Ensemble, submit
from mimamo.evaluate.utterances import rows_of_names, write_utterances
from mimamo.extract import extract

HEADER = "link,start,end,video,utterance,arousal,valence,EmotionMaxVote"
TEST = ("b_1,utterance_10.mp4", "b_1,utterance_2.mp4", "a_1,utterance_1.mp4")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Data and cache of an utterance to train on and three to test on, in no order of names."""
    grey = np.random.default_rng(0).integers(0, 256, (9, 112, 112, 3)).astype(np.uint8)
    tables = {"Train": ["c_1,utterance_1.mp4"], "Validation": [], "Test": TEST}
    for subset, rows in tables.items():
        table = f"omg_{subset}Videos{'_WithLabels' if subset == 'Test' else ''}.csv"
        lines = [HEADER, *(f"x,0,1,{row},0.5,-0.5,3" for row in rows)]
        (tmp_path / table).write_text("\n".join(lines) + "\n")
        for number, row in enumerate(rows):
            folder = tmp_path / "faces" / row.replace(",", "/").removesuffix(".mp4")
            folder.mkdir(parents=True)
            for frame in range(1, 4):
                image = grey[(3 * number + frame) % 9]
                cv2.imwrite(str(folder / f"{frame:05d}.jpg"), image)
    extract(tmp_path, tmp_path / "cache", backbone="small")
    return tmp_path


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_one_table_with_a_row_for_each(root: Path, small_run: Path) -> None:
    said: list[str] = []
    result = submit([small_run], root / "cache", root / "out", report=said.append)
    assert (result.files, result.frames) == ((root / "out/utterances.csv",), 3)
    assert [path.name for path in (root / "out").iterdir()] == ["utterances.csv"]
    assert said == [f"{root}/out/utterances.csv: 3 utterances"]
    rows = table(result.files[0])
    assert list(rows[0]) == ["video", "utterance", "arousal", "valence"]
    cache = Cache(root / "cache")
    videos = cache.subset("Test_Set")
    values = Ensemble([small_run], cache).predict(videos)
    for row, video in zip(rows, videos, strict=True):
        assert f"{row['video']}_{row['utterance']}" == f"{video.name}.mp4"
        # As it is scored, within what the labels may be.
        ((valence, arousal),), _ = video.sequence.pairs(values[video.name])
        assert float(row["valence"]) == pytest.approx(np.clip(valence, -1, 1), abs=1e-6)
        assert float(row["arousal"]) == pytest.approx(np.clip(arousal, 0, 1), abs=1e-6)


def test_the_data_sets_table_tells_the_order(root: Path, small_run: Path) -> None:
    for name in ("omg_TestVideos_WithLabels.csv", "without.csv"):
        lines = [",".join(("x", "0", "1", row)) for row in TEST]
        (root / "without.csv").write_text("\n".join(["link,start,end,video,utterance", *lines]))
        out = root / f"out-{name}"
        (path,) = submit([small_run], root / "cache", out, names=root / name).files
        assert [f"{row['video']},{row['utterance']}" for row in table(path)] == list(TEST)


def test_a_plain_list_chooses_too(root: Path, small_run: Path) -> None:
    (root / "names.txt").write_text("b_1_utterance_2\n")
    (path,) = submit([small_run], root / "cache", root / "out", names=root / "names.txt").files
    assert [f"{row['video']},{row['utterance']}" for row in table(path)] == [TEST[1]]


def test_one_without_a_face_gets_the_others_mean(root: Path, small_run: Path) -> None:
    for image in (root / "faces/b_1/utterance_2").iterdir():
        image.unlink()
    extract(root, root / "cache", backbone="small")
    said: list[str] = []
    (path,) = submit([small_run], root / "cache", root / "out", report=said.append).files
    first, second, third = (float(row["valence"]) for row in table(path))
    assert third == pytest.approx((first + second) / 2, abs=1e-6)
    assert said[-1].startswith(
        "warning: 1 utterance could not be predicted and got the others' mean, such as "
        "b_1_utterance_2 ("
    )
    (root / "names.txt").write_text("b_1_utterance_2\n")
    with pytest.raises(InputError, match=r"b_1_utterance_2: .*no face in it.*nor is any other"):
        submit([small_run], root / "cache", root / "none", names=root / "names.txt")


def test_values_are_clipped_and_the_reader_reads_them(root: Path) -> None:
    path = root / "omg_TrainVideos.csv"
    write_utterances(
        path, rows_of_names(["c_1_utterance_1"]), {"c_1_utterance_1": -9 * np.ones((4, 2))}
    )
    assert path.read_text() == (
        "video,utterance,arousal,valence\nc_1,utterance_1.mp4,0.000000,-1.000000\n"
    )
    assert OMGEmotion(root).videos()[0].name == "c_1_utterance_1"


class TestRefused:
    def test_videos_to_count_frames_of(self, root: Path, small_run: Path) -> None:
        for settings in ({"videos": root}, {"decode": True}):
            with pytest.raises(InputError, match=r"--format, --sample: expected none of them"):
                submit([small_run], root / "cache", root / "out", **settings)

    def test_a_table_in_the_way(self, root: Path, small_run: Path) -> None:
        submit([small_run], root / "cache", root / "out")
        with pytest.raises(InputError, match=r"out/utterances\.csv: exists"):
            submit([small_run], root / "cache", root / "out")
        submit([small_run], root / "cache", root / "out", overwrite=True)

    @pytest.mark.parametrize(
        ("row", "message"),
        [
            ("x,0,1,b_1,utterance_3.mp4", "6: expected an utterance of .*, got 'b_1_utterance_3'"),
            ("x,0,1,b_1,utterance_2.mp4", "6: b_1_utterance_2 is there twice"),
            ("x,0,1,b_1", "6: expected 5 columns, got 4"),
        ],
    )
    def test_a_row_of_no_use(self, root: Path, small_run: Path, row: str, message: str) -> None:
        lines = [*(f"x,0,1,{known}" for known in TEST), "", row]
        (root / "t.csv").write_text("\n".join(["link,start,end,video,utterance", *lines]))
        with pytest.raises(InputError, match=rf"t\.csv:{message}"):
            submit([small_run], root / "cache", root / "out", names=root / "t.csv")
        assert not (root / "out").exists()

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("video,arousal\n", "1: expected a header with video, utterance, found no utterance"),
            ("video,utterance\n", " expected rows of utterances, found none"),
        ],
    )
    def test_a_table_of_no_use(self, root: Path, small_run: Path, text: str, message: str) -> None:
        (root / "t.csv").write_text(text)
        with pytest.raises(InputError, match=rf"t\.csv:{message}"):
            submit([small_run], root / "cache", root / "out", names=root / "t.csv")
