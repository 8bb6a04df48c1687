"""The demo end to end, in small."""

from __future__ import annotations

import json
import math

import pytest
from support.predictions import read_predictions

from mimamo.data.affwild2 import AffWild2
from mimamo.demo.run import run_demo
from mimamo.errors import InputError
from mimamo.video import VideoReader


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The folder of a quick demo and the lines it reported."""
    out = tmp_path_factory.mktemp("demo") / "out"
    lines: list[str] = []
    result = run_demo(out, device="cpu", quick=True, report=lines.append)
    return result, lines


@pytest.mark.slow
def test_writes_everything(demo):
    result, lines = demo
    for name in (
        "run/best.safetensors",
        "run/config.toml",
        "video/astronaut.mp4",
        "predictions/astronaut.csv",
        "predictions/astronaut.png",
        "predictions/astronaut.mp4",
        "predictions/truth.png",
        "evaluation/evaluation.png",
    ):
        assert (result.out / name).stat().st_size > 0
        assert any(name.split("/")[0] in line for line in lines)


@pytest.mark.slow
def test_numbers_are_measured(demo):
    result, _ = demo
    summary = json.loads((result.out / "summary.json").read_text())
    for score in (summary["ccc_unseen_clips"], summary["ccc_video"]):
        assert score["count"] > 0
        for value in (score["valence"], score["arousal"]):
            assert math.isfinite(value)
            assert -1 <= value <= 1
    assert set(summary["seconds"]) == {"data", "training", "unseen clips", "video", "prediction"}


@pytest.mark.slow
def test_predicts_every_frame_of_the_video(demo):
    result, _ = demo
    predictions = read_predictions(result.out / "predictions" / "astronaut.csv")
    with VideoReader(result.out / "video" / "astronaut.mp4") as video:
        frames = sum(1 for _ in video)
    assert len(predictions) == frames
    assert predictions.found.any()


@pytest.mark.slow
def test_data_is_in_the_layout_of_affwild2(demo):
    result, _ = demo
    assert AffWild2(result.out / "data").root.is_dir()


@pytest.mark.slow
def test_says_what_the_weights_are_worth(demo):
    text = "\n".join(demo[1])
    assert "nothing else" in text
    assert "mimamo train" in text
    assert "model_weights.pth.tar" in text


def test_refuses_a_folder_of_something_else(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match=str(tmp_path)):
        run_demo(tmp_path, quick=True, report=lambda line: None)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


@pytest.mark.slow
def test_replaces_an_earlier_demo_and_says_so(demo, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "README.txt").write_bytes((demo[0].out / "README.txt").read_bytes())
    lines: list[str] = []

    def stop(line: str) -> None:
        lines.append(line)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_demo(out, quick=True, report=stop)
    assert "replaced" in lines[0]
