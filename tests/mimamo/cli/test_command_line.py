"""The command line itself: help, and how it behaves as a process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mimamo.demo.run
import mimamo.predict.pipeline
import mimamo.train
from mimamo import __version__
from mimamo.cli import main


class TestDemo:
    def test_it_runs_the_demo_and_prints_its_account(self, monkeypatch, capsys):
        given = {}

        def run_demo(out, **options):
            given.update(options, out=out)
            options["report"]("CCC 0.5")
            options["progress"]("rendering", 1, None)

        monkeypatch.setattr(mimamo.demo.run, "run_demo", run_demo)
        assert main(["demo", "--out", "here", "--seed", "3", "--device", "cpu"]) == 0
        assert capsys.readouterr() == ("CCC 0.5\n", "")
        assert (given["out"], given["seed"], given["device"]) == (Path("here"), 3, "cpu")


class TestHelp:
    def test_version(self, capsys):
        assert main(["--version"]) == 0
        assert capsys.readouterr().out == f"mimamo {__version__}\n"

    @pytest.mark.parametrize(
        "command",
        ["predict", "extract", "synth", "train", "crossval", "evaluate", "submit", "demo"],
    )
    def test_every_command_explains_itself(self, command, capsys):
        assert main([command, "--help"]) == 0
        assert "--out" in capsys.readouterr().out

    def test_without_a_command_the_help_is_shown(self, capsys):
        assert main([]) == 2
        printed = capsys.readouterr()
        assert "predict" in printed.out
        assert printed.err == ""

    def test_it_does_not_wait_for_torch(self):
        code = (
            "import sys; from mimamo.cli import main; code = main(['--help']);"
            "slow = {'torch', 'cv2', 'matplotlib'};"
            "sys.exit(code or ' '.join(slow & set(sys.modules)) or 0)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


class TestProcess:
    """As a user runs it."""

    def run(self, *arguments, **options):
        command = [sys.executable, "-m", "mimamo", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, **options)

    @pytest.mark.slow
    def test_libraries_add_nothing_to_the_one_line(self, tmp_path, weights, video):
        path = tmp_path / "noise.mp4"
        noise = np.random.default_rng(0).integers(0, 256, 2000, np.uint8).tobytes()
        path.write_bytes(video.read_bytes()[:1000] + noise)
        done = self.run("predict", path, "--weights", weights, "--out", tmp_path / "out")
        assert (done.returncode, done.stdout) == (1, "")
        assert re.fullmatch(rf"mimamo: error: {re.escape(str(path))}: .+\n", done.stderr)

    def test_a_closed_pipe_is_no_traceback(self):
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run(
            [sys.executable, "-m", "mimamo", "--help"], stdout=writing, stderr=subprocess.PIPE
        )
        os.close(writing)
        assert b"Traceback" not in done.stderr
