"""Training from a cache: what it learns, writes, reports and refuses."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from support.digests import digest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mimamo import InputError, load_checkpoint
from mimamo.data import Cache
from mimamo.evaluate import Ensemble
from mimamo.extract import extract
from mimamo.model import SmallBackbone
from mimamo.predict import PredictSettings, predict_video
from mimamo.predict.smoothing import smooth_line
from mimamo.train import TrainingConfig, TrainResult, train
from mimamo.train.run_folder import FILES
from mimamo.train.videos import choose_videos

Run = Callable[..., TrainResult]


def contents(folder: Path) -> dict[str, str]:
    return {path.name: digest(path) for path in sorted(folder.iterdir()) if path.is_file()}


def without_dropout(config: TrainingConfig, **settings) -> TrainingConfig:
    dropouts = [name for name in config.network.to_dict() if name.endswith("dropout")]
    network = replace(config.network, **dict.fromkeys(dropouts, 0.0))
    return replace(config, network=network, **settings)


class TestLearning:
    @pytest.mark.slow
    def test_a_small_data_set_is_learnt_by_heart(
        self, run: Run, resnet_cache: Path, cached: TrainingConfig
    ) -> None:
        config = without_dropout(
            cached, epochs=40, patience=40, learning_rate=0.02, milestones=(30,), flip=0.0
        )
        result = run(cache=resnet_cache, config=config)
        first = result.epochs[0]
        assert first.score < 0.3
        assert result.best.valence > 0.8
        assert result.best.arousal > 0.8
        assert result.epochs[-1].loss < first.loss - 0.5


class TestFiles:
    def test_a_run_leaves_these_files_and_no_others(self, run: Run) -> None:
        result = run()
        assert sorted(contents(result.out)) == sorted(FILES)
        (log,) = (result.out / "tensorboard").iterdir()
        assert log.name.startswith("events.out.tfevents.")

    def test_the_history_is_that_of_the_result(self, run: Run, small: TrainingConfig) -> None:
        result = run(config=replace(small, epochs=3))
        with (result.out / "history.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == len(result.epochs) == 3
        for row, epoch in zip(rows, result.epochs, strict=True):
            assert int(row["number"]) == epoch.number
            for name in ("learning_rate", "loss", "valence", "arousal"):
                assert float(row[name]) == getattr(epoch, name)
            assert row["is_best"] == str(epoch.is_best)
        assert result.best == [epoch for epoch in result.epochs if epoch.is_best][-1]

    @pytest.mark.slow
    def test_tensorboard_shows_it(self, run: Run, small: TrainingConfig) -> None:
        result = run(config=replace(small, epochs=2))
        events = EventAccumulator(str(result.out / "tensorboard"))
        events.Reload()
        for name in ("loss", "valence", "arousal", "learning_rate"):
            values = [event.value for event in events.Scalars(f"epoch/{name}")]
            assert values == pytest.approx([getattr(e, name) for e in result.epochs], rel=1e-6)
        assert len(events.Scalars("step/loss")) > 2

    def test_the_config_is_saved_as_the_run_had_it(self, run: Run, small: TrainingConfig) -> None:
        config = replace(small, seed=5)
        saved = TrainingConfig.load(run(config=config).out / "config.toml")
        assert saved == replace(config, network=replace(config.network, feature_dim=128))

    def test_predict_reads_the_run(self, run: Run, tmp_path: Path) -> None:
        out = run().out
        checkpoint = load_checkpoint(out)
        assert checkpoint.network.config == TrainingConfig.load(out / "config.toml").network
        assert isinstance(checkpoint.backbone, SmallBackbone)
        assert checkpoint.clip_length == 16
        text = (out / "config.toml").read_text()
        (out / "config.toml").write_text(text.replace("hidden = 16", "hidden = 24"))
        with pytest.raises(InputError, match=r"best\.safetensors: does not fit"):
            load_checkpoint(out)

    @pytest.mark.slow
    def test_best_and_last_are_told_apart(
        self, run: Run, small: TrainingConfig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scores = iter([(0.1, 0.1), (0.3, 0.3), (0.2, 0.2), (0.1, 0.1), (0.9, 0.9)])
        monkeypatch.setattr("mimamo.train.trainer.pooled_ccc", lambda *_: next(scores))
        result = run(config=replace(small, epochs=9, patience=2))
        assert result.stopped_early
        assert result.best.number == 2
        for path, number in ((result.best_checkpoint, 2), (result.last_checkpoint, 4)):
            with safe_open(path, "pt") as file:
                assert f'"number": {number}' in str(file.metadata())


class TestPredict:
    def test_it_predicts_as_the_evaluation_does(
        self, run: Run, learnable: Path, small_cache: Path, tmp_path: Path
    ) -> None:
        """Clips are as long as they were in training, the backbone is the one trained."""
        checkpoint = load_checkpoint(run().out)
        source = learnable / "cropped_aligned/Validation_Set-0"
        settings = PredictSettings(precision="float32", plot=False)
        result = predict_video(source, checkpoint, tmp_path / "out", settings)
        cache = Cache(small_cache)
        videos = [v for v in cache.videos if v.name == "Validation_Set-0"]
        expected = Ensemble([tmp_path / "run"], cache).predict(videos)["Validation_Set-0"]
        np.testing.assert_allclose(result.predictions.values, expected, atol=2e-4)
        assert expected.std() > 1e-3


class TestReproducibility:
    def test_the_same_seed_gives_the_same_files(self, run: Run, small: TrainingConfig) -> None:
        torch.manual_seed(1)
        first = contents(run("first").out)
        torch.manual_seed(2)
        assert contents(run("second").out) == first
        other = contents(run("third", config=replace(small, seed=1)).out)
        assert other["history.csv"] != first["history.csv"]

    def test_the_global_generator_is_left_alone(self, run: Run) -> None:
        before = torch.random.get_rng_state()
        run()
        assert torch.equal(torch.random.get_rng_state(), before)

    @pytest.mark.slow
    def test_where_the_videos_are_kept_does_not_matter(self, run: Run) -> None:
        assert contents(run("second", resident=True).out) == contents(run("first").out)


class TestFolds:
    def test_a_fold_is_held_out(self, run: Run, small: TrainingConfig) -> None:
        lines: list[str] = []
        result = run(config=replace(small, fold="2/3"), report=lines.append)
        assert lines[0].startswith("training, without fold 2/3: 4 videos of 4 subjects")
        assert lines[1].startswith("validation, fold 2/3: 2 videos of 2 subjects")
        info = load_checkpoint(result.best_checkpoint).info
        assert len(info["trained_on"]) == 4

    def test_one_is_counted_as_one(self, small_cache: Path) -> None:
        assert choose_videos(Cache(small_cache), "1/6").lines()[1] == (
            "validation, fold 1/6: 1 video of 1 subject, 56 faces, 56 of them annotated"
        )

    def test_more_folds_than_subjects(self, run: Run, small: TrainingConfig) -> None:
        with pytest.raises(InputError, match="fold 7 of 7 would have no data"):
            run(config=replace(small, fold="1/7"))


class TestRunFolder:
    @pytest.mark.parametrize("name", [name for name in FILES if name != "config.toml"])
    def test_a_run_is_not_replaced_unasked(self, run: Run, tmp_path: Path, name: str) -> None:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / name).write_text("precious")
        with pytest.raises(InputError, match=rf"run: holds a run \({name}\)"):
            run()
        assert list(contents(tmp_path / "run")) == [name]
        assert (tmp_path / "run" / name).read_text() == "precious"

    def test_nothing_of_a_replaced_run_stays(self, run: Run, tmp_path: Path) -> None:
        expected = contents(run("fresh").out)
        (tmp_path / "run").mkdir()
        for name in FILES:
            (tmp_path / "run" / name).write_text("old")
        assert contents(run(overwrite=True).out) == expected

    def test_a_run_is_not_both_resumed_and_replaced(self, run: Run, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"^resume: expected either .* got both$"):
            run(resume=True, overwrite=True)
        assert not (tmp_path / "run").exists()

    def test_a_name_that_is_not_in_utf_8_is_refused(self, tmp_path: Path) -> None:
        """TensorBoard would end training with a traceback once all is read."""
        out = tmp_path / os.fsdecode(b"run\xff")
        with pytest.raises(InputError, match=r"expected a name in UTF-8, which TensorBoard needs$"):
            train(tmp_path / "none", out)
        assert list(tmp_path.iterdir()) == []

    def test_a_run_that_cannot_start_replaces_nothing(self, run: Run, tmp_path: Path) -> None:
        before = contents(run().out)
        with pytest.raises(InputError, match="none: expected a cache"):
            run(cache=tmp_path / "none", overwrite=True)
        assert contents(tmp_path / "run") == before

    def test_a_file_in_the_way(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "run").touch()
        with pytest.raises(InputError, match=r"run: not a folder that can be written to"):
            run()


class TestAccount:
    def test_every_epoch_and_every_video_left_out_is_reported(
        self, run: Run, learnable_copy: Path, add_video, small: TrainingConfig, tmp_path: Path
    ) -> None:
        grey = np.full((112, 112, 3), 90, np.uint8)
        add_video(learnable_copy, "Train_Set", "unknown", {1: grey, 2: grey}, [(-5, -5)] * 2)
        extract(learnable_copy, tmp_path / "cache", backbone="small")
        lines: list[str] = []
        result = run(cache=tmp_path / "cache", config=replace(small, epochs=2), report=lines.append)
        labels = learnable_copy / "annotations" / "Train_Set" / "unknown.txt"
        best = result.best
        smooth = load_checkpoint(result.best_checkpoint).info["smooth"]
        assert lines == [
            f"unknown is not used: {labels}: no frame is annotated; unknown is not used",
            "Train_Set: 3 videos of 3 subjects, 168 faces, 168 of them annotated",
            "Validation_Set: 3 videos of 3 subjects, 168 faces, 168 of them annotated",
            *(
                f"epoch {epoch.number}/2: loss {epoch.loss:.4f}, CCC valence {epoch.valence:.3f}, "
                f"arousal {epoch.arousal:.3f}" + (", best so far" if epoch.is_best else "")
                for epoch in result.epochs
            ),
            smooth_line(smooth),
            f"best epoch {best.number}: CCC valence {best.valence:.3f}, arousal "
            f"{best.arousal:.3f}; {result.best_checkpoint}",
        ]

    def test_progress_ends_complete(self, run: Run) -> None:
        calls: list[tuple[str, int, int]] = []
        run(progress=lambda *call: calls.append(call))
        assert {stage for stage, _, _ in calls} == {"training"}
        assert calls[-1][1] == calls[-1][2] > 0


class TestFailure:
    def test_a_loss_that_is_not_finite_says_where_and_what_to_do(
        self, run: Run, small: TrainingConfig
    ) -> None:
        with pytest.raises(
            InputError, match=r"^learning_rate: the loss is nan in step 2 of epoch 1, at 1e\+38"
        ):
            run(config=replace(small, learning_rate=1e38))

    def test_a_subset_without_annotations(
        self, run: Run, learnable_copy: Path, tmp_path: Path
    ) -> None:
        for path in (learnable_copy / "annotations" / "Validation_Set").iterdir():
            path.unlink()
        extract(learnable_copy, tmp_path / "cache", backbone="small")
        with pytest.raises(InputError, match="expected videos of Validation_Set, found only"):
            run(cache=tmp_path / "cache")
