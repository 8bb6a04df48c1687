"""Several processes that share the videos."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mimamo.model import load_checkpoint
from mimamo.predict import PredictSettings, predict_many
from mimamo.shards import Shard


@pytest.mark.parametrize("count", [2, pytest.param(6, marks=pytest.mark.slow)])
def test_each_video_is_predicted_by_one(weights, film, tmp_path: Path, count: int) -> None:
    """The longest first, each by whoever has least; as many processes as there are, or more."""
    videos = [film(tmp_path / f"{name}.mp4", name) for name in ("x", "xxxx", "xx", "xxx")]
    checkpoint, settings, done = load_checkpoint(weights), PredictSettings(plot=False), []
    for index in range(count):
        results = predict_many(
            videos, checkpoint, tmp_path / "out", settings, shard=Shard(index, count)
        )
        numbers = [videos.index(result.source) for result in results]
        assert numbers == sorted(numbers)
        done += numbers
    assert sorted(done) == [0, 1, 2, 3]
    assert len(list((tmp_path / "out").iterdir())) == 4


@pytest.mark.slow
def test_one_that_has_failed_does_not_end_the_others(weights, film, tmp_path: Path) -> None:
    """``torchrun`` ends all processes as soon as one has a status other than 0."""
    (tmp_path / "broken.mp4").write_bytes(bytes(1_000_000))  # the largest: the first one's
    videos = [tmp_path / "broken.mp4", film(tmp_path / "long.mp4", 150 * "x")]
    run = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
            *("--nproc-per-node", "2", "-m", "mimamo", "predict", *map(str, videos)),
            *("--weights", str(weights), "--out", str(tmp_path / "out"), "--no-plot"),
        ],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1
    assert "mimamo: error: " in run.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["long.csv"]
    assert "150 frames in " in run.stdout
