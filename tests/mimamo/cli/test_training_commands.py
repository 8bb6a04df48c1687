"""The commands from data to a submission, and what their options come to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import mimamo.demo.run
import mimamo.predict.pipeline
import mimamo.train
from mimamo.cli import main


class TestTrain:
    @pytest.fixture
    def called(self, monkeypatch):
        """What `mimamo.train.training` was called with."""
        given = {}

        def train(cache, out, **options):
            given.update(options, cache=cache, out=out)
            options["report"]("epoch 1")
            options["progress"]("training", 1, 2)

        monkeypatch.setattr(mimamo.train, "train", train)
        return given

    def test_options_override_the_recipe(self, called, capsys):
        arguments = "cache --out run --epochs 3 --lr 0.5 --batch-size 4 --seed 7 --fold 1/5"
        more = "--unwrap full --streams temporal --precision bfloat16 --small-backbone"
        assert main(["train", *arguments.split(), *more.split()]) == 0
        assert capsys.readouterr().out == "epoch 1\n"
        assert (called["cache"], called["out"]) == (Path("cache"), Path("run"))
        config = called["config"]
        assert (config.epochs, config.learning_rate, config.batch_size) == (3, 0.5, 4)
        assert (config.seed, config.fold, config.precision) == (7, "1/5", "bfloat16")
        assert (config.network.unwrap, config.network.streams) == ("full", "temporal")
        assert config.spatial == "small"

    def test_longer_clips_take_the_memory_of_shorter_ones(self, tmp_path, called):
        assert main(["train", "cache", "--out", "run", "--clip-length", "300"]) == 0
        config = called["config"]
        assert (config.clip_length, config.stride, config.batch_size) == (300, 150, 3)
        config.save(tmp_path / "config.toml")  # and a run of such goes on
        arguments = ["train", "cache", "--out", str(tmp_path), "--resume", "--clip-length", "300"]
        assert main(arguments) == 0
        assert called["config"] == config
        more = ["train", "cache", "--out", "run", "--clip-length", "300", "--batch-size", "16"]
        assert main(more) == 0
        assert called["config"].batch_size == 16

    def test_the_recipe_is_what_no_other_option_says(self, called):
        strong = mimamo.train.TrainingConfig().with_recipe("strong")
        words = ["train", "cache", "--out", "run", "--recipe", "strong"]
        assert main(words) == 0
        assert called["config"] == strong
        more = "--ema 0 --pool 1 --no-mixed-stride --optimizer sgd --schedule steps --lr 0.02"
        assert main([*words, *more.split(), "--feature-dropout", "0", "--temporal", "tcn"]) == 0
        assert called["config"] == replace(
            strong, ema=0, pool=1, mixed_stride=False, optimizer="sgd", schedule="steps",
            learning_rate=0.02, network=mimamo.MIMAMOConfig(temporal="tcn"),
        )  # fmt: skip
        assert main([*words, "--clip-length", "300"]) == 0
        assert called["config"] == strong.with_clips(300)

    def test_a_file_has_its_own_recipe(self, tmp_path, called, capsys):
        (tmp_path / "config.toml").write_text('recipe = "strong"\npool = 2\n')
        words = ["train", "cache", "--out", "run", "--config", str(tmp_path / "config.toml")]
        assert main(words) == 0
        strong = mimamo.train.TrainingConfig().with_recipe("strong")
        assert called["config"] == replace(strong, pool=2)
        assert main([*words, "--recipe", "strong"]) == 2
        assert "--recipe and --config exclude each other" in capsys.readouterr().err

    def test_a_run_goes_on_with_the_same_options(self, tmp_path, called):
        words = ["train", "cache", "--out", str(tmp_path), "--recipe", "strong", "--ema", "0.5"]
        assert main(words) == 0
        first = called["config"]
        first.save(tmp_path / "config.toml")
        assert main([*words, "--resume"]) == 0
        assert called["config"] == first

    def test_without_options_the_recipe_holds(self, called):
        assert main(["train", "cache", "--out", "run"]) == 0
        assert called["config"] == mimamo.train.TrainingConfig()
        assert not called["resume"]

    def test_resuming_without_options_takes_the_runs_own_settings(self, called):
        assert main(["train", "cache", "--out", "run", "--resume"]) == 0
        assert (called["config"], called["resume"]) == (None, True)

    def test_resuming_takes_what_no_option_says_from_the_run(self, tmp_path, called):
        own = mimamo.train.TrainingConfig(batch_size=32, epochs=3, spatial="small")
        own.save(tmp_path / "config.toml")
        arguments = ["train", "cache", "--out", str(tmp_path), "--resume"]
        assert main([*arguments, "--epochs", "9"]) == 0
        assert called["config"] == replace(own, epochs=9)
        assert main([*arguments[:-1], "--epochs", "9"]) == 0
        assert called["config"] == mimamo.train.TrainingConfig(epochs=9)

    def test_folds_take_what_no_option_says_from_those_that_are_there(self, tmp_path, monkeypatch):
        given = {}
        monkeypatch.setattr("mimamo.evaluate.crossval", lambda *_, **options: given.update(options))
        own = mimamo.train.TrainingConfig(batch_size=32, epochs=3, fold="2/5")
        (tmp_path / "fold-2").mkdir()
        own.save(tmp_path / "fold-2/config.toml")
        assert main(["crossval", "cache", "--out", str(tmp_path), "--epochs", "4"]) == 0
        assert replace(given["config"], fold="") == replace(own, epochs=4, fold="")

    def test_a_file_of_settings_is_the_base(self, tmp_path, called):
        mimamo.train.TrainingConfig(epochs=9, patience=2).save(tmp_path / "config.toml")
        arguments = ["cache", "--out", "run", "--epochs", "4"]
        assert main(["train", *arguments, "--config", str(tmp_path / "config.toml")]) == 0
        assert (called["config"].epochs, called["config"].patience) == (4, 2)


class TestRefused:
    @pytest.mark.parametrize("command", ["train", "crossval"])
    def test_what_is_no_cache_leaves_nothing_behind(self, tmp_path, one_error, command):
        cache = tmp_path / "cache"
        assert main([command, str(cache), "--out", str(tmp_path / "out")]) == 2
        assert one_error().startswith(f"{cache}: expected a cache made by `mimamo extract`")
        assert not list(tmp_path.iterdir())


class TestFromDataToSubmission:
    """The commands one after the other, on a small data set."""

    @pytest.mark.slow
    def test_all_of_them(self, tmp_path, learnable_copy, tiny_config, capsys, one_error):
        data, cache = learnable_copy, tmp_path / "cache"
        (data / "annotations/Validation_Set/Validation_Set-2.txt").unlink()  # becomes the test set
        tiny_config.save(tmp_path / "tiny.toml")
        recipe = ["--small-backbone", "--epochs", "1", "--config", tmp_path / "tiny.toml"]

        def run(*words) -> str:
            assert main([str(word) for word in words]) == 0
            return capsys.readouterr().out

        printed = run("extract", data, "--out", cache, "--backbone", "small", "--strict")
        assert "6 videos extracted, 0 kept from before, 0 not used, 336 faces, 0 prob" in printed
        assert "best epoch 1" in run("train", cache, "--out", tmp_path / "run", *recipe)
        evaluation = tmp_path / "evaluation"
        evaluate = ["evaluate", tmp_path / "run", "--cache", cache, "--out", evaluation]
        assert "annotated frames with a face" in run(*evaluate)
        assert main([str(word) for word in evaluate]) == 2
        summary = evaluation / "summary.json"
        assert one_error() == f"{summary}: exists; give another --out or --overwrite"
        assert str(summary) in run(*evaluate, "--overwrite")
        folds = ["crossval", cache, "--out", tmp_path / "folds", "--folds", "2", *recipe]
        join = [*folds[:4], "--folds", "2", "--join"]
        for missing in ("folds 1, 2 are", "fold 2 is"):
            assert main([str(word) for word in join]) == 1
            error = f"{tmp_path / 'folds'}: cannot be joined: {missing} still to be trained"
            assert one_error() == error
            if missing.startswith("folds"):
                printed = run(*folds, "--fold", "1")
                assert "fold 2 is still to be trained; joined later" in printed
        assert "out of fold" in run(*folds, "--fold", "2")
        assert "out of fold" in run(*join)
        printed = run("submit", tmp_path / "folds", "--cache", cache, "--out", tmp_path / "sent")
        assert "1 video, 56 frames" in printed
        lines = (tmp_path / "sent" / "Validation_Set-2.txt").read_text().splitlines()
        assert (lines[0], len(lines)) == ("valence,arousal", 57)
