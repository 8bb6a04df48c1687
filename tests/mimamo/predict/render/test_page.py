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
