"""`python -m benchmarks` from end to end, in small."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.results import Result
from benchmarks.rows import Row
from benchmarks.suites import Settings
from benchmarks.suites.comparison import measure
from benchmarks.suites.pyramid import Shape, _Shape
from mimamo.data.clips import clip_starts

ROOT = Path(__file__).parents[2]
PHASE_OUTPUT = 8 * 24 * (48**2 + 24**2) * 4  # bytes


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", "--quick", "--threads", "1"]
    return subprocess.run(
        [*command, *map(str, arguments)],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True,
    )  # fmt: skip


@pytest.fixture(scope="session")
def pyramid(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("pyramid") / "pyramid.json"
    done = run("--suite", "pyramid", "--out", out)
    assert done.returncode == 0, done.stderr
    assert "pyramid/96/forward/plenoptic" in done.stdout
    return out


@pytest.mark.slow
def test_phase(tmp_path):
    done = run("--suite", "phase", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.rglob("*.json")
    result = Result.load_from(path)
    assert path.relative_to(tmp_path) == result.path
    rows = {row.id: row for row in result.rows}
    for mode in ("published", "full"):
        for peer in ("reference", "strong", "matmul"):
            row = rows[f"phase/{mode}/{peer}"]
            assert row.ratio > 0
            assert max(row.ours.error, row.peer.error) < 5e-5
        assert rows[f"phase/{mode}/length"].ours.error < 5e-5
        assert "threads" in rows[f"phase/{mode}/threads"].gap
    assert rows["phase/published/float64"].ours.error < 1e-11
    assert 0 < result.inputs["wrap_share"]["all"] < 0.1
    if memory := rows["phase/memory/output"].peer:
        assert memory.median == PHASE_OUTPUT


@pytest.mark.slow
def test_pyramid(pyramid):
    rows = {row.id: row for row in Result.load_from(pyramid).rows}
    assert rows["pyramid/96/forward/ffts"].kind == "cost"
    for row in rows.values():
        if row.ours:
            assert row.ours.error < 1e-6


def measured(suite: str, folder: Path) -> dict[str, Row]:
    done = run("--suite", suite, "--out", folder / "result.json")
    assert done.returncode == 0, done.stderr
    rows = {row.id: row for row in Result.load_from(folder / "result.json").rows}
    stages = [row.ratio for row in rows.values() if "/stage/" in row.id]
    assert len(stages) == 6
    assert sum(stages) > 0.3  # they may overlap, and on a busy machine each of them waits
    return rows


@pytest.mark.slow
def test_train(tmp_path):
    assert 0 < measured("train", tmp_path)["train/stage/loading"].ratio < 1


@pytest.mark.slow
def test_predict(tmp_path):
    rows = measured("predict", tmp_path)
    assert 0 < rows["predict/stage/phase"].ratio < 1
    assert rows["predict/stage/phase"].target == 0.03
    for peer in ("plain", "before"):
        assert rows[f"predict/ours/{peer}"].target == 2.5
        assert rows[f"predict/often/{peer}"].target is None
    assert rows["predict/float32/plain"].ours.error < 1e-4
    assert rows["predict/ours/plain"].ours.error < 0.05
    for name in ("pyav", "reading", "reading/decoding", "reading/threads-2", "reading/threads-4"):
        assert rows[f"predict/{name}"].ratio > 0
        assert "frames/s" in rows[f"predict/{name}"].note
    assert rows["predict/pyav"].ours.error < 0.05
    cosine = rows["predict/bfloat16"]
    assert 0.99 < cosine.ratio < 1  # a few faces of 64 pixels are too few to calibrate on
    assert cosine.target == 0.999
    assert 0 < cosine.ours.error < 0.2


@pytest.mark.slow
def test_epoch(tmp_path):
    """In small: on a GPU the same code trains on a cache of Aff-Wild2's size."""
    done = run("--suite", "epoch", "--out", tmp_path / "result.json")
    assert done.returncode == 0, done.stderr
    result = Result.load_from(tmp_path / "result.json")
    rows = {row.id: row for row in result.rows}
    epoch, loader = rows["epoch/two_minutes"], rows["epoch/published_loader"]
    assert epoch.ours.median == loader.ours.median > 0
    assert epoch.ratio == pytest.approx(epoch.ours.median / 120)
    assert loader.ratio == pytest.approx(loader.peer.median / loader.ours.median)
    assert result.inputs["frames"] == 1_930_000
    assert result.inputs["clips of an epoch"] == len(clip_starts(1_930_000, 64, 32))


BROKEN = {
    "raise RuntimeError('numba is too old')": "fails with RuntimeError: numba is too old",
    "class process: pass": "fails with AttributeError",
    """
class process:
    class SteerablePyramidFreq:
        def __init__(self, *args, **options): pass
        def to(self, device): return self
        def __call__(self, images): raise ValueError("another interface")
""": "fails with ValueError: another interface",
}


@pytest.mark.parametrize(("source", "gap"), BROKEN.items(), ids=["import", "interface", "call"])
def test_a_broken_peer_is_a_gap(tmp_path, monkeypatch, source, gap):
    monkeypatch.setitem(sys.modules, "plenoptic", None)
    (tmp_path / "plenoptic.py").write_text(source)
    monkeypatch.delitem(sys.modules, "plenoptic")
    monkeypatch.syspath_prepend(tmp_path)
    settings = Settings(quick=True, threads=1)
    tasks = _Shape(settings, Shape(1, 32, 4, 2)).tasks()[:3]
    rows = {task.row["id"]: measure(task, settings) for task in tasks}
    assert gap in rows["pyramid/32/forward/plenoptic"].gap
    assert gap in rows["pyramid/32/inverse/plenoptic"].gap
    assert rows["pyramid/32/forward/ffts"].ratio > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("factor", "status", "same_machine"), [(1000.0, 0, True), (0.001, 1, True), (0.001, 1, False)]
)
@pytest.mark.slow
def test_comparing(pyramid, tmp_path, factor, status, same_machine):
    """Against a result a thousand times slower nothing is worse; against a faster one all is."""
    data = json.loads(pyramid.read_text())
    if not same_machine:  # then the ratios are compared
        data["machine"]["memory_gib"] += 1.0
    for row in data["rows"]:
        if row["ours"]:
            row["ours"]["median"] *= factor
        if row["ratio"]:
            row["ratio"] *= factor if row["kind"] == "cost" else 1 / factor
            row["reached"] = None if row["target"] is None else _reached(row)
    (tmp_path / "old.json").write_text(json.dumps(data))
    done = run("--suite", "pyramid", "--compare", tmp_path / "old.json", "--threshold", "50")
    assert done.returncode == status, done.stderr + done.stdout
    told = "our time" if same_machine else "the ratio within the run, on another machine,"
    assert (f"{told} " in done.stderr) == bool(status)


def _reached(row: dict) -> bool:
    better = row["ratio"] >= row["target"]
    return better if row["kind"] == "speedup" else row["ratio"] <= row["target"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--suite", "train", "--compare", "missing.json"], "missing.json"),
        (["--suite", "all", "--out", "one.json"], "one.json: expected a folder"),
        (["--suite", "predict", "--video", "missing.mp4"], "missing.mp4"),
        (["--suite", "phase", "--out", "/dev/null/folder"], "/dev/null"),
        (["--suite", "phase", "--threshold", "0"], "threshold: expected more than 0"),
    ],
)
def test_bad_arguments(capsys, arguments, message):
    assert main(["--quick", "--threads", "1", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_a_result_of_another_suite_cannot_be_compared(pyramid, capsys):
    assert main(["--quick", "--suite", "train", "--compare", str(pyramid)]) == 2
    assert "suite pyramid" in capsys.readouterr().err
