"""A cross-validation scores what `evaluate` scores and `submit` writes, whatever is asked for."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from mimamo import InputError
from mimamo.cli import main
from mimamo.evaluate import crossval, evaluate_runs, join
from mimamo.extract import extract
from mimamo.train import TrainingConfig


@pytest.fixture(scope="module")
def gaps(
    tmp_path_factory: pytest.TempPathFactory, learnable: Path, small_config: TrainingConfig
) -> tuple[Path, Path]:
    """A cache of videos in which frames have no face, and its folds."""
    root = tmp_path_factory.mktemp("gaps")
    data = shutil.copytree(learnable, root / "data")
    for number in (1, 2, 20, 21, 30, 56):
        for folder in (data / "cropped_aligned").iterdir():
            (folder / f"{number:05d}.jpg").unlink()
    extract(data, root / "cache", backbone="small")
    crossval(root / "cache", root / "folds", folds=2, config=replace(small_config, epochs=1))
    return root / "cache", root / "folds"


@pytest.mark.parametrize(
    "way",
    [
        {},
        {"format": "abaw"},
        {"format": "abaw", "smooth": 3, "rescaled": True},
        {"leading": "first", "smooth": "auto"},
    ],
)
def test_it_is_scored_as_evaluate_does(gaps: tuple[Path, Path], way: dict) -> None:
    cache, folds = gaps
    ours = join(cache, folds, 2, **way).summary
    theirs = evaluate_runs([folds], cache, **way).summary
    assert ours is not None
    for one, other in ((ours.faces, theirs.faces), (ours.frames, theirs.frames)):
        assert one.count == other.count
        assert (one.valence, one.arousal) == pytest.approx((other.valence, other.arousal))
    assert ours.frames.count == ours.faces.count + 6 * 6
    settings = json.loads((folds / "summary.json").read_text())["settings"]
    own = {name: value for name, value in way.items() if value not in ("abaw", "auto")}
    assert own.items() <= settings.items()


def test_the_command_says_it(gaps: tuple[Path, Path], capsys) -> None:
    cache, folds = map(str, gaps)
    found = []
    for more in ([], ["--format", "abaw"], ["--smooth", "auto"]):
        words = ["crossval", cache, "--out", folds, "--folds", "2", "--join", *more]
        assert main(words) == 0
        said = capsys.readouterr().out.splitlines()
        found.append(next(line for line in said if line.startswith("all, without a face")))
    assert said[0].startswith("--smooth auto: a mean over ")
    assert found[0] != found[1]


def test_other_clips_are_predicted_not_joined(
    small_folds: Path, small_cache: Path, small_config, predicted, tmp_path: Path
) -> None:
    out = shutil.copytree(small_folds, tmp_path / "folds")
    message = r"held_out\.safetensors: expected predictions with .*'whole': True.*by `crossval`"
    with pytest.raises(InputError, match=message):
        join(small_cache, out, 3, whole=True)
    result = crossval(small_cache, out, folds=3, config=small_config, whole=True)
    assert [path.parent.name for path in predicted] == ["fold-1", "fold-2", "fold-3"]
    theirs = evaluate_runs([out], small_cache, whole=True).summary
    assert result.summary is not None
    assert result.summary.faces.valence == pytest.approx(theirs.faces.valence)
    crossval(small_cache, out, folds=3, config=small_config)
    for name in ("folds.csv", "videos.csv", "summary.json", "SHA256SUMS"):
        assert (out / name).read_text() == (small_folds / name).read_text()


@pytest.mark.parametrize(
    ("way", "message"),
    [
        ({"smooth": "much"}, "smooth: expected 0 to 100000 frames or auto, got 'much'"),
        ({"stride": 99}, "stride: expected 1 to 16, the frames of a clip, got 99"),
        ({"format": "csv"}, "format: expected files or abaw, got 'csv'"),
    ],
)
def test_what_cannot_be_is_said_before_training(
    small_cache: Path, small_config, tmp_path: Path, way: dict, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        crossval(small_cache, tmp_path / "folds", folds=3, config=small_config, **way)
    assert not (tmp_path / "folds").exists()


def test_what_networks_note_needs_them(
    small_folds: Path, small_cache: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(small_folds, tmp_path / "folds")
    for number in (1, 2, 3):
        (out / f"fold-{number}/best.safetensors").unlink()
    for way in ({"smooth": "auto"}, {"rescaled": True}):
        with pytest.raises(InputError, match=r"fold-1/best\.safetensors: "):
            join(small_cache, out, 3, **way)
