"""What the generated data set teaches, in small; `docs/affwild2.md` has the same at length."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mimamo.evaluation import Score, evaluate_runs
from mimamo.extraction import extract
from mimamo.network.config import STREAMS
from mimamo.synth.lessons import write_lessons
from mimamo.training import TrainingConfig, train

RECIPE = Path(__file__).parents[2] / "docs" / "lessons.toml"


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Score]:
    """On people that neither training nor the choice of the epoch has seen, by streams."""
    root = tmp_path_factory.mktemp("lessons")
    write_lessons(root / "data", identities=32, takes=4, frames=40)
    extract(root / "data", root / "cache", backbone="small", strict=True)
    recipe = TrainingConfig.load(RECIPE)
    # Shorter videos of more people: shorter clips, fewer and smaller steps.
    recipe = replace(
        recipe, clip_length=8, stride=8, epochs=14, milestones=(11,), learning_rate=0.02
    )
    found = {}
    for streams in STREAMS:
        config = replace(recipe, network=replace(recipe.network, streams=streams))
        run = train(root / "cache", root / streams, config=config).out
        result = evaluate_runs([run], root / "cache", subset="Test_Set")
        found[streams] = result.outcome.faces
    return found


def test_stills_teach_valence_alone(scores: dict[str, Score]) -> None:
    assert scores["spatial"].valence >= 0.7
    assert scores["spatial"].arousal <= 0.3


def test_motion_teaches_arousal_alone(scores: dict[str, Score]) -> None:
    assert scores["temporal"].arousal >= 0.7
    assert scores["temporal"].valence <= 0.3


def test_both_streams_teach_both(scores: dict[str, Score]) -> None:
    assert scores["both"].valence >= 0.7
    assert scores["both"].arousal >= 0.7
