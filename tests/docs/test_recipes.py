"""The tables of the page on recipes are what was measured, by one command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.recipes import TINY_FILE

from benchmarks import recipes
from mimamo import InputError
from mimamo.evaluate.scores import products
from mimamo.metrics import concordance_cc
from mimamo.train import TrainingConfig
from mimamo.train.recipe import FEATURE_DROPOUT, STRONG

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/explanation/recipes.md"


def test_the_tables_are_those_of_the_stored_results() -> None:
    text = PAGE.read_text(encoding="utf-8")
    content = recipes.load(recipes.RESULT)
    tables = recipes.tables(content)
    assert set(tables) == {"set", "memory"}
    assert all(table in text for table in tables.values())
    assert {entry["row"] for entry in content["rows"]} == set(recipes.recipes())


def test_the_stored_results_are_of_the_recipes_and_the_data_that_are_documented() -> None:
    content, expected = recipes.load(recipes.RESULT), recipes._content()
    recipes.expect_same(
        recipes.RESULT, content, expected, ("synth", "subset", "published", "strong")
    )
    options = " ".join(f"--{name} {x}" for name, x in recipes.SYNTH.items() if name != "seed")
    assert f"mimamo synth --out drawn {options}\n" in PAGE.read_text(encoding="utf-8")


def test_the_strong_recipe_in_small_is_the_strong_recipe() -> None:
    """But for sizes, the length of training and its learning rate."""
    small, own = TrainingConfig.load(recipes.STRONG), TrainingConfig().with_recipe("strong")
    sizes = {"patience", "clip_length", "stride", "batch_size", "learning_rate"}
    for name in STRONG.keys() - sizes:
        assert getattr(small, name) == getattr(own, name)
    published = TrainingConfig.load(recipes.PUBLISHED)
    assert published.with_clips(small.clip_length).batch_size == small.batch_size
    assert small.network.feature_dropout == FEATURE_DROPOUT


def test_every_part_of_the_strong_recipe_has_its_row() -> None:
    named = {name for part in recipes.PARTS.values() for name in part}
    assert named >= {*STRONG, "feature_dropout"} - {"patience"}
    rows = recipes.recipes()
    strong = rows["strong"]
    for part in recipes.PARTS:
        assert rows[f"strong without {part}"] != strong
    without = rows["strong without the average of weights"]
    assert (without.ema, without.pool) == (0.0, strong.pool)
    assert rows["strong without feature dropout"].network.feature_dropout == 0
    assert rows["strong, `--temporal tcn`"].network.temporal == "tcn"


def test_scores_and_intervals_are_those_of_the_frames() -> None:
    random = np.random.default_rng(0)
    people = [f"p{number}" for number in range(6)]
    labels = {name: random.uniform(-1, 1, (40, 2)) for name in people}
    noise = {name: random.uniform(0.2, 0.6) for name in people}
    predicted = [
        {name: y + noise[name] * random.standard_normal(y.shape) for name, y in labels.items()}
        for _ in range(3)
    ]
    entries = [
        {
            "row": "strong", "seed": seed,
            "people": {name: products(own[name], labels[name]).sum(0).tolist() for name in people},
        }
        for seed, own in enumerate(predicted)
    ]  # fmt: skip
    y = np.concatenate([labels[name] for name in people])
    expected = [
        concordance_cc(np.concatenate([own[name] for name in people]), y, dim=0)
        for own in predicted
    ]
    found = recipes.resampled(entries, people)
    np.testing.assert_allclose((found.valence, found.arousal), np.mean(expected, axis=0))
    np.testing.assert_allclose(found.seeds, np.mean(expected, axis=1))
    assert found.mean == pytest.approx(np.mean(expected))
    low, high = recipes.interval(found.mean, found.among, len(people))
    assert low < found.mean < high
    assert low == pytest.approx(found.mean - 2.5706 * found.among.std(), rel=1e-4)  # t of 5
    low, high = recipes.interval(0.99, np.array([0.9, 0.999]), 6, of_a_ccc=True)
    assert low < 0.99 < high < 1
    assert found.among.std() > 0
    # Of the same people in both rows a difference is better known than either.
    other = recipes.resampled([{**own, "row": "published"} for own in entries], people)
    assert (found.among - other.among).std() < found.among.std()


@pytest.mark.slow
class TestCommand:
    @pytest.fixture
    def result(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """What the command wrote, with less to draw and to learn."""
        for name in ("PUBLISHED", "STRONG"):
            path = tmp_path / f"{name}.toml"
            path.write_text(("" if name == "PUBLISHED" else 'recipe = "strong"\n') + TINY_FILE)
            monkeypatch.setattr(recipes, name, path)
        small = {"identities": 8, "takes": 1, "frames": 16, "seed": 0}
        monkeypatch.setattr(recipes, "SYNTH", small)
        monkeypatch.setattr(recipes, "PARTS", {"the average of weights": ("ema",)})
        recipes.main(tmp_path / "out", tmp_path / "r.json", [3])
        return tmp_path / "r.json"

    def test_it_goes_on_where_it_was_stopped(self, result: Path, monkeypatch, capsys) -> None:
        rows = recipes.load(result)["rows"]
        assert [(row["row"], row["seed"]) for row in rows] == [
            (row, 3) for row in recipes.recipes()
        ]
        assert len(rows) == 7
        monkeypatch.setattr(recipes, "train", None)
        recipes.main(result.parent / "out", result, [3])
        assert recipes.load(result)["rows"] == rows
        assert recipes.tables(recipes.load(result))["set"] in capsys.readouterr().out

    def test_results_of_something_else_are_refused(self, result: Path) -> None:
        recipes.PUBLISHED.write_text(TINY_FILE.replace("epochs = 1", "epochs = 2"))
        with pytest.raises(InputError, match=r"r\.json: expected results of the same published"):
            recipes.measure(result.parent / "out", result, [4], 1, False)
        for text in ("{", "[]", json.dumps(recipes.load(result) | {"rows": [{"row": "x"}]})):
            result.write_text(text)
            with pytest.raises(InputError, match=r"^.+r\.json: expected"):
                recipes.load(result)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("temporal", ["tcn", "transformer"])
def test_a_whole_pass_needs_memory_that_grows_with_its_frames(temporal: str) -> None:
    """Not with their square."""
    grown = recipes.in_a_process(recipes.whole_growth, 20_000, temporal)
    assert grown / 20_000 < 20_000
