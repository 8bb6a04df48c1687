"""Live predictions: what they are equal to, how they come, and the command."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from support.films import packets_of, picture, write_film
from support.live import values_so_far

from mimamo.cli import main
from mimamo.cli.live import _LiveRun
from mimamo.errors import InputError
from mimamo.faces import CenterFace, observe_faces, phase_frames
from mimamo.model import Checkpoint, MIMAMOConfig, MIMAMONet, SmallBackbone, load_checkpoint
from mimamo.model.features import SpatialFeatures
from mimamo.predict.live import LivePrediction, LivePredictor, LiveSpeed
from mimamo.predict.render.canvas import VALENCE
from mimamo.predict.render.live import LivePicture
from mimamo.predict.render.people import colour_of
from mimamo.predict.table import NO_FACE
from mimamo.video import VideoFrame, VideoReader
from mimamo.video.camera import Camera

PATTERN = ".xxxxx.xxxxxx"


@pytest.fixture(scope="module")
def video(tmp_path_factory, film) -> Path:
    return film(tmp_path_factory.mktemp("live") / "face.mp4", PATTERN)


@pytest.mark.slow
def test_equals_the_network_on_the_clip_that_ends_with_the_frame(weights, video):
    checkpoint = load_checkpoint(weights)
    predictor = LivePredictor(checkpoint, CenterFace())
    live, counts = [], []
    for frame in VideoReader(video):
        live += predictor.push(frame)
        counts.append(len(live))
    assert counts[0] == 1  # a frame without a face waits for nothing
    assert counts[6] == 1  # a face waits for half a window of them
    live += predictor.finish()
    assert [x.index for x in live] == list(range(len(PATTERN)))
    assert [x.found for x in live] == [letter == "x" for letter in PATTERN]
    assert all(x.latency > 0 for x in live)

    crops = [x.crop for x in observe_faces(VideoReader(video), CenterFace()) if x.crop is not None]
    crops = np.stack(crops)
    network = checkpoint.network.eval()
    features = SpatialFeatures(checkpoint.backbone, batch_size=1)(crops)
    frames = torch.from_numpy(phase_frames(crops, network.config.phase_size))
    expected = values_so_far(network, features, frames)
    for got, want in zip([x for x in live if x.found], expected, strict=True):
        assert [got.valence, got.arousal] == pytest.approx(want, abs=1e-4)
    assert (live[0].valence, live[0].arousal) == (NO_FACE, NO_FACE)
    assert (live[6].valence, live[6].arousal) == (live[5].valence, live[5].arousal)


@pytest.mark.slow
@pytest.mark.parametrize("temporal", ["tcn", "transformer"])
def test_so_it_does_without_a_gru(film, tmp_path, temporal):
    torch.manual_seed(0)
    network = MIMAMONet(MIMAMOConfig(feature_dim=128, temporal=temporal)).eval()
    torch.nn.init.normal_(network.head.fc.weight)
    backbone, path = SmallBackbone().eval(), film(tmp_path / "face.mp4", "xxxxxxx")
    predictor = LivePredictor(Checkpoint(network, backbone), CenterFace())
    live = [x for frame in VideoReader(path) for x in predictor.push(frame)]
    live += predictor.finish()
    crops = np.stack([x.crop for x in observe_faces(VideoReader(path), CenterFace())])
    features = SpatialFeatures(backbone, batch_size=1)(crops)
    expected = values_so_far(network, features, torch.from_numpy(phase_frames(crops, 48)))
    for got, want in zip(live, expected, strict=True):
        assert [got.valence, got.arousal] == pytest.approx(want, abs=1e-5)
    assert np.ptp([x.valence for x in live]) > 0.002


def test_nothing_waits_for_a_face_that_has_gone(weights, film, tmp_path):
    path = film(tmp_path / "gone.mp4", "xx" + 14 * ".")
    predictor = LivePredictor(load_checkpoint(weights), CenterFace())
    counts = [len(predictor.push(frame)) for frame in VideoReader(path)]
    assert counts == [0] * 13 + [14, 1, 1]


def test_frames_that_a_film_has_lost_end_a_track_as_in_predict(weights, film, tmp_path):
    predictor = LivePredictor(load_checkpoint(weights), CenterFace())
    for index, frame in enumerate(VideoReader(film(tmp_path / "a.mp4", "xxx"))):
        predictor.push(frame, lost=12 * (index == 2))
        assert predictor.boxes[0][0] == 1 + (index == 2)


@pytest.mark.slow
def test_headless_writes_what_it_saw(weights, video, tmp_path, capsys):
    out = tmp_path / "live.csv"
    arguments = ["live", video, "--weights", weights, "--headless", "--out", out]
    assert main([str(x) for x in arguments]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert re.fullmatch(
        r"face: 13 frames in [\d.]+ s, [\d.]+ frames/s; "
        r"latency \d+ ms median, \d+ ms for the slowest 5 %",
        printed[0],
    )
    assert printed[1] == f"{out}: 13 frames"
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [int(row["frame"]) for row in rows] == list(range(1, 14))
    assert [row["face_found"] for row in rows] == ["1" if x == "x" else "0" for x in PATTERN]
    assert all(float(row["latency_ms"]) > 0 for row in rows)
    assert [path.name for path in tmp_path.iterdir()] == ["live.csv"]

    assert main([str(x) for x in arguments]) == 2
    assert "exists" in capsys.readouterr().err
    assert main([*map(str, arguments), "--overwrite", "--frames", "3"]) == 0
    assert len(out.read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--headless"], "--headless: expected --out FILE as well"),
        (["no.mp4", "--headless", "--out", "x.csv"], "no.mp4: cannot be read"),
        (["97", "--headless", "--out", "x.csv"], "camera 97: cannot be opened"),
    ],
)
def test_what_cannot_be_is_refused_without_waiting_for_torch(arguments, words, tmp_path):
    code = (
        "import os, sys; from mimamo.cli import main; os.chdir(sys.argv[1]);"
        "code = main(['live', '--weights', 'no.safetensors', *sys.argv[2:]]);"
        "sys.exit('torch was imported' if 'torch' in sys.modules else code)"
    )
    command = [sys.executable, "-c", code, str(tmp_path), *arguments]
    result = subprocess.run(command, capture_output=True, text=True)
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_on_screen(weights, video, monkeypatch, capsys):
    """With OpenCV's window replaced by a list of what was shown."""
    shown = []
    monkeypatch.setattr("mimamo.predict.render.live.check_display", lambda: None)
    monkeypatch.setattr(cv2, "namedWindow", lambda name: None)
    monkeypatch.setattr(cv2, "imshow", lambda name, picture: shown.append(picture))
    monkeypatch.setattr(cv2, "waitKey", lambda wait: ord("q") if len(shown) == 9 else -1)
    monkeypatch.setattr(cv2, "getWindowProperty", lambda name, what: 1.0)
    monkeypatch.setattr(cv2, "destroyAllWindows", lambda: None)
    assert main(["live", str(video), "--weights", str(weights)]) == 0
    assert "9 frames in" in capsys.readouterr().out
    assert len(shown) == 9
    assert shown[0].shape == (720 + 110, 720, 3)
    assert not np.array_equal(shown[-1][720:], shown[0][720:])  # values, rate and latency


@pytest.fixture
def shown(monkeypatch) -> None:
    """A window of OpenCV that shows nothing and waits for nothing."""
    monkeypatch.setattr("mimamo.predict.render.live.check_display", lambda: None)
    for name in ("namedWindow", "imshow", "destroyAllWindows"):
        monkeypatch.setattr(cv2, name, lambda *_: None)
    monkeypatch.setattr(cv2, "waitKey", lambda wait: -1)
    monkeypatch.setattr(cv2, "getWindowProperty", lambda name, what: 1.0)


def test_it_says_what_predict_says(weights, tmp_path, capsys):
    times, out = [0.0, 0.2, 0.4], tmp_path / "live.csv"
    film, other = (
        write_film(tmp_path / f"{size[0]}.ts", [picture(0, size)] * 3, times=times)
        for size in ((64, 48), (96, 80))
    )
    film.write_bytes(film.read_bytes() + other.read_bytes())
    arguments = ["live", film, "--weights", weights, "--headless", "--out", out]
    assert main([str(x) for x in arguments]) == 0
    size, rate, face = capsys.readouterr().err.splitlines()
    assert size.startswith(f"mimamo: warning: {film}: the picture size changes from 64x48 to 96x80")
    assert re.search(r"has [\d.]+ frames a second, far from the 30 of Aff-Wild2$", rate)
    assert face == f"mimamo: warning: {film}: no face found; all predictions are -5"


def test_it_says_once_that_another_face_is_there(weights, film, tmp_path, capsys):
    """Counted in frames between searches as well."""
    path, out = film(tmp_path / "two.mp4", "ooo|xxx"), tmp_path / "live.csv"
    arguments = ["live", path, "--weights", weights, "--headless", "--out", out]
    assert main([*map(str, arguments), "--search-every", "2"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        f"mimamo: warning: {path}: another face is in 3 of 3 frames as well; --faces all predicts "
        "every one"
    ]
    assert main([*map(str, arguments), "--overwrite", "--faces", "all"]) == 0
    assert capsys.readouterr().err == ""


def test_frames_that_are_missing_are_a_failure(weights, film, tmp_path, capsys):
    path, out = film(tmp_path / "a.mp4", "." * 12), tmp_path / "live.csv"
    with path.open("r+b") as file:
        file.truncate(packets_of(path)[9][0])
    arguments = ["live", path, "--weights", weights, "--headless", "--out", out]
    assert main([str(x) for x in arguments]) == 1
    error = f"mimamo: error: {path}: frames missing after 0.3 s; they have no rows in {out}"
    assert error in capsys.readouterr().err.splitlines()
    assert len(out.read_text().splitlines()) == 10


def test_whoever_follows_faces_is_told_of_missing_frames():
    class Film(list):
        fps, gaps = 10, [(0.1, 0.6)]

    class Predictor:
        features_every = 1
        finish = list

        def push(self, frame, lost):
            told.append(lost)
            return []

    told: list[int] = []
    film = Film(VideoFrame(i, time, np.zeros(0)) for i, time in enumerate((0.0, 0.1, 0.6, 0.7)))
    assert _LiveRun(film, Predictor(), None, None).until_ended(None) is None
    assert told == [0, 0, 4, 0]


@pytest.mark.slow
@pytest.mark.parametrize(("fps", "told"), [(0.2, False), (400.0, True)])
def test_what_is_too_fast_for_every_pace_is_told(
    weights, film, tmp_path, capsys, monkeypatch, shown, fps, told
):
    monkeypatch.setattr("mimamo.predict.pace.Pace.frame", lambda self, seconds, every: 2)
    path = film(tmp_path / "a.mp4", "...", fps)
    assert main(["live", str(path), "--weights", str(weights)]) == 0
    printed = capsys.readouterr().err
    assert "spatial features of 1 frame in 2" in printed
    assert (f"frames a second, of {fps:g} that it has" in printed) == told


@pytest.mark.slow
def test_no_screen(weights, video, monkeypatch, capsys, tmp_path):
    """OpenCV that refuses by itself; nothing is written."""

    def refuse(name):
        raise cv2.error("no GUI")

    monkeypatch.setattr("mimamo.predict.render.live.check_display", lambda: None)
    monkeypatch.setattr(cv2, "namedWindow", refuse)
    arguments = ["live", str(video), "--weights", str(weights), "--out", str(tmp_path / "x.csv")]
    assert main(arguments) == 2
    assert "no window can be opened here; use --headless" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="displays are named so on Linux alone")
@pytest.mark.parametrize(
    ("display", "words"),
    [
        ({}, "no window can be opened here (DISPLAY is not set); use --headless --out FILE"),
        ({"DISPLAY": ":97"}, "no window can be opened here; use --headless --out FILE"),
    ],
)
def test_no_display(display, words, tmp_path):
    """In a process of its own, which OpenCV's toolkit would abort."""
    names = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    environment = {k: v for k, v in os.environ.items() if k not in names} | display
    arguments = ["live", "--weights", "no.safetensors", "--out", str(tmp_path / "x.csv")]
    command = [sys.executable, "-m", "mimamo", *arguments]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert result.returncode == 2
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_long_session_keeps_the_newest_latencies():
    speed = LiveSpeed()
    for number in range(25_000):
        latency = 9.0 if number < 15_000 else 0.01
        speed.add(LivePrediction(number, number / 30, 1, 0.0, 0.0, latency))
    assert len(speed.latencies) == 10_000
    assert speed.frames == 25_000
    assert speed.latency == 0.01
    assert speed.summary().startswith("25000 frames in ")
    assert "; latency of the last 10000 frames 10 ms median, 10 ms for" in speed.summary()


def test_a_picture_without_a_face():
    image = np.zeros((90, 160, 3), np.uint8)
    picture = LivePicture().draw(image, [], [], LiveSpeed())
    assert picture.shape == (405 + 110, 720, 3)


def test_a_picture_of_two_people():
    image, boxes = (
        np.zeros((90, 160, 3), np.uint8),
        np.float32([[20, 20, 50, 60], [90, 20, 120, 60]]),
    )
    rows = [
        LivePrediction(frame, frame / 10, face, 0.3 * face, -0.3 * face, 0.01)
        for frame in range(20)
        for face in (1, 2)
    ]
    speed = LiveSpeed()
    for row in rows:
        speed.add(row)
    assert speed.frames == 20  # not rows
    picture = LivePicture().draw(image, list(enumerate(boxes, start=1)), rows, speed)
    for number, box in enumerate(boxes, start=1):
        drawn = np.argwhere((picture == colour_of(number)).all(axis=-1))[:, ::-1]
        in_frame = drawn[drawn[:, 1] < 405]
        np.testing.assert_allclose(in_frame.min(axis=0), 4.5 * box[:2], atol=3)
        np.testing.assert_allclose(in_frame.max(axis=0), 4.5 * box[2:], atol=3)
        assert len(drawn) > len(in_frame) + 100  # curves


def test_no_curve_goes_across_frames_without_the_face():
    """Three of forty, at half the strip; in the frames before and after there is a curve."""
    rows = [
        LivePrediction(frame, frame / 4, int(not 19 <= frame < 22), 0.5, -0.5, 0.0)
        for frame in range(41)
    ]
    picture = LivePicture().draw(np.zeros((90, 160, 3), np.uint8), [], rows, LiveSpeed())
    strip = picture[405:, 250:708]
    columns = np.flatnonzero((strip == VALENCE).all(axis=-1).any(axis=0)) / strip.shape[1]
    assert columns.min() < 0.02 < 0.98 < columns.max()
    missing = (columns > 18.4 / 40) & (columns < 21.6 / 40)
    assert not missing.any()


class FakeCapture:
    """A camera of five frames that waits to be told that one was taken."""

    def __init__(self, number):
        self.turn = threading.Semaphore(1)
        self.count = 0

    def isOpened(self):
        return True

    def get(self, what):
        return 0.0

    def read(self):
        self.turn.acquire(timeout=60)
        self.count += 1
        return self.count <= 5, np.full((4, 6, 3), self.count, np.uint8)

    def release(self):
        self.released = True


def test_a_camera_gives_frames_until_it_ends(monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    with Camera(0) as camera:
        values, times = [], []
        for frame in camera:
            values.append(int(frame.image[0, 0, 0]))
            times.append(frame.time)
            camera._capture.turn.release()
    assert values == [1, 2, 3, 4, 5]
    assert times[0] == 0
    assert times == sorted(times)
    assert camera.missed == 0
    assert camera._capture.released


def test_who_is_slower_than_the_camera_gets_the_newest_frame(monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    with Camera(0) as camera:
        frames = iter(camera)
        assert int(next(frames).image[0, 0, 0]) == 1
        for _ in range(5):
            camera._capture.turn.release()
        camera._thread.join()
        assert [int(frame.image[0, 0, 0]) for frame in frames] == [5]
    assert camera.missed == 3


def test_no_camera():
    with pytest.raises(InputError, match="camera 97: cannot be opened"):
        Camera(97)
