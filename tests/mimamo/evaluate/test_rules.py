"""What is scored is what is written."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mimamo import InputError
from mimamo.data import Cache
from mimamo.data.cache import Manifest, save_skipped, skipped_path, video_path
from mimamo.evaluate import Rules, evaluate_runs, submit
from mimamo.evaluate.rules import smoothed
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


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("format", ["files", "abaw"])
def test_lines_of_annotations_are_scored_as_far_as_frames_are_written(
    small_run: Path, small_cache: Path, tmp_path: Path, counted: bool, format: str
) -> None:
    """Those after the last frame of a film are of none; without it they tell how many there are."""
    root = shutil.copytree(small_cache, tmp_path / "cache")
    videos = Cache(root).subset("Validation_Set")
    more = torch.tensor([[0.5, -0.5], [torch.nan, torch.nan], [-1, 1]])
    longer = torch.cat([videos[0].annotations, more])
    replace(videos[0], annotations=longer, counted=counted).save(video_path(root, videos[0].name))
    names = tmp_path / "names.txt"
    names.write_text(f"{videos[0].name}\n")
    replace(Manifest.load(root), videos={videos[0].name: "Validation_Set"}).save(root)
    said: list[str] = []
    summary = evaluate_runs(
        [small_run], root, subset="Validation_Set", format=format, report=said.append
    ).summary
    result = submit([small_run], root, tmp_path / "out", names=names, format=format)
    rows = result.files[0].read_text().splitlines()[1:]
    written = np.array([row.split(",")[-2:] for row in rows], float)
    labels = longer.numpy()[: len(written)]
    scored = ~np.isnan(labels).any(axis=1)
    assert (result.frames, len(written)) == (56 if counted else 59,) * 2
    assert (summary.frames.count, summary.beyond) == ((56, 2) if counted else (58, 0))
    expected = concordance_cc(written[scored], labels[scored].astype(float), dim=0)
    found = summary.frames.valence, summary.frames.arousal
    np.testing.assert_allclose(found, expected, atol=1e-5)
    line = "  2 annotated after a video's last frame: not submitted, so not scored"
    assert (line in said) is counted
    assert result.uncounted == ()


def test_a_video_without_a_face_is_said_not_to_be_scored(
    small_run: Path, small_cache: Path, tmp_path: Path
) -> None:
    root = shutil.copytree(small_cache, tmp_path / "cache")
    name = Cache(root).subset("Validation_Set")[0].name
    video_path(root, name).unlink()
    save_skipped(skipped_path(root, name), "no face in it", faceless=True)
    said: list[str] = []
    evaluate_runs([small_run], root, report=said.append)
    assert said[0].startswith(f"warning: in 1 video no face was found, such as {name}; ")


def test_what_is_scored_is_clipped(small_cache: Path) -> None:
    video = Cache(small_cache).videos[0]
    wild = torch.full((len(video), 2), 3.0).numpy()
    assert (Rules().values([video], {video.name: wild})[video.name] == 1).all()
    spoken = replace(video, unit="utterance")
    assert (Rules().values([spoken], {video.name: wild})[video.name] == 3).all()
