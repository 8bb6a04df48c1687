"""What the generated data set teaches, in small; `docs/explanation/stream-ablation.md` has the
same at length.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mimamo.demo.synth.ablation_set import write_ablation_set
from mimamo.evaluate import Score, evaluate_runs
from mimamo.extract import extract
from mimamo.model.config import STREAMS
from mimamo.train import TrainingConfig, train

pytestmark = pytest.mark.nightly  # trains four networks: minutes
PAGE = Path(__file__).parents[2] / "docs/explanation/stream-ablation.md"
RECIPE = PAGE.with_suffix(".toml")
PEOPLE, FRAMES = 32, 40
# Shorter videos of more people: shorter clips, fewer and smaller steps.
CLIP, EPOCHS, MILESTONE, RATE = 8, 14, 11, 0.02
LEARNT, NOT_LEARNT = 0.7, 0.3  # CCC


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Score]:
    """On people that neither training nor the choice of the epoch has seen, by streams."""
    root = tmp_path_factory.mktemp("ablation")
    write_ablation_set(root / "data", identities=PEOPLE, takes=4, frames=FRAMES)
    extract(root / "data", root / "cache", backbone="small", strict=True)
    recipe = TrainingConfig.load(RECIPE)
    recipe = replace(
        recipe, clip_length=CLIP, stride=CLIP, epochs=EPOCHS, milestones=(MILESTONE,),
        learning_rate=RATE,
    )  # fmt: skip
    found = {}
    for streams in STREAMS:
        config = replace(recipe, network=replace(recipe.network, streams=streams))
        run = train(root / "cache", root / streams, config=config).out
        result = evaluate_runs([run], root / "cache", subset="Test_Set", stride=CLIP)
        found[streams] = result.summary.faces
    return found


def test_stills_teach_valence_alone(scores: dict[str, Score]) -> None:
    assert scores["spatial"].valence >= LEARNT
    assert scores["spatial"].arousal <= NOT_LEARNT


def test_motion_teaches_arousal_alone(scores: dict[str, Score]) -> None:
    assert scores["temporal"].arousal >= LEARNT
    assert scores["temporal"].valence <= NOT_LEARNT


def test_both_streams_teach_both(scores: dict[str, Score]) -> None:
    assert scores["both"].valence >= LEARNT
    assert scores["both"].arousal >= LEARNT


def test_the_documentation_says_what_is_done_here() -> None:
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    _, _, said = text.partition("`tests/mimamo/test_stream_ablation.py` is the same in small: ")
    assert said.startswith(
        f"{PEOPLE} people, videos of {FRAMES} frames, clips of {CLIP} frames, {EPOCHS} epochs, a "
        f"learning rate of {RATE} that falls after epoch {MILESTONE}, one seed. It expects a CCC "
        f"of at least {LEARNT} where the network sees what there is to learn from, and of at most "
        f"{NOT_LEARNT} where it does not."
    )
