"""The picture of a video's predictions beside the truth."""

from __future__ import annotations

import numpy as np
from PIL import Image

from mimamo.demo.run import save_comparison
from mimamo.evaluate import Score
from mimamo.predict.table import Predictions


def test_the_comparison_is_drawn(tmp_path):
    rng = np.random.default_rng(0)
    truth = rng.uniform(-1, 1, (40, 2))
    found = np.ones(40, bool)
    found[3:6] = False
    predicted = truth + 0.1 * rng.normal(size=(40, 2))
    path = tmp_path / "comparison.png"
    predictions = Predictions(np.arange(40) / 30, found.astype(int), predicted.astype(np.float32))
    save_comparison(path, predictions, truth, Score(37, 0.9, 0.8))
    with Image.open(path) as image:
        assert image.size == (1440, 648)
        assert np.asarray(image.convert("RGB")).std() > 10
