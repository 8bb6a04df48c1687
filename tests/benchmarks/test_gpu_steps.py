"""The steps of the GPU check, whatever becomes of them: their limits, and what is kept of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.held import Held

from benchmarks import gpu_check
from benchmarks.gpu import plan
from benchmarks.gpu.plan import Step
from benchmarks.gpu.store import read as records

ROOT = Path(__file__).parents[2]
PYTHON = [sys.executable, "-c"]


def prints(*records: dict, then: str = "") -> list[str]:
    """A command that prints records."""
    return [*PYTHON, f"import json\nfor r in {records!r}: print(json.dumps(r), flush=True)\n{then}"]


def check(out: Path, *steps: Step, seconds: float = 60) -> tuple[bool, dict[str, dict]]:
    """Run it; whether all was well, and the records of the steps by name."""
    out.mkdir(exist_ok=True)
    good = gpu_check.check(steps, out, seconds)
    return good, {one["step"]: one for one in records(out) if one["record"] == "step"}


def test_a_step_that_fails_ends_no_other(tmp_path):
    one, two = {"record": "row-like", "n": 1}, {"record": "row-like", "n": 2}
    good, steps = check(
        tmp_path,
        Step("breaks", prints(one, then="raise SystemExit(3)"), 1, 60),
        Step("nowhere", ["/no/such/program"], 1, 60),
        Step("odd", [*PYTHON, "print('{not json'); print('{}'); print('[1]')"], 1, 60),
        Step("absent", [], 1, 60, missing="it needs a GPU"),
        Step("well", prints(two), 1, 60),
    )
    assert not good
    assert [step["status"] for step in steps.values()] == [
        "failed", "failed", "passed", "skipped", "passed",
    ]  # fmt: skip
    assert steps["breaks"]["reason"] == "status 3"
    assert "/no/such/program" in steps["nowhere"]["reason"]
    assert [record["n"] for record in records(tmp_path) if "n" in record] == [1, 2]
    told = (tmp_path / "summary.txt").read_text()
    assert "FAILED    breaks: status 3" in told
    assert "SKIPPED   absent: it needs a GPU" in told


@pytest.mark.slow
def test_a_step_ends_with_all_that_it_started(tmp_path):
    """The child holds the pipe that is printed into, too."""
    held = Held(tmp_path)
    start = (
        f"import subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', {held.code!r}])\n"
    )
    _, steps = check(
        tmp_path / "out",
        Step("hangs", prints({"record": "kept"}, then=f"{start}time.sleep(600)"), 0.5, 4),
        Step("leaves", [*PYTHON, f"{start}time.sleep(1)"], 0.5, 60),
        seconds=120,
    )
    assert steps["hangs"]["status"] == "timed out"
    assert steps["leaves"]["status"] == "passed"
    assert "kept" in {record["record"] for record in records(tmp_path / "out")}
    held.wait_until(False)


def test_what_no_longer_fits_is_skipped_and_the_rest_runs(tmp_path):
    good, steps = check(
        tmp_path,
        Step("long", prints({"record": "row-like"}), 500, 600),
        Step("short", prints({"record": "row-like"}), 1, 60),
        seconds=40,
    )
    assert good
    assert steps["long"]["status"] == "skipped"
    assert "it needs 500 s" in steps["long"]["reason"]
    assert steps["short"]["status"] == "passed"


def test_no_step_takes_more_than_is_left(tmp_path):
    _, steps = check(
        tmp_path, Step("hangs", [*PYTHON, "import time; time.sleep(600)"], 1, 600),
        seconds=gpu_check.RESERVE + 2,
    )  # fmt: skip
    assert steps["hangs"]["status"] == "timed out"
    assert steps["hangs"]["reason"] in ("after 1 s", "after 2 s")


def test_a_full_disk_ends_nothing(tmp_path, capsys):
    (tmp_path / "records.jsonl").symlink_to("/dev/full")
    step = Step("well", prints({"record": "row-like", "n": 7}), 1, 60)
    assert not gpu_check.check([step], tmp_path, 60)
    told = capsys.readouterr().out
    assert "records.jsonl: No space left on device" in told
    assert '{"record": "row-like", "n": 7}' in told
    assert "passed    well" in (tmp_path / "summary.txt").read_text()


@pytest.mark.slow
def test_stopped_from_outside_it_leaves_nothing_behind(tmp_path):
    held = Held(tmp_path)
    code = (
        "import signal, sys\nfrom pathlib import Path\nfrom benchmarks import gpu_check\n"
        "from benchmarks.gpu.plan import Step\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
        f"step = Step('slow', [sys.executable, '-c', {held.code!r}], 1, 600)\n"
        f"gpu_check.check([step], Path({str(tmp_path)!r}), 600)"
    )
    process = subprocess.Popen([*PYTHON, code], cwd=ROOT, stdout=subprocess.DEVNULL)
    held.wait_until(True)
    process.terminate()
    assert process.wait(timeout=300) == 143
    held.wait_until(False)


# Measures five things from `--start` on, of which `how` befalls the second and the fourth.
GOES_ON = """
import json, os, sys, time
start = int(sys.argv[sys.argv.index("--start") + 1]) if "--start" in sys.argv else 0
for n in range(start, 5):
    print(json.dumps({"record": "begun", "number": n}), flush=True)
    if n in (1, 3):
        print("measuring", n, flush=True)
        HOW
    print(json.dumps({"record": "row-like", "n": n}), flush=True)
print(json.dumps({"record": "end"}), flush=True)
"""


@pytest.mark.parametrize(
    ("how", "patience", "said"),
    [
        ("os.abort()", 60, "status -6: measuring"),
        pytest.param("time.sleep(600)", 4, "no answer in 4 s: measuring", marks=pytest.mark.slow),
    ],
)
def test_a_row_that_kills_its_process_or_hangs_is_lost_alone(tmp_path, how, patience, said):
    command = [*PYTHON, GOES_ON.replace("HOW", how)]
    good, steps = check(tmp_path, Step("own", command, 1, 100, patience=patience), seconds=120)
    assert not good
    assert [one["n"] for one in records(tmp_path) if "n" in one] == [0, 2, 4]
    lost = [one for one in records(tmp_path) if one["record"] == "lost"]
    assert [one["number"] for one in lost] == [1, 3]
    assert lost[1]["reason"] == f"{said} 3"
    assert steps["own"]["status"] == "failed"
    assert steps["own"]["reason"] == "2 lost, the rest is there"
    assert f"LOST      own: 1, 3; the first: {said} 1" in (tmp_path / "summary.txt").read_text()


@pytest.mark.parametrize("patience", [60, None])
def test_what_was_told_to_be_a_gap_is_not_lost(tmp_path, patience):
    """A process that gave up has said so; one that never began is not tried again."""
    gives_up = f"sys.exit({plan.GAVE_UP})"
    command = [*PYTHON, GOES_ON.replace("HOW", gives_up)]
    good, steps = check(
        tmp_path,
        Step("own", command, 1, 60, patience=patience),
        Step("never", [*PYTHON, "raise SystemExit('no torch')"], 1, 60, patience=patience),
    )
    assert not good
    assert [one["n"] for one in records(tmp_path) if "n" in one] == [0, 2, 4]
    assert "lost" not in {one["record"] for one in records(tmp_path)}
    assert steps["own"]["status"] == "passed"
    assert steps["never"]["reason"] == "status 1: no torch"


def test_a_process_that_dies_behind_the_last_is_not_begun_again(tmp_path):
    command = [*PYTHON, GOES_ON.replace("HOW", "pass") + "os.abort()"]
    good, steps = check(tmp_path, Step("own", command, 1, 60, patience=60))
    assert not good
    assert [one["n"] for one in records(tmp_path) if "n" in one] == [0, 1, 2, 3, 4]
    assert steps["own"]["reason"].startswith("status -6")
    assert "lost" not in {one["record"] for one in records(tmp_path)}
