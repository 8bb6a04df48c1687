"""Predictions with faces found in batches, as on a GPU, are those with faces found one by one."""

from __future__ import annotations

import numpy as np
import pytest

import mimamo.faces.batched_centerface as batched_centerface
from mimamo.faces.batched_centerface import BatchedCenterFace
from mimamo.model import load_checkpoint
from mimamo.model.features import SpatialFeatures
from mimamo.predict import PredictSettings, predict_video
from mimamo.predict.networks import Member
from mimamo.predict.pipeline import Models, observe
from mimamo.predict.stage_times import StageTimes
from mimamo.threads import workers
from mimamo.video import VideoFrame, VideoReader


@pytest.fixture(scope="module")
def checkpoint(weights):
    return load_checkpoint(weights)


@pytest.fixture(autouse=True)
def by_threes(monkeypatch):
    """Batches of three frames."""
    monkeypatch.setattr(batched_centerface, "_FRAMES", 3)


@pytest.mark.parametrize(
    ("pattern", "settings"),
    [
        ("x.xm", {}),
        ("xo|ox", {"faces": "all"}),
        pytest.param("xxxxx", {"search_every": 3}, marks=pytest.mark.slow),
        pytest.param("--", {}, marks=pytest.mark.slow),
        pytest.param("x", {}, marks=pytest.mark.slow),
    ],
)
def test_predictions_are_the_same(tmp_path, checkpoint, film, pattern, settings):
    video = film(tmp_path / "film.mp4", pattern)
    one, other = (
        predict_video(
            video, checkpoint, tmp_path / name,
            PredictSettings(detector=detector, plot=False, precision="float32", **settings),
        )
        for name, detector in (("a", None), ("b", BatchedCenterFace("cpu")))
    )  # fmt: skip
    np.testing.assert_array_equal(one.predictions.face, other.predictions.face)
    np.testing.assert_array_equal(one.predictions.frames, other.predictions.frames)
    np.testing.assert_array_equal(one.predictions.times, other.predictions.times)
    np.testing.assert_allclose(one.faces.boxes, other.faces.boxes, rtol=0, atol=0.5)
    np.testing.assert_allclose(one.predictions.values, other.predictions.values, rtol=0, atol=0.02)


def test_a_video_that_breaks_within_a_batch_tells_why(tmp_path, checkpoint, film):
    frames = list(VideoReader(film(tmp_path / "film.mp4", "xxxx")))

    class Broken:
        frame_count = None

        def __iter__(self):
            yield from (VideoFrame(x.index, x.time, x.image) for x in frames)
            raise OSError("the disk is gone")

    spatial = SpatialFeatures(checkpoint.backbone)
    models = Models(BatchedCenterFace("cpu"), spatial, [Member(checkpoint.network)])
    with workers("cpu") as pool, pytest.raises(OSError, match="the disk is gone"):
        observe(Broken(), models, pool, StageTimes())
