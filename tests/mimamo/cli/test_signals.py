"""A signal that asks a command to end: its status, one line, and what was done so far."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import pytest

from mimamo import signals
from mimamo.video.camera import Camera


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
    process = start("synth", "--out", tmp_path / "data", "--takes", 50)
    wait_for(tmp_path, "*.jpg")
    for name in sent:
        process.send_signal(signal.Signals[name])
        time.sleep(0.01)
    out, error = process.communicate(timeout=60)
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
