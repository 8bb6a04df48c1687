"""The pictures of the demo."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mimamo.demo.pictures import Comparison, pooled_ccc, save_comparison, save_face_grid
from mimamo.metrics import concordance_cc


def comparison(frames: int, seed: int, name: str = "clip") -> Comparison:
    rng = np.random.default_rng(seed)
    truth = rng.uniform(-1, 1, (frames, 2))
    found = np.ones(frames, bool)
    found[3:6] = False
    predicted = np.where(found[:, None], truth + 0.1 * rng.normal(size=(frames, 2)), -5)
    return Comparison(name, found, predicted.astype(np.float32), truth, found)


def test_ccc_is_over_the_counting_frames_of_all_videos():
    pair = [comparison(40, 0), comparison(25, 1)]
    valence, arousal = pooled_ccc(pair)
    predicted = np.concatenate([c.predicted[c.counts] for c in pair])
    truth = np.concatenate([c.truth[c.counts] for c in pair])
    assert valence == pytest.approx(concordance_cc(predicted[:, 0], truth[:, 0]), abs=1e-6)
    assert arousal == pytest.approx(concordance_cc(predicted[:, 1], truth[:, 1]), abs=1e-6)
    assert valence > 0.9  # the -5 of frames without a face would ruin it


@pytest.mark.parametrize("videos", [1, 3])
def test_the_comparison_is_drawn(tmp_path, videos):
    path = tmp_path / "comparison.png"
    save_comparison(path, [comparison(40, s, f"clip {s}") for s in range(videos)], "Some clips")
    with Image.open(path) as image:
        assert image.size == (1440, 648)
        assert np.asarray(image.convert("RGB")).std() > 10


def test_the_grid_of_faces_shows_different_faces(tmp_path):
    path = tmp_path / "faces.png"
    save_face_grid(path)
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"), np.float32)
    height, width = pixels.shape[:2]
    assert (width, height) == (1200, 846)
    # The leftmost column frowns and the rightmost smiles: their mouths are not alike.
    left, right = pixels[150:220, 150:240], pixels[150:220, 1040:1130]
    assert np.abs(left - right).mean() > 5
