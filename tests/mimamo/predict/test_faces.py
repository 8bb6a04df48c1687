"""Whose rows there are: of one face at a time, or of every one, each as it would be alone."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from support.predictions import read_boxes, read_predictions

from mimamo.cli import main
from mimamo.faces import CenterFace, observe_faces, phase_frames
from mimamo.model.features import SpatialFeatures
from mimamo.predict import PredictSettings, predict_video
from mimamo.predict.clips import predict_sequence
from mimamo.predict.live import LivePredictor
from mimamo.predict.table import NO_FACE
from mimamo.video import VideoReader

# One person on the left, who goes for a moment and then for longer than a window; another on the
# right, who comes late; then a cut.
LEFT = "ooo.ooo" + 13 * "." + "ooo-xxx"
RIGHT = "...xxxx" + 13 * "." + "..x-..."
FACES = [
    *[[1]] * 3, [2], *[[1, 2]] * 3, *[[0]] * 13, *[[3]] * 2, [3, 4], [0], *[[5]] * 3
]  # fmt: skip


@pytest.fixture(scope="module")
def video(tmp_path_factory, film) -> Path:
    return film(tmp_path_factory.mktemp("faces") / "two.mp4", f"{LEFT}|{RIGHT}")


@pytest.fixture(scope="module")
def result(tmp_path_factory, checkpoint, video):
    settings = PredictSettings(faces="all", plot=False, precision="float32")
    return predict_video(video, checkpoint, tmp_path_factory.mktemp("all"), settings)


def test_every_face_has_its_rows_and_a_frame_without_any_has_one(result):
    table = result.predictions
    assert [table.face[rows].tolist() for rows in table.rows_of_frames()] == FACES
    np.testing.assert_allclose(table.times, table.frames / 25, atol=1e-6)
    assert (table.values[~table.found] == NO_FACE).all()
    read = read_predictions(result.outputs.table)
    for name in ("frames", "face"):
        np.testing.assert_array_equal(getattr(read, name), getattr(table, name))
    np.testing.assert_allclose(read.values, table.values, atol=1e-6)


def test_boxes_are_on_the_persons_side(result):
    boxes, face = read_boxes(result.outputs.table), result.predictions.face
    middle = boxes[:, [0, 2]].mean(axis=1)
    for number, low, high in ((1, 0, 256), (2, 256, 512), (3, 0, 256), (4, 256, 512), (5, 0, 256)):
        assert ((low < middle[face == number]) & (middle[face == number] < high)).all()
    assert (boxes[face > 0, 4] > 0.5).all()
    assert np.isnan(boxes[face == 0]).all()


def test_a_persons_rows_are_those_of_the_person_alone(result, checkpoint, video):
    crops: dict[int, list[np.ndarray]] = {}
    for face in observe_faces(VideoReader(video), CenterFace(), "all"):
        if face.crop is not None:
            crops.setdefault(face.face, []).append(face.crop)
    assert set(crops) == {1, 2, 3, 4, 5}
    spatial = SpatialFeatures(checkpoint.backbone)
    for number, own in crops.items():
        alone = np.stack(own)
        expected = predict_sequence(checkpoint.network, spatial(alone), phase_frames(alone))
        got = result.predictions.values[result.predictions.face == number]
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "faces", ["main", *(pytest.param(x, marks=pytest.mark.slow) for x in ("left", "right"))]
)
def test_one_at_a_time_has_a_row_in_every_frame(tmp_path, checkpoint, video, faces, result):
    settings = PredictSettings(faces=faces, plot=False, precision="float32")
    told = []
    table = predict_video(video, checkpoint, tmp_path, settings, warn=told.append).predictions
    assert table.frames.tolist() == list(range(len(LEFT)))
    there = np.bincount(result.predictions.frames[result.predictions.found], minlength=len(LEFT))
    count, line = (there > table.found).sum(), f"{video}: another face is in"
    others = [x for x in told if x.startswith(line)]
    assert [x.removeprefix(line).split()[0] for x in others] == (
        [str(count)] if faces == "main" else []
    )
    side = [1, 1, 1, 0, 1, 1, 1, *[0] * 13, 2, 2, 2, 0, 3, 3, 3]
    if faces == "right":  # the last is alone, and on the left
        side = [0, 0, 0, 1, 1, 1, 1, *[0] * 13, 0, 0, 2, 0, 0, 0, 0]
    assert table.face.tolist() == side
    held = table.values[8:20]
    assert (held == table.values[6]).all()  # those of the frame before, as ever
    every, same = result.predictions, 2 if faces == "right" else 1
    np.testing.assert_allclose(
        table.values[table.face == 1], every.values[every.face == same], atol=1e-5
    )


def test_of_one_person_all_is_main(tmp_path, checkpoint, film):
    path = film(tmp_path / "one.mp4", "xxxx..xxxx")
    tables = [
        predict_video(
            path, checkpoint, tmp_path / faces, PredictSettings(faces=faces, plot=False)
        ).predictions
        for faces in ("main", "all")
    ]
    np.testing.assert_array_equal(tables[0].face, tables[1].face)
    found = tables[0].found
    np.testing.assert_array_equal(tables[0].values[found], tables[1].values[found])


@pytest.mark.slow
@pytest.mark.parametrize("faces", ["main", "all"])
def test_live_follows_by_the_same_rules(checkpoint, video, faces, result, tmp_path):
    predictor = LivePredictor(checkpoint, CenterFace(), faces=faces)
    live = [x for frame in VideoReader(video) for x in predictor.push(frame)]
    live += predictor.finish()
    table = result.predictions
    if faces == "main":
        settings = PredictSettings(plot=False)
        table = predict_video(video, checkpoint, tmp_path, settings).predictions
    assert [(x.index, x.face) for x in live] == list(
        zip(table.frames.tolist(), table.face.tolist(), strict=True)
    )
    values = np.array([(x.valence, x.arousal) for x in live])
    assert (values[table.face == 0] == NO_FACE).all() == (faces == "all")
    assert np.isfinite(values).all()


def test_live_values_of_a_person_are_those_of_the_person_alone(checkpoint, video):
    """Two people side by side, together and each by itself, and then nobody."""
    images = list(VideoReader(video))[4:8]
    both = LivePredictor(checkpoint, CenterFace(), faces="all")
    together = [x for frame in images for x in both.push(frame)] + both.finish()
    for side in ("left", "right"):
        one = LivePredictor(checkpoint, CenterFace(), faces=side)
        alone = [x for frame in images for x in one.push(frame)] + one.finish()
        number = next(x.face for x in together if (x.box[0] < 256) == (side == "left"))
        own = [x for x in together if x.face == number]
        assert len(own) == 3
        for a, b in zip(own, alone[:3], strict=True):
            assert [a.valence, a.arousal] == pytest.approx([b.valence, b.arousal], abs=1e-5)
        held, last = alone[2:]
        assert (last.face, last.valence, last.arousal) == (0, held.valence, held.arousal)
    last = together[6]
    assert (last.face, last.valence, last.arousal) == (0, NO_FACE, NO_FACE)


def test_the_commands(tmp_path, weights, film, capsys):
    path = film(tmp_path / "two.mp4", "xxx|ooo")
    arguments = [str(path), "--weights", str(weights), "--faces", "all", "--out"]
    assert main(["predict", *arguments, str(tmp_path / "out"), "--render"]) == 0
    assert "two.csv: face found in 3 of 3 frames, 2 faces" in capsys.readouterr().out
    assert main(["live", *arguments, str(tmp_path / "live.csv"), "--headless"]) == 0
    assert "two: 3 frames in" in capsys.readouterr().out
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["two.csv", "two.mp4", "two.png"]
    for table in (tmp_path / "out" / "two.csv", tmp_path / "live.csv"):
        rows = list(csv.DictReader(table.read_text().splitlines()))
        assert [(row["frame"], row["face"]) for row in rows] == [
            (str(frame), str(face)) for frame in (1, 2, 3) for face in (1, 2)
        ]
        assert all(float(row["x1"]) > float(row["x0"]) for row in rows)
    assert main(["predict", *arguments[:-2], "nobody", "--out", str(tmp_path / "out")]) == 2
