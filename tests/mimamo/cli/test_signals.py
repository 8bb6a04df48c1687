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
import pytest

import mimamo
from mimamo import signals
from mimamo.video.camera import Camera
from mimamo.video.container import FilmFile

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


def run_code(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


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
    ],
    ids=["FFmpeg", "finaliser", "weak set"],
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
    after = "    time.sleep(10)\nexcept Ended as ended:\n    print(ended)\n"
    code = before + "".join(f"    {line}\n" for line in code.splitlines()) + after
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (run.stdout.replace("killed\n", ""), run.stderr) == ("SIGHUP\n", "")


def test_what_ffmpeg_calls_says_so() -> None:
    file = FilmFile(io.BytesIO())
    functions = [x for x in (file.seek, file.read, file.tell, file.write) if hasattr(x, "__code__")]
    assert functions
    for function in functions:
        assert "signals_wait" in function.__code__.co_varnames


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
