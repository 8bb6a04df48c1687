"""Predictions with faces found in batches, as on a GPU, are those with faces found one by one."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from mimamo.faces.batched_centerface import BatchedCenterFace
from mimamo.model.features import SpatialFeatures
from mimamo.predict import PredictSettings, predict_video
from mimamo.predict.clips import embed_clips
from mimamo.predict.interpolation import FaceClips
from mimamo.predict.networks import Member
from mimamo.predict.pipeline import Models, _Crop, _Gathering, observe
from mimamo.predict.stage_times import StageTimes
from mimamo.threads import Workers, workers
from mimamo.video import VideoFrame, VideoReader

pytestmark = pytest.mark.usefixtures("by_threes")


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


def test_pictures_go_to_the_device_once_and_all_is_made_there(
    tmp_path, checkpoint, film, monkeypatch
):
    """Neither OpenCV nor Pillow warps, shrinks or makes grey what is decoded, with any option."""
    for name in (
        "faces.tracking.warp", "faces.views.align_face", "faces.views.thumbnail",
        "faces.views.appearance", "faces.views.look_closer", "faces.small_grey.phase_frames",
    ):  # fmt: skip
        monkeypatch.setattr(f"mimamo.{name}", lambda *_: pytest.fail("made on the CPU"))
    uploads, upload = [], BatchedCenterFace.upload
    monkeypatch.setattr(
        BatchedCenterFace,
        "upload",
        lambda self, images: (uploads.append(len(images)), upload(self, images))[1],
    )
    video = film(tmp_path / "film.mp4", "-xx.xxm")
    for every in (1, 2):
        uploads.clear()
        options = PredictSettings(
            BatchedCenterFace("cpu"), plot=False, search_every=every, features_every=every
        )
        result = predict_video(video, checkpoint, tmp_path / str(every), options)
        assert result.predictions.seen_frames == 5
        assert uploads == [3, 3, 1]


def test_what_follows_the_crops_stays_on_their_device(checkpoint):
    """Torch's device "meta" computes nothing, but raises an error where something leaves it."""
    network = copy.deepcopy(checkpoint.network).to("meta").eval()
    spatial = SpatialFeatures(checkpoint.backbone, "meta", home="meta")
    models = Models(BatchedCenterFace("cpu"), spatial, [Member(network, clip_length=4)])
    assert models.device.type == "meta"
    crops = torch.empty(9, 112, 112, 3, dtype=torch.uint8, device="meta")
    with Workers(1) as pool:
        gathering = _Gathering(models, pool, StageTimes(), False)
        features, grey = gathering._look([_Crop(1, crop, True) for crop in crops])
    clips = FaceClips(network.config.num_phase, 4)
    found = [*clips.push(features, 9 * [True], grey), *clips.finish()]
    assert [clip.start for clip in found] == [0, 4, 5]
    embedded = embed_clips(network, found)
    assert (embedded.device.type, embedded.shape[:2]) == ("meta", (3, 4))


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
