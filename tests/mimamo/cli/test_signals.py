"""A signal that asks a command to end: its status, one line, and what was done so far."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

import mimamo
from mimamo import signals
from mimamo.cli.live import _LiveRun
from mimamo.signals import Ended
from mimamo.video import VideoFrame
from mimamo.video.camera import Camera
from mimamo.video.container import FilmFile

ROOT = Path(mimamo.__file__).parents[1]
PROJECT = Path(__file__).parents[3] / "pyproject.toml"


# Tells of each signal once it is handled (before, a second could be handled within the first); all
# are one wish, however slow the machine is.
TELLING = """
import os
from mimamo import signals
from mimamo.__main__ import script
signals._SAME, handle = 600, signals._Ending.__call__
def tell(self, number, frame):
    try:
        handle(self, number, frame)
    finally:
        os.write(1, b".")
signals._Ending.__call__ = tell
script()
"""
# Tells of each frame, and goes no further than some.
TELLING_FRAMES = """
import os, time
from mimamo.__main__ import script
from mimamo.predict.live import LiveSpeed
count = LiveSpeed.add
def tell(self, prediction):
    os.write(1, b".")
    count(self, prediction)
    if self.frames == 100:
        time.sleep(600)
LiveSpeed.add = tell
script()
"""


def start(*words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def run_code(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


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
    process = start("-c", TELLING, "synth", "--out", tmp_path / "data", "--takes", 50)
    end = time.monotonic() + 300
    while not list(tmp_path.rglob("*.jpg")):
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
    told = []
    for name in sent:  # of those that wait together Python would take the lowest number first
        process.send_signal(signal.Signals[name])
        told.append(process.stdout.read(1))
    assert told[0] == "."
    assert set(told[1:]) <= {".", ""}  # it may have ended before a later one
    out, error = process.communicate(timeout=300)
    assert (process.returncode, out, error) == (status, "", f"mimamo: ended by {sent[0]}\n")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "status"), [("SIGINT", 0), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_live_keeps_its_table(
    tmp_path: Path, small_weights: Path, film, name: str, status: int
) -> None:
    video = film(tmp_path / "face.mp4", "." * 150)
    table = tmp_path / "out" / "live.csv"
    table.parent.mkdir()
    words = ("live", video, "--weights", small_weights, "--headless", "--out", table)
    process = start("-c", TELLING_FRAMES, *words)
    assert process.stdout.read(3) == "..."
    process.send_signal(signal.Signals[name])
    _, error = process.communicate(timeout=300)
    assert process.returncode == status
    assert "Traceback" not in error
    assert 1 < len(table.read_text().splitlines()) < 151
    assert list(table.parent.iterdir()) == [table]


def test_one_during_an_import_waits_for_its_end(tmp_path: Path) -> None:
    """Libraries swallow exceptions there, or go on with half a module."""
    (tmp_path / "swallowing.py").write_text(
        "import sys\n"
        "try:\n"
        "    print('importing', flush=True)\n"
        "    sys.stdin.readline()\n"
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
        "    time.sleep(60)\n"
        "except Ended as ended:\n"
        "    print(ended)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout.readline() == "importing\n"
        run.send_signal(signal.SIGTERM)
        assert run.communicate("go on\n", timeout=300)[0] == "SIGTERM\n"


@pytest.mark.parametrize(
    "code",
    [
        "import av, types\n"
        "class File:\n"
        "    def seek(self, offset, whence, *, signals_wait=True): return kill()\n"
        "    def read(self, size): return b''\n"
        "    def tell(self): return 0\n"
        "try: av.open(File(), format='mp4')\n"
        "except av.FFmpegError: pass\n",
        "class Last:\n    def __del__(self): kill()\nLast()\n",
        "import weakref\n"
        "class Data(set):\n"
        "    def discard(self, item): kill()\n"
        "known = weakref.WeakSet([one_of := type('One', (), {})()])\n"
        "known.data = Data(known.data)\n"
        "del one_of\n",
        "try: exec('kill()', {'kill': kill, '__name__': 'pydantic.main'})\n"
        "except BaseException: pass\n",  # as its Rust does, between calls that check for signals
    ],
    ids=["FFmpeg", "finaliser", "weak set", "Rust"],
)
def test_one_where_exceptions_are_swallowed_waits(code: str) -> None:
    """It was lost, and the command went on to its end."""
    before = (
        "import os, signal, time\n"
        "from mimamo.signals import Ended, end_well\n"
        "end_well()\n"
        "def kill():\n"
        "    print('killed')\n"
        "    os.kill(os.getpid(), signal.SIGHUP)\n"
        "    return 0\n"
        "try:\n"
    )
    after = "    time.sleep(60)\nexcept Ended as ended:\n    print(ended)\n"
    code = before + "".join(f"    {line}\n" for line in code.splitlines()) + after
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert (run.stdout.replace("killed\n", ""), run.stderr) == ("SIGHUP\n", "")


def test_one_between_two_steps_of_a_lock() -> None:
    """Leaving a lock that was unlocked was a traceback, and status 1."""
    code = (
        "import os, signal, sys, threading\n"
        "from mimamo import __main__, cli\n"
        "changed = threading.Condition(threading.Lock())\n"
        "def unlock():\n"
        "    changed.release()\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "def wait():\n"
        "    changed._release_save = unlock\n"
        "    with changed:\n"
        "        changed.wait()\n"
        "cli.main = wait\n"
        "sys.exit(__main__.main())\n"
    )
    run = run_code(code)
    assert (run.returncode, run.stderr) == (143, "mimamo: ended by SIGTERM\n")


@pytest.mark.parametrize(("step", "status"), [("end_well", 143), ("_Ending.forget", 0)])
def test_one_in_the_first_step_or_the_last(step: str, status: int) -> None:
    """It was a traceback, and status 1."""
    code = (
        "import os, signal, sys\n"
        "from mimamo import __main__, signals\n"
        "sent = []\n"
        "def kill(frame, event, _):\n"
        f"    inside = signals.{step}.__code__ in (frame.f_code, (frame.f_back or frame).f_code)\n"
        "    if inside and signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL and not sent:\n"
        "        sent.append(os.kill(os.getpid(), signal.SIGTERM))\n"
        "sys.argv = ['mimamo', '--version']\n"
        "sys.settrace(kill)\n"
        "status = __main__.main()\n"
        "sys.exit(status if sent else 'not sent')\n"
    )
    run = run_code(code)
    said = "mimamo: ended by SIGTERM\n" if status else ""
    assert (run.returncode, run.stderr) == (status, said)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, None])
def test_live_ends_as_well_between_two_steps_of_a_lock(number: int | None) -> None:
    class Predictor:
        features_every = 1
        finish = list

        def push(self, *_: object) -> None:
            try:
                if number is not None:
                    raise Ended(number)
            finally:
                raise RuntimeError("release unlocked lock")

    run = _LiveRun([VideoFrame(0, 0.0, np.zeros(0))], Predictor(), None, None)
    if number is None:
        with pytest.raises(RuntimeError):
            run.until_ended(None)
    else:
        ended = run.until_ended(None)
        assert ended is None if number == signal.SIGINT else ended.number == number


def test_what_ffmpeg_calls_says_so() -> None:
    file = FilmFile(io.BytesIO())
    functions = [x for x in (file.seek, file.read, file.tell, file.write) if hasattr(x, "__code__")]
    assert functions
    for function in functions:
        assert "signals_wait" in function.__code__.co_varnames


SLOW = """
import sys
print("importing", flush=True)
sys.stdin.readline()
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
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
    ) as run:
        assert run.stdout.readline() == "importing\n"
        run.send_signal(signal.Signals[name])
        out, error = run.communicate("go on\n", timeout=300)
    assert (run.returncode, out, error) == (status, "", f"mimamo: ended by {name}\n")


def test_one_that_waits_does_not_kill_a_command_that_is_done(tmp_path: Path) -> None:
    """Its timer outlived Python's handlers: "Alarm clock", status 142."""
    (tmp_path / "quick.py").write_text(
        "import os, signal, __main__\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "for _ in range(9): pass\n"
        "__main__.ending.forget()\n"  # here, where it still waits however slow the machine is
    )
    code = (
        "import sys, time\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "from mimamo.signals import end_well\n"
        "ending = end_well()\n"
        "import quick\n"
        "time.sleep(0.1)\n"
    )
    assert run_code(code).returncode == 0


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


def test_one_after_the_command_ends_the_process_where_it_is() -> None:
    """An exception in what Python calls at its end was a traceback, and skipped the rest of it."""
    code = (
        "import atexit, os, signal, sys\n"
        "from mimamo.__main__ import main\n"
        "sys.argv = ['mimamo', '--version']\n"
        "main()\n"
        "atexit.register(print, 'the rest')\n"
        "atexit.register(os.kill, os.getpid(), signal.SIGHUP)\n"
    )
    run = run_code(code)
    assert (run.returncode, run.stderr) == (129, "")
    assert "the rest" not in run.stdout


def test_the_process_ends_with_the_command() -> None:
    """Taking the libraries apart took it a second, in which a signal killed."""
    code = (
        "import atexit, sys\n"
        "atexit.register(print, 'taken apart')\n"
        "from mimamo.__main__ import script\n"
        "sys.argv = ['mimamo', '--nonsense']\n"
        "script()\n"
        "print('not flushed', end='')\n"
    )
    run = run_code(code)
    assert (run.returncode, run.stdout) == (2, "not flushed")


@pytest.mark.parametrize("closed", ["1", "2"])
def test_one_without_a_stream(closed: str) -> None:
    """A line printed to none was a traceback."""
    command = f'"{sys.executable}" -m mimamo --version {closed}>&-'
    run = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout == ("" if closed == "1" else f"mimamo {mimamo.__version__}\n")
