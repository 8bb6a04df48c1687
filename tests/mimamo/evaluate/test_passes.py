"""Over which frames the GRU runs, and smoothing as the training chose it, in every command."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from mimamo import InputError, load_checkpoint
from mimamo.cli import main
from mimamo.data import Cache
from mimamo.evaluate import Ensemble, Rules, evaluate_runs, submit
from mimamo.evaluate.scores import face_pairs, score
from mimamo.files import read_json
from mimamo.model.checkpoint import save_checkpoint, update_info
from mimamo.predict import PredictSettings, predict_many, predict_video
from mimamo.predict.clips import Cut, predict_sequence
from mimamo.predict.smoothing import CANDIDATES, choose_smooth, reach_of, smoothed
from mimamo.train import train
from mimamo.train.trained_model import small_features

WAYS = [{}, {"stride": 16}, {"stride": 5}, {"whole": True}]


def noted(run: Path, to: Path, smooth: int | None) -> Path:
    """A copy of a run whose checkpoint says that so much was chosen."""
    shutil.copytree(run, to)
    update_info(to / "best.safetensors", {"smooth": smooth})
    return to


@pytest.mark.parametrize("way", WAYS)
def test_all_commands_predict_the_same(
    small_run: Path, small_cache: Path, learnable: Path, tmp_path: Path, way: dict
) -> None:
    """By the parts; what `evaluate` scores, what `submit` writes and what `predict` does."""
    cache, checkpoint = Cache(small_cache), load_checkpoint(small_run)
    video = cache.subset("Validation_Set")[0]
    features = small_features(checkpoint.backbone, video.frames[:])
    expected = predict_sequence(
        checkpoint.network, features, video.frames, 16, way.get("stride"), whole="whole" in way
    )
    found = Ensemble([small_run], cache, cut=Cut(**way)).predict([video])[video.name]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert expected.std() > 1e-3

    written = smoothed(expected, video.numbers.numpy(), 2).clip(-1, 1)
    only = tmp_path / "names.txt"
    only.write_text(f"{video.name}\n")
    submit([small_run], cache, tmp_path / "s", names=only, smooth=2, **way)
    table = np.loadtxt(tmp_path / f"s/{video.name}.txt", delimiter=",", skiprows=1)
    np.testing.assert_allclose(table, written, atol=1e-5)

    result = evaluate_runs([small_run], cache, smooth=2, **way)
    (one,) = (x for x in result.summary.videos if x.name == video.name)
    ours = score([video.sequence.pairs(written)])
    assert one.score.valence == pytest.approx(ours.valence, abs=1e-4)

    settings = PredictSettings(precision="float32", plot=False, smooth=2, **way)
    source = learnable / "cropped_aligned" / video.name
    predicted = predict_video(source, checkpoint, tmp_path / "p", settings).predictions
    whole = smoothed(expected, video.numbers.numpy(), 2)
    np.testing.assert_allclose(predicted.values, whole, atol=2e-4)


def test_ways_differ(small_run: Path, small_cache: Path) -> None:
    cache = Cache(small_cache)
    videos = cache.subset("Validation_Set")[:1]
    found = [Ensemble([small_run], cache, cut=Cut(**way)).predict(videos) for way in WAYS]
    for one, other in pairwise(found):
        assert not np.allclose(one[videos[0].name], other[videos[0].name], atol=1e-4)


def test_a_summary_says_how_it_was_predicted(
    small_run: Path, small_cache: Path, tmp_path: Path
) -> None:
    run = noted(small_run, tmp_path / "run", 3)
    lines: list[str] = []
    evaluate_runs(
        [run], small_cache, whole=True, smooth="auto", out=tmp_path / "e", report=lines.append
    )
    settings = read_json(tmp_path / "e/summary.json")["settings"]
    assert (settings["stride"], settings["whole"], settings["smooth"]) == (None, True, 3)
    assert lines[0] == "--smooth auto: a mean over 3 frames before and after, chosen on validation"
    assert lines[1].startswith("warning: if it was chosen on these videos")
    plain = evaluate_runs([run], small_cache, whole=True, smooth=3).summary.faces
    assert plain == evaluate_runs([run], small_cache, whole=True, smooth="auto").summary.faces


class TestChosen:
    def test_training_notes_the_best_on_validation(
        self, small_run: Path, small_cache: Path
    ) -> None:
        cache = Cache(small_cache)
        videos = cache.subset("Validation_Set")
        values = Ensemble([small_run], cache).predict(videos)
        scores = {}
        for reach in CANDIDATES:
            written = Rules(smooth=reach).values(videos, values)
            scores[reach] = score([face_pairs(x, written[x.name]) for x in videos]).mean
        chosen = load_checkpoint(small_run).info["smooth"]
        assert chosen == choose_smooth(videos, values)
        assert scores[chosen] == pytest.approx(max(scores.values()), abs=1e-9)
        assert len(set(scores.values())) > 3

    def test_noise_is_smoothed_and_what_is_right_is_not(self, small_cache: Path) -> None:
        videos = Cache(small_cache).subset("Validation_Set")
        truth = {video.name: video.annotations.numpy() for video in videos}
        assert choose_smooth(videos, truth) == 0
        rng = np.random.default_rng(0)
        noisy = {name: x + 0.3 * rng.standard_normal(x.shape) for name, x in truth.items()}
        assert 2 <= choose_smooth(videos, noisy) <= 20
        constant = {name: np.zeros_like(x) for name, x in truth.items()}
        assert choose_smooth(videos, constant) == 0  # the least of equal ones
        spoken = [replace(video, unit="utterance") for video in videos]
        assert choose_smooth(spoken, noisy) == 0

    def test_a_finished_run_of_before_gets_it_when_it_is_resumed(
        self, small_run: Path, small_cache: Path, small_config, tmp_path: Path
    ) -> None:
        run = shutil.copytree(small_run, tmp_path / "run")
        best = run / "best.safetensors"
        expected = best.read_bytes()
        checkpoint = load_checkpoint(run)
        notes = {name: x for name, x in checkpoint.info.items() if name != "smooth"}
        save_checkpoint(best, checkpoint.network, checkpoint.backbone, notes)
        with pytest.raises(InputError, match=r"best\.safetensors: smooth: .*, found none; give"):
            evaluate_runs([run], small_cache, smooth="auto")
        train(small_cache, run, resume=True)
        assert best.read_bytes() == expected

    def test_of_several_networks_the_median(self) -> None:
        for reaches, median in (([7], 7), ([9, 1], 1), ([50, 3, 5], 5), ([4, 3, 2, 1], 2)):
            assert reach_of("auto", [("f", {"smooth": own}) for own in reaches]) == median
        assert reach_of(12, [("f", {})]) == 12

    @pytest.mark.parametrize("wrong", [-1, 2.5, True, "7", None, 10**9])
    def test_a_choice_that_cannot_be(self, wrong: object) -> None:
        with pytest.raises(InputError, match=r"f: smooth: expected a number of frames chosen on"):
            reach_of("auto", [("f", {"smooth": wrong})])


class TestRefused:
    @pytest.mark.parametrize(
        ("more", "message"),
        [
            ({"stride": 17}, r"stride: expected 1 to 16, the frames of a clip, got 17"),
            ({"stride": 4, "whole": True}, "stride: expected none with whole, got 4"),
            ({"smooth": "much"}, "smooth: expected 0 to 100000 frames or auto, got 'much'"),
            ({"smooth": -1}, "smooth: expected 0 to 100000 frames or auto, got -1"),
        ],
    )
    def test_nothing_is_written(
        self, small_run: Path, small_cache: Path, tmp_path: Path, more: dict, message: str
    ) -> None:
        out = tmp_path / "out"
        checkpoint = load_checkpoint(small_run)
        calls = [
            lambda: evaluate_runs([small_run], small_cache, out=out, **more),
            lambda: submit([small_run], small_cache, out, subset="Validation_Set", **more),
            lambda: predict_many([tmp_path], checkpoint, out, PredictSettings(**more)),
            lambda: predict_video(tmp_path, checkpoint, out, PredictSettings(**more)),
        ]
        for call in calls:
            with pytest.raises(InputError, match=message):
                call()
            assert not out.exists() or not list(out.iterdir())

    def test_on_the_command_line_it_is_one_line(
        self, small_run: Path, small_cache: Path, capsys: pytest.CaptureFixture
    ) -> None:
        for more, said in (
            (["--smooth", "9" * 5000], "smooth: expected 0 to 100000 frames or auto, got '999"),
            (["--stride", "9", "--whole"], "stride: expected none with whole, got 9"),
            (["--stride", "99"], "stride: expected 1 to 16, the frames of a clip, got 99"),
        ):
            assert main(["evaluate", str(small_run), "--cache", str(small_cache), *more]) == 2
            (line,) = capsys.readouterr().err.splitlines()
            assert said in line
            assert len(line) < 400


def test_rules_take_no_auto() -> None:
    with pytest.raises(InputError, match=r"smooth: expected 0 to 100000 frames, got 'auto'"):
        Rules.of(smooth="auto")
