"""The examples run, and measure what they say."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import wave
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_example_is_tested():
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert names == {"phase_features", "vibration", "classify_motion"}


def test_phase_features_takes_20_lines(capsys):
    load("phase_features")
    assert "[2, 30]" in capsys.readouterr().out
    lines = (EXAMPLES / "phase_features.py").read_text().splitlines()
    assert len([line for line in lines[1:] if line]) <= 20


@pytest.mark.parametrize(("amplitude", "frequency"), [(0.2, 7.0), (0.05, 11.5), (1.0, 3.0)])
def test_vibration_measures_what_was_made(amplitude, frequency, tmp_path, capsys):
    vibration = load("vibration")
    video = str(tmp_path / "video.avi")
    vibration.make_video(video, amplitude, frequency, fps=60, length=120)
    sound = str(tmp_path / "sound.wav")
    measured = vibration.main(video, sound)
    assert measured[0] == pytest.approx(amplitude, abs=0.003 + 0.01 * amplitude)
    assert measured[1] == pytest.approx(frequency, abs=0.05)
    frames, fps = vibration.read_video(video)
    assert (frames.shape, fps) == ((120, 96, 128), 60)
    with wave.open(sound) as file:
        assert (file.getframerate(), file.getnframes()) == (60, 120)
        samples = np.frombuffer(file.readframes(120), np.int16)
    swing = np.sin(2 * np.pi * frequency * np.arange(120) / 60)
    assert abs(np.corrcoef(samples, swing)[0, 1]) > 0.999


@pytest.mark.slow
def test_vibration_as_a_program(tmp_path):
    program = [sys.executable, EXAMPLES / "vibration.py"]
    result = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "made:     0.200 pixels at 7.00 Hz" in result.stdout
    nothing = subprocess.run([*program, "none.mp4"], cwd=tmp_path, capture_output=True, text=True)
    assert nothing.returncode == 1
    assert "none.mp4: no frames could be read" in nothing.stderr


@pytest.mark.slow
def test_motion_is_classified(capsys):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed (extra: test)")
    accuracy = load("classify_motion").main()
    assert accuracy > 0.9
    assert "of 80 unseen clips right" in capsys.readouterr().out
