"""A signal that asks a command to end: its status, one line, and what was done so far."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import pytest

import mimamo
from mimamo import signals
from mimamo.video.camera import Camera

ROOT = Path(mimamo.__file__).parents[1]
PROJECT = Path(__file__).parents[3] / "pyproject.toml"


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "mimamo", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def wait_for(folder: Path, pattern: str) -> None:
    end = time.monotonic() + 100
    while not list(folder.rglob(pattern)):
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (["SIGINT"], 130),
        (["SIGTERM"], 143),
        (["SIGHUP"], 129),
        (["SIGINT", "SIGINT"], 130),
        (["SIGTERM", "SIGINT", "SIGHUP"], 143),
    ],
)
def test_a_command_ends_with_its_status_and_one_line(
    tmp_path: Path, sent: list[str], status: int
) -> None:
    for number in range(10):
        process = start("synth", "--out", tmp_path / f"data{number}", "--takes", 50)
        wait_for(tmp_path, "*.jpg")
        begin = time.monotonic()
        for name in sent:
            process.send_signal(signal.Signals[name])
            time.sleep(0.01)
        quick = time.monotonic() - begin < 0.5  # later ones would end it at once
        out, error = process.communicate(timeout=60)
        if quick:
            break
    assert quick
    assert (process.returncode, out, error) == (status, "", f"mimamo: ended by {sent[0]}\n")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "status"), [("SIGINT", 0), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_live_keeps_its_table(
    tmp_path: Path, small_weights: Path, film, name: str, status: int
) -> None:
    video = film(tmp_path / "face.mp4", "." * 1500)
    table = tmp_path / "out" / "live.csv"
    table.parent.mkdir()
    process = start("live", video, "--weights", small_weights, "--headless", "--out", table)
    wait_for(table.parent, ".live.*.csv")
    time.sleep(1)
    process.send_signal(signal.Signals[name])
    _, error = process.communicate(timeout=60)
    assert process.returncode == status
    assert "Traceback" not in error
    assert 1 < len(table.read_text().splitlines()) < 1501
    assert list(table.parent.iterdir()) == [table]


def test_one_during_an_import_waits_for_its_end(tmp_path: Path) -> None:
    """Libraries swallow exceptions there, or go on with half a module."""
    (tmp_path / "swallowing.py").write_text(
        "import time\n"
        "try:\n"
        "    print('importing', flush=True)\n"
        "    time.sleep(0.3)\n"
        "except BaseException as error:\n"
        "    print('swallowed', error)\n"
    )
    code = (
        "import sys, time\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "from mimamo.signals import Ended, end_well\n"
        "end_well()\n"
        "try:\n"
        "    import swallowing\n"
        "    time.sleep(20)\n"
        "except Ended as ended:\n"
        "    print(ended)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout.readline() == "importing\n"
        run.send_signal(signal.SIGTERM)
        assert run.communicate(timeout=15)[0] == "SIGTERM\n"


SLOW = """
import sys, time
print("importing", flush=True)
time.sleep(0.2)
sys.path.remove({folder!r})
del sys.modules["typer"]
import typer
"""


@pytest.mark.parametrize(
    ("name", "status", "entry"),
    [("SIGINT", 130, "module"), ("SIGTERM", 143, "script"), ("SIGHUP", 129, "module")],
)
def test_one_while_the_command_is_imported(
    tmp_path: Path, name: str, status: int, entry: str
) -> None:
    """There it was a traceback, or had no word."""
    (tmp_path / "typer.py").write_text(SLOW.format(folder=str(tmp_path)))
    script = re.search(r'^mimamo = "(.+):(.+)"$', PROJECT.read_text(), re.MULTILINE)
    module, function = script.groups()
    code = f"import sys; from {module} import {function}; sys.exit({function}())"
    command = ["-m", "mimamo"] if entry == "module" else ["-c", code]
    with subprocess.Popen(
        [sys.executable, *command, "--version"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
    ) as run:
        assert run.stdout.readline() == "importing\n"
        run.send_signal(signal.Signals[name])
        out, error = run.communicate(timeout=60)
    assert (run.returncode, out, error) == (status, "", f"mimamo: ended by {name}\n")


def test_one_that_waits_does_not_kill_a_command_that_is_done(tmp_path: Path) -> None:
    """Its timer outlived Python's handlers: "Alarm clock", status 142."""
    (tmp_path / "quick.py").write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\nfor _ in range(9): pass\n"
    )
    code = (
        "import sys, time\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "from mimamo.signals import end_well\n"
        "ending = end_well()\n"
        "import quick\n"
        "ending.forget()\n"
        "time.sleep(0.1)\n"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_second_wish_ends_the_process_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as while a camera does not let go; a key that bounces is no second wish."""
    clock, left = [0.0], []
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(os, "_exit", left.append)
    ending = signals._Ending()
    with pytest.raises(signals.Ended) as ended:
        ending(signal.SIGINT, None)
    assert ended.value.status == 130
    clock[0] += 0.02
    ending(signal.SIGINT, None)
    assert left == []
    clock[0] += 1
    ending(signal.SIGTERM, None)
    assert left == [143]


@pytest.mark.timeout(60)
def test_a_camera_that_gives_no_frame_lets_go(monkeypatch: pytest.MonkeyPatch) -> None:
    stalled = threading.Event()

    class Stalled:
        def __init__(self, number: int) -> None: ...

        def isOpened(self) -> bool:
            return True

        def get(self, what: int) -> float:
            return 0.0

        def read(self) -> tuple[bool, None]:
            stalled.wait()
            return False, None

        def release(self) -> None:
            raise AssertionError("it is still being read")

    monkeypatch.setattr(cv2, "VideoCapture", Stalled)
    camera = Camera(0)
    camera._thread.start()
    camera.close()
    stalled.set()
