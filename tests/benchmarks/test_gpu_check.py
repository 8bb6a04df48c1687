"""`make gpu-check` where there is no GPU: what it says, and its parts that a CPU can run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import phasenet
from benchmarks import device_timing, gpu_check
from benchmarks.gpu_check import Step
from benchmarks.results import Result
from benchmarks.timing import Budget

ROOT = Path(__file__).parents[2]
without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")


@without_gpu
def test_without_a_gpu_it_says_so_and_is_content(tmp_path):
    done = subprocess.run(
        ["make", "gpu-check", f"PYTHON={sys.executable}", f"OUT={tmp_path / 'out'}"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "nothing to check" in done.stdout
    assert not (tmp_path / "out").exists()


def test_the_steps_of_a_gpu(tmp_path):
    steps = {step.name: step for step in gpu_check.steps(tmp_path, "cuda", "9.0")}
    assert list(steps) == ["build", "tests", "memcheck", "racecheck", "initcheck", "cuda", "epoch"]
    assert steps["build"].environment == {"PHASENET_CUDA": "1", "TORCH_CUDA_ARCH_LIST": "9.0"}
    assert "--quick" not in steps["cuda"].command
    for tool in gpu_check.SANITIZERS:
        assert tool in steps[tool].command
        assert "tests.gpu.small_case" in steps[tool].command
    words = " ".join(word for step in steps.values() for word in step.command)
    assert "pip" not in words
    assert "sudo" not in words


def test_on_the_cpu_the_suites_run_in_small(tmp_path):
    status = gpu_check.main(
        ["--device", "cpu", "--out", str(tmp_path), "--only", "memcheck", "cuda"]
    )
    assert status == 0, (tmp_path / "cuda.log").read_text()
    summary = json.loads((tmp_path / "summary.json").read_text())
    found = {step["name"]: step for step in summary["steps"]}
    assert found["memcheck"]["status"] == "skipped"
    assert found["memcheck"]["reason"] == "it needs a GPU"
    assert found["cuda"]["status"] == "passed"
    (path,) = (tmp_path / phasenet.__version__).glob("cuda--*.json")
    result = Result.load_from(path)
    rows = {row.id: row for row in result.rows}
    for mode in ("reference", "full"):
        for peer in ("write", "reference", "strong"):
            row = rows[f"cuda/windows/{mode}/{peer}"]
            assert row.ratio > 0
            assert row.ours.error < 1e-4
        assert rows[f"cuda/windows/{mode}/latency"].gap == "a CUDA graph needs a GPU"
    assert rows["cuda/pyramid/64/launched"].ours.error < 1e-6
    assert rows["cuda/pyramid/64/ffts"].target == 1.3
    assert result.inputs["copy bandwidth, bytes read and written per second"] > 0


def test_an_unknown_step_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        gpu_check.main(["--out", str(tmp_path), "--only", "all"])
    assert "--only: expected some of build, tests" in capsys.readouterr().err


def test_a_step_that_fails_or_hangs_is_told(tmp_path):
    python = [sys.executable, "-c"]
    failing = Step("failing", [*python, "print('why'); raise SystemExit(3)"], 60)
    outcome = gpu_check.run(failing, tmp_path, 60)
    assert (outcome.status, outcome.reason) == ("failed", "status 3")
    assert (tmp_path / "failing.log").read_text() == "why\n"
    hanging = Step("hanging", [*python, "import time; time.sleep(60)"], 1)
    assert gpu_check.run(hanging, tmp_path, 60).status == "timed out"
    assert gpu_check.run(hanging, tmp_path, 0).reason == "no time was left for it"
    nowhere = Step("nowhere", ["/no/such/program"], 5)
    assert "/no/such/program" in gpu_check.run(nowhere, tmp_path, 60).reason


def test_a_failing_build_ends_it(tmp_path, monkeypatch):
    steps = [Step("build", [sys.executable, "-c", "raise SystemExit(1)"], 60), Step("tests", [], 1)]
    monkeypatch.setattr(gpu_check, "steps", lambda *arguments: steps)
    assert not gpu_check.check(tmp_path, "cpu", [], None)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert [step["status"] for step in summary["steps"]] == ["failed"]


def test_inputs_rotate_past_the_cache():
    inputs = device_timing.rotated(torch.zeros(1 << 18), "cpu")  # a megabyte each
    pointers = {next(inputs).data_ptr() for _ in range(100)}
    assert len(pointers) == device_timing.CACHES * device_timing.CPU_CACHE >> 20


@pytest.mark.parametrize("flushed", [False, True])
def test_every_call_is_counted(flushed):
    calls = []
    samples = device_timing.alternate(
        {"a": lambda: calls.append(1)}, Budget(3, 0.001), "cpu", flushed
    )
    sample = samples["a"]
    assert len(sample.rounds) == 3
    assert sample.runs <= len(calls)
    assert sample.median > 0
