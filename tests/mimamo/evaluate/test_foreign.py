"""Weights by others, scored and submitted on a cache's features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mimamo import Foreign, InputError, MIMAMONet
from mimamo.data import Cache
from mimamo.data.cache import BACKBONE
from mimamo.evaluate import Ensemble, evaluate_runs, submit
from mimamo.model.weights import PUBLISHED
from mimamo.predict.clips import predict_sequence


@pytest.fixture(scope="module")
def network() -> MIMAMONet:
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        network = MIMAMONet().eval()
        torch.nn.init.normal_(network.head.fc.weight)
    return network


@pytest.fixture(scope="module")
def published(network: MIMAMONet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Under the authors' names, with arousal first as in their folds."""
    theirs = {ours: name for name, ours in PUBLISHED.modules.items()}
    state = {}
    for name, value in network.state_dict().items():
        module, _, leaf = name.rpartition(".")
        value = value.flip(0) if module.startswith("head") and value.ndim else value
        state[f"{theirs[module]}.{leaf}"] = value
    path = tmp_path_factory.mktemp("published") / "model_weights.pth.tar"
    torch.save({"state_dict": state, "epoch": 1}, path)
    return path


@pytest.fixture
def foreign(resnet_cache: Path) -> Foreign:
    return Foreign(resnet_cache / BACKBONE, ("arousal", "valence"))


def test_they_are_scored(
    network: MIMAMONet, published: Path, resnet_cache: Path, foreign: Foreign
) -> None:
    cache = Cache(resnet_cache)
    video = cache.subset("Validation_Set")[0]
    expected = predict_sequence(network, video.features, video.frames, 64, 64)
    ensemble = Ensemble([published], cache, foreign=foreign)
    np.testing.assert_allclose(ensemble.predict([video])[video.name], expected, atol=1e-5)
    lines: list[str] = []
    scores = evaluate_runs([published], cache, foreign=foreign, report=lines.append).summary.faces
    assert scores.count == 168
    assert lines[0] == f"warning: {published}: does not tell which videos it was trained on"
    foreign = Foreign(foreign.backbone)
    swapped = evaluate_runs([published], cache, foreign=foreign, report=lines.append).summary.faces
    assert swapped.valence != scores.valence
    assert any("does not tell which output is valence" in line for line in lines)


def test_they_are_submitted(
    network: MIMAMONet, published: Path, resnet_cache: Path, foreign: Foreign, tmp_path: Path
) -> None:
    video = Cache(resnet_cache).subset("Validation_Set")[0]
    expected = predict_sequence(network, video.features, video.frames, 64, 64).clip(-1, 1)
    submit(
        [published], resnet_cache, tmp_path / "out", subset="Validation_Set", foreign=foreign
    )  # fmt: skip
    lines = (tmp_path / "out" / f"{video.name}.txt").read_text().splitlines()
    written = np.array([line.split(",") for line in lines[1:]], float)
    np.testing.assert_allclose(written[video.numbers.numpy() - 1], expected, atol=1e-5)


def test_what_they_do_not_tell_is_an_error_where_it_is_needed(
    published: Path, resnet_cache: Path, foreign: Foreign, weights: Path
) -> None:
    message = f"^{published}: its predictions cannot be rescaled: it does not tell the spread"
    with pytest.raises(InputError, match=message):
        evaluate_runs([published], resnet_cache, foreign=foreign, rescaled=True)
    with pytest.raises(InputError, match=r"extract with the same --backbone$"):
        evaluate_runs([published], resnet_cache, foreign=Foreign(weights, foreign.outputs))
    with pytest.raises(InputError, match=r"holds no backbone; .*\(--backbone\)$"):
        evaluate_runs([published], resnet_cache, foreign=Foreign())


def test_the_gru_over_clips(published: Path, resnet_cache: Path, foreign: Foreign) -> None:
    """One clip is beside none: each of its frames is then a sequence of its own."""
    cache = Cache(resnet_cache)
    video = cache.subset("Validation_Set")[0]
    found = Ensemble(
        [published], cache, foreign=Foreign(foreign.backbone, foreign.outputs, published_gru=True)
    ).predict([video])[video.name]
    over_frames = Ensemble([published], cache, foreign=foreign).predict([video])[video.name]
    assert np.abs(found - over_frames).max() > 1e-4
