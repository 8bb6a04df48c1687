"""Several networks that predict together, and one whose GRU runs over clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.networks import TINY, scramble

from mimamo import InputError, MIMAMOConfig, MIMAMONet
from mimamo.faces import CenterFace, observe_faces, phase_frames
from mimamo.model import Checkpoint, SmallBackbone
from mimamo.model.features import phase_windows
from mimamo.predict import PredictSettings, predict_video
from mimamo.predict.clips import Cut, predict_sequence
from mimamo.predict.live import LivePredictor
from mimamo.predict.networks import averaged, joined
from mimamo.predict.pipeline import Models, observe
from mimamo.predict.stage_times import StageTimes
from mimamo.threads import workers
from mimamo.video import VideoReader

CONFIG = replace(TINY, feature_dim=SmallBackbone.feature_dim)


def checkpoint(seed: int, config: MIMAMOConfig = CONFIG, clip_length: int = 64) -> Checkpoint:
    torch.manual_seed(seed)
    network = scramble(MIMAMONet(config), seed)
    for parameter in network.parameters():
        if parameter.ndim > 1:
            parameter.data.mul_(3)  # else outputs hardly depend on what is seen
    info = {"training": {"clip_length": clip_length}}
    backbone = scramble(SmallBackbone(), seed)
    return Checkpoint(network.eval(), backbone, info, Path(f"{seed}.safetensors"))


@pytest.fixture(scope="module")
def several() -> list[Checkpoint]:
    """Two that have nothing in common but the size of the faces, and one that gives half."""
    other = replace(CONFIG, num_phase=2, unwrap="full", streams="temporal")
    return [
        checkpoint(1), checkpoint(2, other, clip_length=5),
        checkpoint(3, replace(CONFIG, outputs=("arousal",))),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def video(tmp_path_factory, film) -> Path:
    return film(tmp_path_factory.mktemp("film") / "face.mp4", ".xxxxxxxxxxxxx.")


def values_of(video: Path, checkpoints: Sequence[Checkpoint], out: Path) -> np.ndarray:
    settings = PredictSettings(plot=False)
    return predict_video(video, checkpoints, out, settings).predictions.values


def live_values(video: Path, checkpoints: Sequence[Checkpoint]) -> np.ndarray:
    predictor = LivePredictor(checkpoints, CenterFace())
    rows = [x for frame in VideoReader(video) for x in predictor.push(frame)] + predictor.finish()
    return np.array([(x.valence, x.arousal) for x in rows])


@pytest.mark.parametrize("live", [False, True])
def test_it_is_the_mean_of_each_alone(several, video, tmp_path, live):
    # What gives arousal alone is completed by another, whose arousal is known.
    one, two, half = several

    def values(*checkpoints: Checkpoint) -> np.ndarray:
        return live_values(video, checkpoints) if live else values_of(video, checkpoints, tmp_path)

    first, second = values(one), values(two)
    arousal = 2 * values(one, half)[:, 1] - first[:, 1]
    assert np.abs(first - second).max() > 0.01
    assert np.abs(arousal - first[:, 1]).max() > 0.01
    together = values(*several)
    np.testing.assert_allclose(together[:, 0], (first + second)[:, 0] / 2, atol=1e-5)
    expected = (first[:, 1] + second[:, 1] + arousal) / 3
    np.testing.assert_allclose(together[:, 1], expected, atol=1e-5)


def test_a_backbone_they_share_is_run_once():
    one, two = checkpoint(1), checkpoint(2)
    features, members = joined([one, two, replace(one, backbone=two.backbone)])
    width = SmallBackbone.feature_dim
    assert features(np.zeros((3, 112, 112, 3), np.uint8)).shape == (3, 2 * width)
    columns = [(member.columns.start, member.columns.stop) for member in members]
    assert columns == [(0, width), (width, 2 * width), (width, 2 * width)]


def test_a_mean_looks_only_at_what_they_give(several):
    networks = [own.network for own in several]
    nan = np.nan
    values = [np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]), np.array([[nan, 12.0]])]
    assert averaged(networks, values).tolist() == [[2.0, 6.0]]
    values[0][0, 0] = nan  # which is wrong, and seen to be
    assert np.isnan(averaged(networks, values)[0, 0])


def test_what_does_not_go_together_is_an_error():
    large = checkpoint(2, replace(CONFIG, phase_size=32))
    message = r"^2\.safetensors: expected a network that sees grey faces of 16 pixels, as 1\.safe"
    with pytest.raises(InputError, match=message):
        joined([checkpoint(1), large])
    with pytest.raises(InputError, match=r"^4\.safetensors: its network is for 10 spatial"):
        joined(checkpoint(4, TINY))


class TestGruOverClips:
    """As the published code has it: clips of a video beside each other, 16 at a time."""

    def test_clips_are_beside_their_neighbours(self):
        network = checkpoint(5, replace(CONFIG, recurrence="clips")).network
        rng = np.random.default_rng(0)  # 20 clips, the last one aligned to the end
        features = rng.random((77, CONFIG.feature_dim), np.float32)
        frames = rng.integers(0, 256, (77, 16, 16), np.uint8)
        starts = [*range(0, 76, 4), 73]
        phases = phase_windows(torch.from_numpy(frames)[None], network.config, context=False)
        expected, counts = np.zeros((77, 2)), np.zeros((77, 1))
        for batch in (starts[:16], starts[16:]):
            seen = torch.stack([torch.from_numpy(features)[s : s + 4] for s in batch])
            windows = [torch.cat([level[:, s : s + 4] for s in batch]) for level in phases]
            with torch.inference_mode():
                values = network(seen, windows).numpy()
            for start, own in zip(batch, values, strict=True):
                expected[start : start + 4] += own
                counts[start : start + 4] += 1
        for batch_size in (1, 4, 32):
            found = predict_sequence(network, features, frames, 4, 4, batch_size)
            np.testing.assert_allclose(found, expected / counts, atol=1e-5)

    def test_a_film_is_predicted_so(self, video, monkeypatch):
        """As features and grey faces of the same film are."""
        monkeypatch.setattr("mimamo.predict.clips.PUBLISHED_BATCH", 3)
        own = checkpoint(6, replace(CONFIG, recurrence="clips"), clip_length=3)
        spatial, members = joined(own)
        with workers("cpu") as pool:
            models = Models(CenterFace(), spatial, members, cut=Cut(stride=3))
            found = observe(VideoReader(video), models, pool, StageTimes()).predictions
        crops = [x.crop for x in observe_faces(VideoReader(video), CenterFace()) if x.face]
        crops = np.stack(crops)
        sequence = spatial(crops), phase_frames(crops, CONFIG.phase_size), 3, 3
        expected = predict_sequence(own.network, *sequence)
        np.testing.assert_allclose(found.values[1:14], expected, atol=1e-5)
        frames_alone = predict_sequence(checkpoint(6).network, *sequence)
        assert np.abs(frames_alone - expected).max() > 1e-3

    def test_not_whole(self, video, tmp_path):
        own = checkpoint(5, replace(CONFIG, recurrence="clips"))
        message = r"^5\.safetensors: whole: expected a network whose GRU runs over frames"
        with pytest.raises(InputError, match=message):
            predict_video(video, own, tmp_path, PredictSettings(whole=True))

    def test_not_live(self):
        own = checkpoint(5, replace(CONFIG, recurrence="clips"))
        with pytest.raises(InputError, match=r"^live: expected networks whose GRU runs over f"):
            LivePredictor(own, CenterFace())
