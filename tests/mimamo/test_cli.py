"""The command line: what it prints, and the exit codes."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import mimamo.demo
import mimamo.streaming
import mimamo.training
from mimamo import __version__
from mimamo.cli import main

SPEED = (
    r"[\d.]+ s, [\d.]+ frames/s; decode [\d.]+ %, detection [\d.]+ %, "
    r"ResNet50 \((float32|bfloat16)\) [\d.]+ %, phase [\d.]+ %, network [\d.]+ %, writing [\d.]+ %"
)


@pytest.fixture(scope="module")
def video(tmp_path_factory, film) -> Path:
    return film(tmp_path_factory.mktemp("video") / "face.mp4", ".xxx.")


@pytest.fixture
def predict(weights, tmp_path):
    """Runs `mimamo predict ... --weights W --out OUT` and returns its exit code."""

    def run(*arguments, **options):
        given = {"weights": weights, "out": tmp_path / "out"} | options
        pairs = [word for name, value in given.items() for word in (f"--{name}", value)]
        return main(["predict", *map(str, (*arguments, *pairs))])

    return run


def one_error(capsys) -> str:
    """The message of the one error line that was printed; nothing else may have been."""
    printed = capsys.readouterr()
    assert printed.out == ""
    match = re.fullmatch(r"mimamo: error: (.+)\n", printed.err)
    assert match, printed.err
    return match[1]


class TestPredict:
    def test_it_says_what_it_wrote(self, tmp_path, predict, video, capsys):
        assert predict(video) == 0
        printed = capsys.readouterr()
        table = tmp_path / "out" / "face.csv"
        said, speed, hint = printed.out.splitlines()
        assert said == f"{table}: face found in 3 of 5 frames"
        assert re.fullmatch(rf"face: 5 frames in {SPEED}", speed), speed
        assert "side by side" in hint
        assert printed.err == ""
        assert sorted(path.name for path in table.parent.iterdir()) == ["face.csv", "face.png"]

    @pytest.mark.parametrize("precision", ["float32", "bfloat16"])
    def test_it_says_in_which_precision(self, predict, video, capsys, precision):
        assert predict(video, "--precision", precision, "--search-every", 3) == 0
        assert f", ResNet50 ({precision}) " in capsys.readouterr().out

    def test_several_videos_are_summed_up(self, tmp_path, predict, video, film, capsys):
        assert predict(video, film(tmp_path / "other.mp4", "xx")) == 0
        lines = capsys.readouterr().out.splitlines()[2:]
        for line, start in zip(lines, ("face: 5", "other: 2", "all 2 videos: 7"), strict=False):
            assert re.fullmatch(rf"{start} frames in {SPEED}", line), line
        assert len(lines) == 4

    def test_options_choose_the_files(self, tmp_path, predict, video):
        assert predict(video, "--render", "--no-plot", "--batch-size", 2) == 0
        names = sorted(path.name for path in (tmp_path / "out").iterdir())
        assert names == ["face.csv", "face.mp4"]

    def test_a_second_run_says_what_it_replaces(self, tmp_path, predict, video, capsys):
        assert predict(video) == 0
        capsys.readouterr()
        assert predict(video) == 0
        table = tmp_path / "out" / "face.csv"
        assert capsys.readouterr().err == f"mimamo: warning: {table}: replaced\n"

    def test_a_failed_video_is_named_at_the_end_and_the_others_are_written(
        self, tmp_path, predict, video, capsys
    ):
        bad = tmp_path / "bad.mp4"
        bad.write_bytes(b"")
        assert predict(bad, video) == 1
        printed = capsys.readouterr()
        assert "face.csv: face found in 3 of 5" in printed.out
        assert printed.err == f"mimamo: error: {bad}: expected a video, but the file is empty\n"

    def test_a_folder_without_videos_is_named_at_the_end_and_the_others_are_written(
        self, tmp_path, predict, video, capsys
    ):
        empty = tmp_path / "empty"
        empty.mkdir()
        assert predict(empty, video) == 1
        printed = capsys.readouterr()
        assert "face.csv: face found in 3 of 5" in printed.out
        assert re.fullmatch(rf"mimamo: error: {re.escape(str(empty))}: .+\n", printed.err)

    def test_a_truncated_video_is_written_but_an_error(self, tmp_path, predict, video, capsys):
        cut, table = tmp_path / "cut.mp4", tmp_path / "out" / "cut.csv"
        cut.write_bytes(video.read_bytes() + b"\0\0\0\x20free")  # a box of 32 bytes has 8
        assert predict(cut) == 1
        printed = capsys.readouterr()
        assert printed.out.startswith(f"{table}: face found in 3 of 5 frames\ncut: 5 frames in ")
        assert printed.err == (
            f"mimamo: error: {cut}: truncated: 5 frames decoded; any after them are missing "
            f"from {table}\n"
        )
        assert sorted(path.name for path in table.parent.iterdir()) == ["cut.csv", "cut.png"]

    def test_a_video_without_a_face_is_a_warning(self, tmp_path, predict, film, capsys):
        video = film(tmp_path / "none.mp4", "..")
        assert predict(video) == 0
        expected = f"mimamo: warning: {video}: no face found; all predictions are -5\n"
        assert capsys.readouterr().err == expected

    def test_a_terminal_sees_progress_and_warnings(self, tmp_path, predict, film, monkeypatch):
        class Terminal(io.StringIO):
            def isatty(self):
                return True

        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "200")
        film(tmp_path / "[red]none.mp4", "..")
        assert predict(tmp_path / "[red]none.mp4") == 0
        shown = terminal.getvalue()
        assert "[red]none: predicting" in shown
        assert "no face found" in shown


class TestBadVideo:
    """Exit code 1, one line, no traceback."""

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (None, "No such file"),
            (b"", "empty"),
            (b"no film at all\n" * 9, "text"),
            (bytes(range(256)) * 9, "expected a video"),
        ],
        ids=["missing", "empty", "text", "noise"],
    )
    def test_what_is_no_video(self, tmp_path, predict, capsys, content, message):
        path = tmp_path / "clip.mp4"
        if content is not None:
            path.write_bytes(content)
        assert predict(path) == 1
        error = one_error(capsys)
        assert error.startswith(f"{path}: ")
        assert message in error

    def test_a_video_cut_short(self, tmp_path, predict, video, capsys):
        path = tmp_path / "cut.mp4"
        path.write_bytes(video.read_bytes()[:3000])
        assert predict(path) == 1
        assert one_error(capsys).startswith(f"{path}: ")

    def test_a_video_without_frames(self, tmp_path, predict, video, capsys):
        path = tmp_path / "none.mp4"
        path.write_bytes(video.read_bytes()[:32])  # only the file type
        assert predict(path) == 1
        assert one_error(capsys).startswith(f"{path}: ")

    def test_a_folder_without_videos(self, tmp_path, predict, capsys):
        path = tmp_path / "empty"
        path.mkdir()
        assert predict(path) == 1
        assert one_error(capsys).startswith(f"{path}: expected videos or aligned faces")


class TestUnusable:
    """Exit code 2, one line, no traceback, and nothing is written."""

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["predict"], "VIDEO"),
            (["predict", "a.mp4", "--out", "o"], "--weights"),
            (["predict", "a.mp4", "--weights", "w"], "--out"),
            (["predict", "a.mp4", "--weights", "w", "--out", "o", "--device", "tpu"], "tpu"),
            (["predict", "a.mp4", "--weights", "w", "--out", "o", "--batch-size", "0"], "batch"),
            (["predict", "a.mp4", "--weights", "w", "--out", "o", "--batch-size", "x"], "batch"),
            (["predict", "a.mp4", "--weights", "w", "--out", "o", "--colour"], "--colour"),
            (["predict", "a", "--weights", "w", "--out", "o", "--precision", "half"], "precision"),
            (["predict", "a", "--weights", "w", "--out", "o", "--search-every", "0"], "search"),
            (["paint"], "paint"),
            (["--colour"], "--colour"),
            (["extract", "data", "--out", "o"], "--backbone"),
            (["extract", "data", "--backbone", "small"], "--out"),
            (["train", "cache", "--out", "o", "--unwrap", "x"], "unwrap"),
            (["train", "cache", "--out", "o", "--epochs", "0"], "epochs"),
            (["train", "cache", "--out", "o", "--fold", "6/5"], "fold"),
            (
                ["train", "c", "--out", "o", "--small-backbone", "--finetune-backbone"],
                "exclude each other",
            ),
            (["crossval", "cache", "--out", "o", "--folds", "1"], "folds"),
            (["evaluate", "run"], "--cache"),
            (["evaluate", "--cache", "c"], "RUN"),
            (["submit", "run", "--cache", "c"], "--out"),
            (["synth"], "--out"),
            (["demo"], "--out"),
        ],
    )
    def test_arguments(self, tmp_path, monkeypatch, capsys, arguments, message):
        monkeypatch.chdir(tmp_path)
        assert main(arguments) == 2
        assert message in one_error(capsys)
        assert not list(tmp_path.iterdir())

    def test_cuda_without_cuda(self, predict, video, monkeypatch, capsys):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        assert predict(video, device="cuda") == 2
        assert "CUDA" in one_error(capsys)

    def test_weights(self, tmp_path, predict, video, capsys):
        other, text = tmp_path / "other.safetensors", tmp_path / "text.safetensors"
        save_file({"layer.weight": torch.zeros(3)}, other)
        text.write_text("weights?")
        for path in (tmp_path / "missing.safetensors", other, text, tmp_path, video):
            assert predict(video, weights=path) == 2
            assert str(path) in one_error(capsys)
        assert not (tmp_path / "out").exists()

    def test_detector(self, tmp_path, predict, video, capsys):
        for path in (tmp_path / "missing.onnx", video):
            assert predict(video, detector=path) == 2
            assert str(path) in one_error(capsys)

    def test_out(self, tmp_path, predict, video, capsys):
        (tmp_path / "file").write_text("in the way")
        for out in (tmp_path / "file", tmp_path / "file" / "deeper"):
            assert predict(video, out=out) == 2
            assert str(out) in one_error(capsys)
        assert (tmp_path / "file").read_text() == "in the way"

    def test_out_where_a_result_would_replace_something_else(
        self, tmp_path, predict, video, capsys
    ):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "face.csv").write_text("mine")
        assert predict(video) == 2
        assert "face.csv: exists" in one_error(capsys)
        assert predict(video, "--render", out=video.parent) == 2
        assert "is an input" in one_error(capsys)
        assert predict(video, "--overwrite") == 0

    def test_videos_of_one_name(self, tmp_path, predict, capsys):
        assert predict(tmp_path / "a.mp4", tmp_path / "a.avi") == 2
        assert "same name" in one_error(capsys)


class TestInterruption:
    def test_it_ends_with_130_and_no_traceback(self, tmp_path, predict, video, monkeypatch, capsys):
        def interrupted(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr(mimamo.streaming, "predict_clips", interrupted)
        assert predict(video) == 130
        assert capsys.readouterr() == ("", "mimamo: interrupted\n")
        assert not list((tmp_path / "out").iterdir())


class TestTrain:
    @pytest.fixture
    def called(self, monkeypatch):
        """What `mimamo.training.train` was called with."""
        given = {}

        def train(cache, out, **options):
            given.update(options, cache=cache, out=out)
            options["report"]("epoch 1")
            options["progress"]("training", 1, 2)

        monkeypatch.setattr(mimamo.training, "train", train)
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

    def test_without_options_the_recipe_holds(self, called):
        assert main(["train", "cache", "--out", "run"]) == 0
        assert called["config"] == mimamo.training.TrainingConfig()
        assert not called["resume"]

    def test_resuming_without_options_takes_the_runs_own_settings(self, called):
        assert main(["train", "cache", "--out", "run", "--resume"]) == 0
        assert (called["config"], called["resume"]) == (None, True)

    def test_a_file_of_settings_is_the_base(self, tmp_path, called):
        mimamo.training.TrainingConfig(epochs=9, patience=2).save(tmp_path / "config.toml")
        arguments = ["cache", "--out", "run", "--epochs", "4"]
        assert main(["train", *arguments, "--config", str(tmp_path / "config.toml")]) == 0
        assert (called["config"].epochs, called["config"].patience) == (4, 2)


class TestFromDataToSubmission:
    """The commands one after the other, on a small data set."""

    def test_all_of_them(self, tmp_path, learnable_copy, tiny_config, capsys):
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
        assert "annotated frames with a face" in run(
            "evaluate", tmp_path / "run", "--cache", cache, "--out", tmp_path / "evaluation"
        )
        folds = ["crossval", cache, "--out", tmp_path / "folds", "--folds", "2", *recipe]
        assert "still to be trained" in run(*folds, "--fold", "1")
        assert "out of fold" in run(*folds, "--fold", "2")
        assert "out of fold" in run(*folds[:4], "--folds", "2", "--join")
        printed = run("submit", tmp_path / "folds", "--cache", cache, "--out", tmp_path / "sent")
        assert "1 videos, 56 frames" in printed
        lines = (tmp_path / "sent" / "Validation_Set-2.txt").read_text().splitlines()
        assert (lines[0], len(lines)) == ("valence,arousal", 57)


class TestDemo:
    def test_it_runs_the_demo_and_prints_its_account(self, monkeypatch, capsys):
        given = {}

        def run_demo(out, **options):
            given.update(options, out=out)
            options["report"]("CCC 0.5")
            options["progress"]("rendering", 1, None)

        monkeypatch.setattr(mimamo.demo, "run_demo", run_demo)
        assert main(["demo", "--out", "here", "--seed", "3", "--device", "cpu"]) == 0
        assert capsys.readouterr() == ("CCC 0.5\n", "")
        assert (given["out"], given["seed"], given["device"]) == (Path("here"), 3, "cpu")


class TestHelp:
    def test_version(self, capsys):
        assert main(["--version"]) == 0
        assert capsys.readouterr().out == f"mimamo {__version__}\n"

    @pytest.mark.parametrize(
        "command",
        ["predict", "extract", "synth", "train", "crossval", "evaluate", "submit", "demo"],
    )
    def test_every_command_explains_itself(self, command, capsys):
        assert main([command, "--help"]) == 0
        assert "--out" in capsys.readouterr().out

    def test_without_a_command_the_help_is_shown(self, capsys):
        assert main([]) == 2
        printed = capsys.readouterr()
        assert "predict" in printed.out
        assert printed.err == ""

    def test_it_does_not_wait_for_torch(self):
        code = (
            "import sys; from mimamo.cli import main; code = main(['--help']);"
            "slow = {'torch', 'cv2', 'matplotlib', 'accelerate'};"
            "sys.exit(code or ' '.join(slow & set(sys.modules)) or 0)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


class TestProcess:
    """As a user runs it."""

    def run(self, *arguments, **options):
        command = [sys.executable, "-m", "mimamo", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, **options)

    def test_libraries_add_nothing_to_the_one_line(self, tmp_path, weights, video):
        path = tmp_path / "noise.mp4"
        noise = np.random.default_rng(0).integers(0, 256, 2000, np.uint8).tobytes()
        path.write_bytes(video.read_bytes()[:1000] + noise)
        done = self.run("predict", path, "--weights", weights, "--out", tmp_path / "out")
        assert (done.returncode, done.stdout) == (1, "")
        assert re.fullmatch(rf"mimamo: error: {re.escape(str(path))}: .+\n", done.stderr)

    def test_a_closed_pipe_is_no_traceback(self):
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run(
            [sys.executable, "-m", "mimamo", "--help"], stdout=writing, stderr=subprocess.PIPE
        )
        os.close(writing)
        assert b"Traceback" not in done.stderr
