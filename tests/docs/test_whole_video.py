"""The tables of the page on the whole video are what was measured, by one command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.recipes import TINY_FILE

from benchmarks import whole_video
from benchmarks.suites.memory import RESET
from mimamo import InputError
from mimamo.predict.clips import Cut
from mimamo.train import TrainingConfig

ROOT = Path(__file__).resolve().parents[2]


def test_the_tables_are_those_of_the_stored_results() -> None:
    text = (ROOT / "docs/explanation/whole-video.md").read_text(encoding="utf-8")
    tables = whole_video.tables(whole_video.load(whole_video.RESULT))
    assert set(tables) == {"set", "film", "memory"}
    for table in tables.values():
        assert table in text


def test_the_stored_results_are_of_the_recipe_and_the_data_that_are_documented() -> None:
    content, expected = whole_video.load(whole_video.RESULT), whole_video._content()
    for name in ("synth", "subset"):
        assert content[name] == expected[name]
    # Settings that there were not then have their defaults.
    assert TrainingConfig.from_dict(content["recipe"]).to_dict() == expected["recipe"]
    assert content["recipe"]["clip_length"] == whole_video.LENGTHS[0]
    text = (ROOT / "docs/explanation/whole-video.md").read_text(encoding="utf-8")
    options = " ".join(f"--{name} {x}" for name, x in whole_video.SYNTH.items() if name != "seed")
    assert f"mimamo synth --out long {options}\n" in text


def test_steps_are_told_apart_by_where_they_are() -> None:
    values = np.zeros((20, 2))
    values[8:12] = 0.5  # the last of the clips of 8 starts at 12 and overlaps the one before
    values[17] = 0.1
    numbers = np.arange(1, 21)
    found = whole_video.steps([(values, numbers)], 8)
    assert found["largest_step"] == 0.5
    assert found["largest_at"] == 8
    assert found["border_step"] == pytest.approx((0.5 + 0.5 + 0) / 3)  # at 8, 12 and 16
    assert found["step"] == pytest.approx(0.2 / 16)
    assert whole_video.steps([(values[:8], numbers[:8])], 8)["border_step"] is None
    numbers[8:] += 1  # a frame without a face lies between
    assert whole_video.steps([(values, numbers)], 8)["largest_at"] == 12


def test_every_way_is_one_that_predicts() -> None:
    cuts = [way.cut(64) for way in whole_video.WAYS]
    assert cuts[:4] == [Cut(64), Cut(), Cut(8), Cut(whole=True)]


@pytest.mark.slow
class TestCommand:
    @pytest.fixture
    def result(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """What the command wrote, with less to draw and to learn."""
        (tmp_path / "recipe.toml").write_text(TINY_FILE)
        monkeypatch.setattr(whole_video, "RECIPE", tmp_path / "recipe.toml")
        small = {"identities": 5, "takes": 1, "frames": 20, "seed": 0}
        monkeypatch.setattr(whole_video, "SYNTH", small)
        monkeypatch.setattr(whole_video, "LENGTHS", (8, 16))
        whole_video.main(tmp_path / "out", tmp_path / "w.json", [3])
        return tmp_path / "w.json"

    def test_it_goes_on_where_it_was_stopped(self, result: Path, monkeypatch, capsys) -> None:
        rows = whole_video.load(result)["rows"]
        known = [(row["clip_length"], row["way"]) for row in rows]
        assert known == [(length, way.title) for length in (8, 16) for way in whole_video.WAYS]
        disjoint, default = rows[:2]
        assert default["border_step"] < disjoint["border_step"]
        monkeypatch.setattr(whole_video, "train", None)
        whole_video.main(result.parent / "out", result, [3])
        assert whole_video.load(result)["rows"] == rows
        assert whole_video.tables(whole_video.load(result))["set"] in capsys.readouterr().out

    def test_results_of_something_else_are_refused(self, result: Path) -> None:
        whole_video.RECIPE.write_text(TINY_FILE.replace("epochs = 1", "epochs = 2"))
        with pytest.raises(InputError, match=r"w\.json: expected results of the same recipe"):
            whole_video.measure(result.parent / "out", result, [4], None, False)
        for text in ("{", "[]", json.dumps(whole_video.load(result) | {"rows": [{"way": "x"}]})):
            result.write_text(text)
            with pytest.raises(InputError, match=r"^.+w\.json: expected"):
                whole_video.load(result)


@pytest.mark.slow
@pytest.mark.skipif(not RESET.exists(), reason="needs Linux's /proc")
def test_a_whole_pass_needs_the_memory_that_is_said() -> None:
    """10 KB a frame."""
    grown = whole_video.in_a_process(whole_video.whole_growth, 20_000)
    assert 2_000 < grown / 20_000 < 12_000
