"""Spatial features of every Nth face: what those between are, in which command and how fast."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from support.live import values_so_far

from mimamo.cli import main
from mimamo.faces import CenterFace, Detection, observe_faces, phase_frames
from mimamo.faces.alignment import TEMPLATE
from mimamo.model import load_checkpoint
from mimamo.model.features import SpatialFeatures
from mimamo.predict import PredictSettings, predict_video
from mimamo.predict.clips import predict_sequence
from mimamo.predict.interpolation import FaceClips, FeatureInterpolation
from mimamo.predict.live import LivePredictor
from mimamo.predict.pace import Pace
from mimamo.video import VideoFrame, VideoReader

PATTERN = "..xxxxxx.xxxxxxxxxxx.xxx."  # 20 faces of one person


@pytest.fixture(scope="module")
def video(tmp_path_factory, film) -> Path:
    return film(tmp_path_factory.mktemp("film") / "face.mp4", PATTERN)


def between(features: np.ndarray, every: int) -> np.ndarray:
    """The features ``[T, D]``, of which every Nth is used, by numpy; none after the last is."""
    known = np.arange(0, len(features), every)
    columns = [np.interp(np.arange(len(features)), known, column[known]) for column in features.T]
    return np.stack(columns, axis=1).astype(np.float32)


class TestInterpolation:
    @pytest.mark.parametrize("every", [1, 2, 3, 7, 100])
    @pytest.mark.parametrize("total", [1, 2, 8, 30])
    def test_it_is_linear_and_ends_with_the_last_known(self, every: int, total: int) -> None:
        features = torch.randn(total, 5)
        line, rows = FeatureInterpolation(), []
        for index in range(0, total, every):
            rows.append(line.push(features[index], every))
        rows.append(line.rest(total - sum(map(len, rows))))
        found = torch.cat(rows).numpy()
        np.testing.assert_allclose(found, between(features.numpy(), every), atol=1e-6)
        np.testing.assert_array_equal(found[::every], features[::every].numpy())

    def test_distances_may_change(self) -> None:
        line = FeatureInterpolation()
        values = [
            line.push(torch.tensor([float(x)]), after)
            for x, after in ((0, 9), (4, 4), (2, 1), (8, 3))
        ]
        assert torch.cat(values).flatten().tolist() == [0, 1, 2, 3, 4, 2, 4, 6, 8]

    @pytest.mark.parametrize("every", [1, 3, 50])
    def test_clips_are_of_features_and_frames_that_belong_together(self, every: int) -> None:
        """However they come: frames and the known among their features, in batches of any size."""
        total, rng = 70, np.random.default_rng(every)
        features = torch.arange(total).float()[:, None]
        frames = torch.arange(total).to(torch.uint8)[:, None, None]
        clips, stream, start = [], FaceClips(4, 16), 0
        while start < total:
            stop = min(start + int(rng.integers(1, 12)), total)
            which = [index % every == 0 for index in range(start, stop)]
            known = features[start:stop][torch.tensor(which)]
            clips += stream.push(known, which, frames[start:stop])
            start = stop
        clips += stream.finish()
        assert [clip.start for clip in clips] == [0, 16, 32, 48, 54]
        expected = between(features.numpy(), every)
        for clip in clips:
            np.testing.assert_allclose(clip.features, expected[clip.start : clip.start + 16])
            at = np.clip(np.arange(clip.start - 2, clip.start + 18), 0, total - 1)
            np.testing.assert_array_equal(clip.frames[:, 0, 0], at)


def of_every_face(weights: Path, video: Path) -> tuple:
    checkpoint = load_checkpoint(weights)
    crops = [x.crop for x in observe_faces(VideoReader(video), CenterFace()) if x.crop is not None]
    network = checkpoint.network.eval()
    frames = phase_frames(np.stack(crops), network.config.phase_size)
    features = SpatialFeatures(checkpoint.backbone)(np.stack(crops)).numpy()
    return network, features, torch.from_numpy(frames)


class TestPredict:
    @pytest.mark.slow
    @pytest.mark.parametrize("every", [2, 3, 50])
    def test_predictions_are_those_of_interpolated_features(
        self, weights, video, tmp_path, every
    ) -> None:
        looked = []
        settings = PredictSettings(
            features_every=every, batch_size=2, precision="float32", plot=False
        )
        with pytest.MonkeyPatch.context() as patch:
            look = SpatialFeatures.forward
            patch.setattr(
                SpatialFeatures, "forward", lambda self, x: looked.append(len(x)) or look(self, x)
            )
            result = predict_video(video, load_checkpoint(weights), tmp_path, settings)
        network, features, frames = of_every_face(weights, video)
        expected = predict_sequence(network, between(features, every), frames)
        assert sum(looked) == math.ceil(20 / every)
        found = result.predictions.values[result.predictions.found]
        np.testing.assert_allclose(found, expected, atol=1e-5)

    def test_the_command_takes_the_option(self, weights, video, tmp_path, capsys) -> None:
        words = ["predict", video, "--weights", weights, "--no-plot", "--features-every", "4"]
        assert main([str(x) for x in (*words, "--out", tmp_path)]) == 0
        with open(tmp_path / "face.csv", encoding="utf-8") as file:
            assert len(list(csv.reader(file))) == 1 + len(PATTERN)
        assert main([str(x) for x in (*words[:-1], "0", "--out", tmp_path)]) == 2
        assert "--features-every" in capsys.readouterr().err


class TestLive:
    @pytest.mark.parametrize(
        "every", [4, *(pytest.param(x, marks=pytest.mark.slow) for x in (1, 50))]
    )
    def test_equals_the_network_on_interpolated_features(self, weights, video, every) -> None:
        """Also where the next known features come later than the window."""
        predictor = LivePredictor(load_checkpoint(weights), CenterFace(), features_every=every)
        found = [x for frame in VideoReader(video) for x in predictor.push(frame)]
        found += predictor.finish()
        assert [x.index for x in found] == list(range(len(PATTERN)))
        network, features, frames = of_every_face(weights, video)
        expected = values_so_far(network, torch.from_numpy(between(features, every)), frames)
        for got, want in zip([x for x in found if x.found], expected, strict=True):
            assert [got.valence, got.arousal] == pytest.approx(want, abs=1e-4)

    def test_slow_features_become_rarer(self, weights, monkeypatch) -> None:
        """By a clock that stands still but for them, which are computed when they are waited for.

        Of 15 frames the features of 9 are known: those of the others lack half a window. In each
        frame's 0.05 s those take 0.15 s, so that of every frame in four they keep up.
        """
        clock = [0.0]

        class Slow(torch.nn.Module):
            def forward(self, crops: np.ndarray) -> torch.Tensor:
                clock[0] += 0.25
                return torch.zeros(len(crops), 2048)

        class Later:
            def submit(self, function: Callable, *arguments: object) -> SimpleNamespace:
                return SimpleNamespace(result=partial(function, *arguments))

            def shutdown(self) -> None: ...

        face = Detection(np.array([0, 0, 112, 112], np.float32), TEMPLATE, 1.0)
        predictor = LivePredictor(
            load_checkpoint(weights), lambda image: [face], features_every=None, fps=20.0
        )
        monkeypatch.setattr(predictor, "_spatial", Slow())
        monkeypatch.setattr(predictor, "_beside", Later())
        monkeypatch.setattr("mimamo.predict.live.perf_counter", lambda: clock[0])
        frame, seen = np.zeros((112, 112, 3), np.uint8), []
        for index in range(16):
            predictor.push(VideoFrame(index, index / 20, frame))
            seen.append(predictor.features_every)
        predictor.finish()
        assert seen == [1] * 14 + [4] * 2


class TestPace:
    def run(self, pace: Pace, every: int, frames: int, features: float, rest: float = 0.01) -> int:
        """So many frames, whose features take those seconds if they are asked for."""
        for number in range(frames):
            if number % every == 0:
                pace.features(features, 0.0)
            every = pace.frame(rest, every)
        return every

    @pytest.mark.parametrize(
        ("features", "every"), [(0.001, 1), (0.029, 1), (0.032, 2), (0.08, 3), (0.5, 6)]
    )
    def test_the_smallest_that_keeps_up(self, features: float, every: int) -> None:
        assert self.run(Pace(30.0, 6), 1, 90, features) == every

    def test_all_else_may_be_slower_than_the_frames(self) -> None:
        assert self.run(Pace(30.0, 6), 1, 90, 0.08, rest=0.1) == 1

    def test_time_spent_waiting_for_features_is_not_of_all_else(self) -> None:
        pace, every = Pace(30.0, 6), 1
        for _ in range(30):
            pace.features(0.09, 0.08)
            every = pace.frame(0.09, every)
        assert every == 3 or every > 3

    def test_it_comes_down_again_but_not_to_and_fro(self) -> None:
        pace = Pace(30.0, 6)
        assert self.run(pace, 1, 45, 0.08) == 3
        assert self.run(pace, 3, 45, 0.055) == 3  # two would do, but hardly
        assert self.run(pace, 3, 90, 0.02) == 1
