"""What cannot be used: exit code 2, one line, and nothing is written."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from mimamo.cli import main


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
    def test_arguments(self, tmp_path, monkeypatch, one_error, arguments, message):
        monkeypatch.chdir(tmp_path)
        assert main(arguments) == 2
        assert message in one_error()
        assert not list(tmp_path.iterdir())

    def test_cuda_without_cuda(self, predict, video, monkeypatch, one_error):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        assert predict(video, device="cuda") == 2
        assert "CUDA" in one_error()

    def test_weights(self, tmp_path, predict, video, one_error):
        other, text = tmp_path / "other.safetensors", tmp_path / "text.safetensors"
        save_file({"layer.weight": torch.zeros(3)}, other)
        text.write_text("weights?")
        for path in (tmp_path / "missing.safetensors", other, text, tmp_path, video):
            assert predict(video, weights=path) == 2
            assert str(path) in one_error()
        assert not (tmp_path / "out").exists()

    def test_detector(self, tmp_path, predict, video, one_error):
        for path in (tmp_path / "missing.onnx", video):
            assert predict(video, detector=path) == 2
            assert str(path) in one_error()

    def test_out(self, tmp_path, predict, video, one_error):
        (tmp_path / "file").write_text("in the way")
        for out in (tmp_path / "file", tmp_path / "file" / "deeper"):
            assert predict(video, out=out) == 2
            assert str(out) in one_error()
        assert (tmp_path / "file").read_text() == "in the way"

    def test_out_where_a_result_would_replace_something_else(
        self, tmp_path, predict, video, one_error
    ):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "face.csv").write_text("mine")
        assert predict(video) == 2
        assert "face.csv: exists" in one_error()
        assert predict(video, "--render", out=video.parent) == 2
        assert "is an input" in one_error()
        assert predict(video, "--overwrite") == 0

    def test_names_that_differ_in_case_alone(self, tmp_path, predict, one_error):
        assert predict(tmp_path / "a.mp4", tmp_path / "A.mp4") == 2
        assert "expected a name unlike that of" in one_error()
