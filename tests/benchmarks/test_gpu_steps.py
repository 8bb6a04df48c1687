"""The steps of the GPU check, whatever becomes of them: their limits, and what is kept of them."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.held import Held

from benchmarks import gpu_check
from benchmarks.gpu import plan, runner
from benchmarks.gpu.plan import Step
from benchmarks.gpu.store import read as records

ROOT = Path(__file__).parents[2]
PYTHON = [sys.executable, "-c"]


def prints(*records: dict, then: str = "") -> list[str]:
    """A command that prints records."""
    return [*PYTHON, f"import json\nfor r in {records!r}: print(json.dumps(r), flush=True)\n{then}"]


def check(out: Path, *steps: Step, seconds: float = 600) -> tuple[bool, dict[str, dict]]:
    """Run it; whether all was well, and the records of the steps by name."""
    out.mkdir(exist_ok=True)
    good = gpu_check.check(steps, out, seconds)
    return good, {one["step"]: one for one in records(out) if one["record"] == "step"}


def late(monkeypatch: pytest.MonkeyPatch, by: Callable[[], float]) -> None:
    """Let a step's clock be late by so many seconds more whenever it is looked at."""
    total = [0.0]

    def clock() -> float:
        total[0] += by()
        return time.monotonic() + total[0]

    monkeypatch.setattr(runner, "monotonic", clock)


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


def test_a_step_ends_with_all_that_it_started(tmp_path, monkeypatch):
    """The child holds the pipe that is printed into, too."""
    held, waited = Held(tmp_path), []
    start = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-c', {held.code!r}], stderr=subprocess.PIPE)\n"
        "child.stderr.readline()\n"
    )

    def once_it_is_held() -> float:
        if waited or not held.is_held():
            return 0
        waited.append(True)
        return 1000

    late(monkeypatch, once_it_is_held)
    _, steps = check(
        tmp_path / "out",
        Step("hangs", prints({"record": "kept"}, then=f"{start}time.sleep(600)"), 0.5, 500),
        Step("leaves", [*PYTHON, start], 0.5, 500),
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
        seconds=400,
    )
    assert good
    assert steps["long"]["status"] == "skipped"
    assert "it needs 500 s" in steps["long"]["reason"]
    assert steps["short"]["status"] == "passed"


def test_no_step_takes_more_than_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_check, "monotonic", lambda: 0.0)  # however slow the machine is
    _, steps = check(
        tmp_path, Step("hangs", [*PYTHON, "import time; time.sleep(600)"], 1, 600),
        seconds=gpu_check.RESERVE + 1,
    )  # fmt: skip
    assert steps["hangs"]["status"] == "timed out"
    assert steps["hangs"]["reason"] == "after 1 s"


def test_a_full_disk_ends_nothing(tmp_path, capsys):
    (tmp_path / "records.jsonl").symlink_to("/dev/full")
    step = Step("well", prints({"record": "row-like", "n": 7}), 1, 60)
    assert not gpu_check.check([step], tmp_path, 60)
    told = capsys.readouterr().out
    assert "records.jsonl: No space left on device" in told
    assert '{"record": "row-like", "n": 7}' in told
    assert "passed    well" in (tmp_path / "summary.txt").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("when", ["it runs", "it was started"])
def test_stopped_from_outside_it_leaves_nothing_behind(tmp_path, when):
    held = Held(tmp_path)
    code = (
        "import signal, sys, time\nfrom pathlib import Path\nfrom benchmarks import gpu_check\n"
        "from benchmarks.gpu import runner\nfrom benchmarks.gpu.plan import Step\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
        f"if {when != 'it runs'}:\n"
        "    start = runner.Thread.start\n"
        "    runner.Thread.start = lambda self: (start(self), time.sleep(600))\n"
        f"step = Step('slow', {prints({'record': 'here'}, then=held.code)!r}, 1, 600)\n"
        f"gpu_check.check([step], Path({str(tmp_path)!r}), 600)"
    )
    process = subprocess.Popen([*PYTHON, code], cwd=ROOT, stdout=subprocess.DEVNULL)
    held.wait_until(True)
    while '"here"' not in (tmp_path / "records.jsonl").read_text():  # it is read what a step prints
        assert process.poll() is None
        time.sleep(0.02)
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
    ("how", "said"),
    [
        ("os.abort()", "status -6: measuring"),
        ("hangs.touch(); time.sleep(600)", "no answer in 60 s: measuring"),
    ],
)
def test_a_row_that_kills_its_process_or_hangs_is_lost_alone(tmp_path, monkeypatch, how, said):
    hangs = tmp_path / "hangs"
    late(monkeypatch, lambda: 100.0 * hangs.exists())
    begin = f"from pathlib import Path\nhangs = Path({str(hangs)!r})\nhangs.unlink(missing_ok=True)"
    command = [*PYTHON, begin + GOES_ON.replace("HOW", how)]
    good, steps = check(tmp_path, Step("own", command, 1, 1e6, patience=60), seconds=1e6)
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
