"""The stages side by side: the same as one after the other, and orderly when one fails."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import mimamo.predict.pipeline
from mimamo.errors import InputError
from mimamo.faces import CenterFace, Detection, FaceObservation, observe_faces, phase_frames
from mimamo.faces.alignment import TEMPLATE
from mimamo.model.features import SpatialFeatures
from mimamo.predict import PredictSettings, predict_many, predict_video
from mimamo.predict.clips import Cut, predict_sequence
from mimamo.predict.interpolation import FaceClips, FeatureInterpolation
from mimamo.predict.networks import Member
from mimamo.predict.pipeline import Models, _Gathering, observe
from mimamo.predict.smoothing import smoothed
from mimamo.predict.stage_times import STAGES, StageTimes
from mimamo.threads import Workers, workers
from mimamo.video import VideoFrame, VideoReader


@pytest.fixture(scope="module")
def video(tmp_path_factory, film) -> Path:
    return film(tmp_path_factory.mktemp("video") / "face.mp4", "." + 80 * "x" + ".")


@pytest.fixture(autouse=True)
def all_threads_end() -> Iterator[None]:
    yield
    assert not [t.name for t in threading.enumerate() if t.name.startswith("mimamo-")]


class Noise:
    """A long noisy video, made as it is read, that counts how many frames were.

    It is of one scene, or there is a cut after so many frames.
    """

    frame_count, gaps = None, ()

    def __init__(self, length: int, cut: int | None = None) -> None:
        self.length, self.read, self.cut = length, 0, cut

    def __iter__(self) -> Iterator[VideoFrame]:
        rng = np.random.default_rng(0)
        scene = rng.integers(0, 236, (112, 112, 3), np.uint8)
        for index in range(self.length):
            self.read += 1
            if self.cut and index % self.cut == 0:
                scene = rng.integers(0, 236, (112, 112, 3), np.uint8)
            noise = rng.integers(0, 20, scene.shape, np.uint8)
            yield VideoFrame(index, index / 30, scene + noise)


class Anywhere:
    """A detector that sees a face in the middle of everything."""

    def __call__(self, image: np.ndarray) -> list[Detection]:
        side = image.shape[0]
        landmarks = (TEMPLATE + (side - 112) / 2).astype(np.float32)
        return [Detection(np.array([0, 0, side, side], np.float32), landmarks, 1.0)]


class Spatial(torch.nn.Module):
    """A quick stand-in for the ResNet50; `seconds` a face makes it slow."""

    def __init__(self, batch_size: int = 4, seconds: float = 0.0) -> None:
        super().__init__()
        self.batch_size, self.seconds = batch_size, seconds

    def forward(self, crops: np.ndarray) -> torch.Tensor:
        time.sleep(self.seconds * len(crops))
        mean = torch.from_numpy(crops.mean(axis=(1, 2), dtype=np.float32)) / 255
        return mean.repeat(1, 683)[:, :2048]


@pytest.mark.slow
def test_is_what_the_stages_give_one_after_the_other(checkpoint, video):
    models = Models(
        CenterFace(), SpatialFeatures(checkpoint.backbone), [Member(checkpoint.network)]
    )
    times, advanced = StageTimes(), []
    with workers("cpu") as pool:
        whole = observe(
            VideoReader(video), models, pool, times, keep_frames=True,
            advance=lambda: advanced.append(1),
        )  # fmt: skip
    np.testing.assert_array_equal(whole.predictions.found, [False, *[True] * 80, False])
    faces = list(observe_faces(VideoReader(video), CenterFace()))
    crops = np.stack([face.crop for face in faces if face.crop is not None])
    frames = phase_frames(crops)
    np.testing.assert_array_equal(whole.frames, frames)
    np.testing.assert_array_equal(whole.predictions.times, [face.time for face in faces])
    np.testing.assert_array_equal(whole.faces.landmarks[1:-1], [f.landmarks for f in faces[1:-1]])
    assert np.isnan(whole.faces.landmarks[[0, -1]]).all()
    expected = predict_sequence(
        checkpoint.network, SpatialFeatures(checkpoint.backbone)(crops), frames
    )
    values = whole.predictions.values[whole.predictions.found]
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-5)
    assert len(advanced) == 82
    assert all(times.seconds[stage] > 0 for stage in STAGES[:-1])


def test_reading_a_video_does_not_import_what_draws():
    code = (
        "import sys, mimamo.predict.pipeline;"
        "sys.exit(' '.join({'matplotlib', 'mimamo.predict.render'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_twice_gives_the_same_bytes(tmp_path, checkpoint, video, precision):
    settings = PredictSettings(precision=precision, plot=False)
    tables = [
        predict_video(video, checkpoint, tmp_path / name, settings).outputs.table for name in "ab"
    ]
    assert tables[0].read_bytes() == tables[1].read_bytes()


@pytest.mark.slow
def test_stages_that_are_ahead_wait(checkpoint):
    """However slow the ResNet50, only so many frames are read and held."""
    noise, most = Noise(200), []
    models = Models(Anywhere(), Spatial(seconds=0.001), [Member(checkpoint.network)])
    done = []

    def advance():
        done.append(1)
        most.append(noise.read - len(done))

    with workers("cpu") as pool:
        result = observe(noise, models, pool, StageTimes(), advance=advance)
    assert len(result.predictions) == 200
    assert len(result.frames) == 0  # not asked for
    assert max(most) <= 2 * (8 + 2)


def test_a_track_goes_on_in_the_last_frame_of_its_patience(checkpoint):
    """Also where another face of that frame comes first and completes a batch."""
    models = Models(Anywhere(), Spatial(batch_size=1), [Member(checkpoint.network)])
    crop = np.zeros((112, 112, 3), np.uint8)
    with workers("cpu") as pool:
        gathering = _Gathering(models, pool, StageTimes(), False)
        for index, number in ((0, 2), (models.gap, 1), (models.gap, 2)):
            gathering.add(FaceObservation(index, index / 30, None, crop=crop, face=number))
        assert gathering._seen == {1: 1, 2: 2}
        gathering.cancel()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_video(checkpoint, monkeypatch):
    held = []
    original = torch.cat

    def watched(tensors, *args, **options):
        result = original(tensors, *args, **options)
        if result.ndim == 2 and result.shape[1] == 2048:
            held.append(len(result))
        return result

    monkeypatch.setattr(torch, "cat", watched)
    models = Models(Anywhere(), Spatial(), [Member(checkpoint.network)])
    with workers("cpu") as pool:
        observe(Noise(240), models, pool, StageTimes())
    assert 64 <= max(held) < 64 + 64 + 12 + 4


def test_of_a_face_that_has_gone_only_predictions_are_kept(checkpoint, monkeypatch):
    alive, most = weakref.WeakSet(), []

    class Watched(FaceClips):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            alive.add(self)

    monkeypatch.setattr(mimamo.predict.pipeline, "FaceClips", Watched)
    models = Models(Anywhere(), Spatial(), [Member(checkpoint.network)])
    with Workers(2) as pool:
        result = observe(
            Noise(200, cut=20), models, pool, StageTimes(),
            advance=lambda: most.append(len(alive)),
        )  # fmt: skip
    assert result.predictions.face.tolist() == [1 + frame // 20 for frame in range(200)]
    # The one that is seen, the one before, which might come again, and those of clips that wait:
    # two, and one for each worker.
    assert max(most) <= 2 + 2 + 2


@pytest.mark.parametrize("cut", [Cut(), Cut(16), Cut(3), Cut(whole=True)])
@pytest.mark.parametrize("every", [1, 3])
def test_nothing_passes_from_one_track_to_another(tiny_network, cut, every):
    """With a cut after every 37 frames: as if each stretch were a video of its own."""

    class Few(Spatial):
        def forward(self, crops: np.ndarray) -> torch.Tensor:
            return super().forward(crops)[:, : tiny_network.config.feature_dim]

    models = Models(
        Anywhere(), Few(), [Member(tiny_network, clip_length=16)],
        cut=cut, smooth=2, features_every=every,
    )  # fmt: skip
    with workers("cpu") as pool:
        found = observe(Noise(100, cut=37), models, pool, StageTimes(), keep_frames=True)
    crops = [face.crop for face in observe_faces(Noise(100, cut=37), Anywhere())]
    assert found.predictions.face.tolist() == [1 + frame // 37 for frame in range(100)]
    for track in range(1, 4):
        (own,) = np.nonzero(found.predictions.face == track)
        known = torch.from_numpy(Few()(np.stack(crops)[own[::every]]).numpy())
        between, features = FeatureInterpolation(), []
        for number, row in enumerate(known):
            features.append(between.push(row, every if number else 1))
        features.append(between.rest(len(own) - 1 - every * (len(known) - 1)))
        values = predict_sequence(
            tiny_network, torch.cat(features), found.frames[own], 16, cut.stride, whole=cut.whole
        )
        expected = smoothed(values, own, 2)
        np.testing.assert_allclose(found.predictions.values[own], expected, rtol=0, atol=1e-5)


class TestFailures:
    """Each stage may fail: the error arrives, the others stop, and nothing hangs."""

    class Error(Exception):
        pass

    def run(self, checkpoint, source=None, detector=None, spatial=None, advance=lambda: None):
        models = Models(detector or Anywhere(), spatial or Spatial(), [Member(checkpoint.network)])
        noise = source or Noise(10_000)
        with pytest.raises(self.Error), workers("cpu") as pool:
            observe(noise, models, pool, StageTimes(), advance=advance)

    def after(self, count: int, function=lambda *_: None):
        """A function that works `count` times and then fails."""
        calls = iter(range(count))

        def failing(*arguments):
            if next(calls, None) is None:
                raise self.Error
            return function(*arguments)

        return failing

    @pytest.mark.parametrize("count", [0, 3, pytest.param(200, marks=pytest.mark.slow)])
    def test_decoding(self, checkpoint, count):
        class Broken(Noise):
            def __iter__(inner):
                yield from super().__iter__()
                raise self.Error

        self.run(checkpoint, source=Broken(count))

    @pytest.mark.parametrize("count", [0, 3, pytest.param(600, marks=pytest.mark.slow)])
    def test_detection(self, checkpoint, count):
        self.run(checkpoint, detector=self.after(count, Anywhere()))

    @pytest.mark.parametrize("count", [0, 3, pytest.param(60, marks=pytest.mark.slow)])
    def test_features(self, checkpoint, count):
        spatial = Spatial()
        spatial.forward = self.after(count, Spatial().forward)
        self.run(checkpoint, spatial=spatial)

    @pytest.mark.parametrize("count", [0, 2])
    @pytest.mark.parametrize("name", ["embed_clips", "read_out_clips"])
    def test_network(self, checkpoint, monkeypatch, name, count):
        failing = self.after(count, getattr(mimamo.predict.pipeline, name))
        monkeypatch.setattr(mimamo.predict.pipeline, name, failing)
        self.run(checkpoint)

    @pytest.mark.parametrize("count", [0, 100])
    def test_whoever_watches(self, checkpoint, count):
        self.run(checkpoint, advance=self.after(count))

    def test_the_other_videos_are_predicted(self, tmp_path, checkpoint, video, film):
        other = film(tmp_path / "other.mp4", "xxx")
        original, broken = CenterFace(), []

        def detector(image):
            if len(broken) < 20:  # within the first video
                broken.append(1)
                if len(broken) == 20:
                    raise cv2.error("OpenCV: something\nis wrong")
            return original(image)

        results = predict_many(
            [video, other], checkpoint, tmp_path / "out", PredictSettings(detector=detector)
        )
        assert results[0].error == f"{video}: OpenCV fails on it: OpenCV: something is wrong"
        assert results[0].times is results[0].predictions is None
        assert results[1].error is None
        assert results[1].times.frames == 3

    def test_too_little_memory_is_an_input_error(self, tmp_path, checkpoint, video):
        def detector(_):
            raise MemoryError

        with pytest.raises(InputError, match=r"face\.mp4: the memory does not suffice"):
            predict_video(video, checkpoint, tmp_path, PredictSettings(detector=detector))


# Tells of each frame, and goes no further than some: it is not done, however late its end is asked.
TELLING = """
import os, time
from mimamo.__main__ import script
from mimamo.predict.pipeline import _Gathering
add, told = _Gathering.add, []
def tell(self, face):
    told.append(os.write(1, b"."))
    if len(told) == 300:
        time.sleep(600)
    return add(self, face)
_Gathering.add = tell
script()
"""


@pytest.mark.slow
def test_ctrl_c_ends_the_command_at_once(tmp_path, weights, film):
    video = film(tmp_path / "long.mp4", 600 * "x")
    words = ("predict", str(video), "--weights", str(weights), "--out", str(tmp_path / "out"))
    process = subprocess.Popen(
        [sys.executable, "-c", TELLING, *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.read(20) == 20 * "."  # all stages work
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=300)
    assert (process.returncode, out.strip("."), error) == (130, "", "mimamo: ended by SIGINT\n")
    assert not list((tmp_path / "out").glob("*"))
