"""The table of the stream ablation is what was measured, by one command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.recipes import TINY_FILE

from benchmarks import ablation
from mimamo import InputError
from mimamo.train import TrainingConfig

ROOT = Path(__file__).resolve().parents[2]


def test_the_table_is_that_of_the_stored_results() -> None:
    text = (ROOT / "docs/explanation/stream-ablation.md").read_text(encoding="utf-8")
    content = ablation.load(ablation.RESULT)
    assert ablation.table(content) in text
    for entry in content["rows"]:
        assert {"seed", "training", "versions", "machine", "threads", "interval_95"} <= set(entry)


def test_the_stored_results_are_of_the_recipe_and_the_data_that_are_documented() -> None:
    content, expected = ablation.load(ablation.RESULT), ablation._content()
    for name in ("synth", "subset"):
        assert content[name] == expected[name]
    # Settings that there were not then have their defaults.
    assert TrainingConfig.from_dict(content["recipe"]).to_dict() == expected["recipe"]
    text = (ROOT / "docs/explanation/stream-ablation.md").read_text(encoding="utf-8")
    options = " ".join(
        f"--{name} {ablation.SYNTH[name]}" for name in ablation.SYNTH if name != "seed"
    )
    assert f"mimamo synth --out faces {options}\n" in text


def test_a_row_without_an_interval_has_a_line() -> None:
    """Where resamples do not differ there is none."""
    content = ablation.load(ablation.RESULT)
    content["rows"][0] |= {"valence": 0.0, "interval_95": {"valence": None, "arousal": [0.1, 0.2]}}
    assert "| both | 0 | 0.000 | **0.955** (0.100 to 0.200) |" in ablation.table(content)


class TestCommand:
    @pytest.fixture
    def result(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """What the command wrote, with less to draw and to learn."""
        (tmp_path / "recipe.toml").write_text(TINY_FILE)
        monkeypatch.setattr(ablation, "RECIPE", tmp_path / "recipe.toml")
        small = {"identities": 8, "takes": 1, "frames": 16, "seed": 0}
        monkeypatch.setattr(ablation, "SYNTH", small)
        ablation.main(tmp_path / "out", tmp_path / "l.json", [3], ["both"])
        return tmp_path / "l.json"

    def test_it_goes_on_where_it_was_stopped(self, result: Path, monkeypatch, capsys) -> None:
        before = ablation.load(result)
        assert [(entry["seed"], entry["row"]) for entry in before["rows"]] == [
            (3, row.title) for row in ablation.ROWS if row.trained == "both"
        ]
        ablation.main(result.parent / "out", result, [3], ["both", "spatial"])
        after = ablation.load(result)
        assert after["rows"][:3] == before["rows"]
        assert [entry["row"] for entry in after["rows"][3:]] == ["stills alone"]
        assert ablation.table(after) in capsys.readouterr().out

    def test_results_of_another_recipe_are_not_added_to(self, result: Path) -> None:
        ablation.RECIPE.write_text(TINY_FILE.replace("epochs = 1", "epochs = 2"))
        with pytest.raises(InputError, match=r"l\.json: expected results of the same recipe as"):
            ablation.measure(result.parent, result.parent, result, 4, "both")

    def test_other_files_are_refused(self, result: Path) -> None:
        for text in ("{", "[]", json.dumps(ablation.load(result) | {"rows": [{"row": "none"}]})):
            result.write_text(text)
            with pytest.raises(InputError, match=r"^.+l\.json: expected"):
                ablation.load(result)
