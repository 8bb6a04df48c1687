"""What is scored is what is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mimamo import InputError
from mimamo.data import Cache
from mimamo.evaluate import Rules, evaluate_runs, submit
from mimamo.evaluate.written import smoothed
from mimamo.metrics import concordance_cc

NUMBERS = np.array([3, 4, 6, 7])
VALUES = np.array([[0.3, -0.3], [0.4, -0.4], [0.6, -0.6], [0.7, -0.7]])


class TestGaps:
    @pytest.mark.parametrize(
        ("leading", "gaps", "expected"),
        [
            ("-5", "previous", [-5, -5, 0.3, 0.4, 0.4, 0.6, 0.7, 0.7]),
            ("first", "previous", [0.3, 0.3, 0.3, 0.4, 0.4, 0.6, 0.7, 0.7]),
            ("-5", "interpolate", [-5, -5, 0.3, 0.4, 0.5, 0.6, 0.7, 0.7]),
            ("first", "interpolate", [0.3, 0.3, 0.3, 0.4, 0.5, 0.6, 0.7, 0.7]),
        ],
    )
    def test_every_frame_gets_a_value(self, leading: str, gaps: str, expected: list) -> None:
        rules = Rules(leading=leading, gaps=gaps)
        np.testing.assert_allclose(rules.frames(VALUES, NUMBERS, 8)[:, 0], expected)
        np.testing.assert_allclose(rules.frames(VALUES, NUMBERS, 5)[:, 0], expected[:5])

    def test_none_of_its_frames_has_a_face(self) -> None:
        empty = np.empty((0, 2)), np.empty(0, int)
        assert (Rules().frames(*empty, 3) == -5).all()
        filled = Rules.of("abaw").frames(*empty, 3, (0.1, 0.2))
        np.testing.assert_allclose(filled, [[0.1, 0.2]] * 3)
        assert (Rules().frames(VALUES, NUMBERS, 2) == -5).all()

    def test_defaults_are_the_formats(self) -> None:
        assert Rules.of("files") == Rules(leading="-5", gaps="previous")
        assert Rules.of("abaw") == Rules(leading="first", gaps="interpolate")
        assert Rules.of("abaw", gaps="previous").gaps == "previous"

    @pytest.mark.parametrize(
        "wrong", [{"leading": "0"}, {"gaps": "next"}, {"smooth": -1}, {"format": "csv"}]
    )
    def test_other_values_are_refused(self, wrong: dict) -> None:
        with pytest.raises(InputError, match=rf"{next(iter(wrong))}: expected "):
            Rules.of(**wrong)


class TestSmoothing:
    def test_a_mean_over_frames_not_over_faces(self) -> None:
        values = smoothed(VALUES, NUMBERS, 1)
        np.testing.assert_allclose(values[:, 0], [0.35, 0.35, 0.65, 0.65], atol=1e-7)
        assert smoothed(VALUES, NUMBERS, 0) is VALUES
        np.testing.assert_allclose(smoothed(VALUES, NUMBERS, 99)[:, 1], [-0.5] * 4, atol=1e-7)


@pytest.mark.parametrize("format", ["files", "abaw"])
@pytest.mark.parametrize("more", [{}, {"smooth": 3, "rescaled": True}])
def test_the_score_is_that_of_the_files(
    small_run: Path, learnable_copy: Path, tmp_path: Path, format: str, more: dict
) -> None:
    """A submission of the validation set, read and scored by hand: the same CCC."""
    from mimamo.extract import extract

    for name in (1, 2, 20, 21, 30):  # no face there
        for folder in (learnable_copy / "cropped_aligned").glob("Validation*"):
            (folder / f"{name:05d}.jpg").unlink()
    extract(learnable_copy, tmp_path / "cache", backbone="small")
    cache = Cache(tmp_path / "cache")
    found = evaluate_runs([small_run], cache, subset="Validation_Set", format=format, **more)
    out = tmp_path / "out"
    submit([small_run], cache, out, subset="Validation_Set", format=format, **more)
    written, labels = [], []
    for video in cache.subset("Validation_Set"):
        labels.append(video.annotations.numpy())
        if format == "files":
            written.append(np.loadtxt(out / f"{video.name}.txt", delimiter=",", skiprows=1))
        else:
            rows = [r.split(",") for r in (out / "predictions.txt").read_text().splitlines()[1:]]
            written.append([r[1:] for r in rows if r[0].startswith(f"{video.name}/")])
    x, y = np.concatenate(written).astype(float), np.concatenate(labels).astype(float)
    assert len(x) == found.summary.frames.count
    expected = found.summary.frames.valence, found.summary.frames.arousal
    np.testing.assert_allclose(concordance_cc(x, y, dim=0), expected, atol=1e-5)


def test_what_is_scored_is_clipped(small_cache: Path) -> None:
    video = Cache(small_cache).videos[0]
    wild = torch.full((len(video), 2), 3.0).numpy()
    assert (Rules().values([video], {video.name: wild})[video.name] == 1).all()
    spoken = replace(video, unit="utterance")
    assert (Rules().values([spoken], {video.name: wild})[video.name] == 3).all()
