"""A prediction's page: what is in its data."""

from __future__ import annotations

import numpy as np
from PIL import Image
from support.pages import content_of

from mimamo.faces import Faces
from mimamo.predict.render.page import save_page
from mimamo.predict.table import Predictions
from mimamo.video import FrameFolder


def test_each_box_is_where_its_frame_is_shown(tmp_path):
    (tmp_path / "frames").mkdir()
    for number, size in enumerate([(64, 48), (128, 48)]):
        Image.new("RGB", size).save(tmp_path / "frames" / f"{number}.png")
    boxes = np.tile(np.float32([20, 10, 40, 30]), (2, 1))
    faces = Faces(boxes, np.zeros((2, 5, 2), np.float32), np.ones(2, np.float32))
    predictions = Predictions(np.arange(2) / 30, np.ones(2, int), np.zeros((2, 2), np.float32))
    save_page(tmp_path / "p.html", FrameFolder(tmp_path / "frames"), predictions, faces)
    (video,) = content_of(tmp_path / "p.html")["videos"]
    assert video["size"] == [64, 48]
    # The second frame is half as large, 12 pixels below the first one's top.
    expected = [[20, 10, 40, 30], [9.75, 16.75, 19.75, 26.75]]
    np.testing.assert_allclose(video["people"][0]["boxes"], expected, atol=0.051)


def test_each_of_several_faces_takes_only_the_frames_it_is_in(tmp_path):
    """So a page of many cuts is not as much larger as there are faces."""
    count, each = 40, 8
    (tmp_path / "frames").mkdir()
    for number in range(count):
        Image.new("RGB", (64, 48)).save(tmp_path / "frames" / f"{number}.png")
    face = 1 + np.arange(count) // each
    face[20:22] = 0  # held by the third
    values = np.random.default_rng(0).uniform(-1, 1, (count, 2)).astype(np.float32)
    predictions = Predictions(np.arange(count) / 30, face, values)
    boxes = np.tile(np.float32([20, 10, 40, 30]), (count, 1))
    faces = Faces(boxes, np.zeros((count, 5, 2), np.float32), np.ones(count, np.float32))
    save_page(tmp_path / "p.html", FrameFolder(tmp_path / "frames"), predictions, faces)
    (video,) = content_of(tmp_path / "p.html")["videos"]
    assert [person["start"] for person in video["people"]] == list(range(0, count, each))
    for person in video["people"]:
        own = slice(person["start"], person["start"] + each)
        assert len(person["found"]) == len(person["boxes"]) == each
        np.testing.assert_allclose(person["values"], values[own].T, atol=1e-6)
        assert person["found"] == (face[own] > 0).astype(int).tolist()
