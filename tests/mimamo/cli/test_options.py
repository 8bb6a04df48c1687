"""Every option of every command reaches the function that does the work."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from support.networks import tiny_network
from typer.core import TyperOption

import mimamo
from mimamo.cli import app, main
from mimamo.model import save_checkpoint
from mimamo.train import TrainingConfig

WEIGHTS = ["--weights", "w", "--out", "o"]
#: The least that a command is called with, and the functions it calls.
COMMANDS = {
    "predict": (
        ["v", *WEIGHTS],
        ["predict.predict_many", "predict.given_weights.load_checkpoints", "faces.YuNet"],
    ),
    "live": (
        ["v", "--weights", "w"],
        ["predict.live.LivePredictor", "predict.given_weights.load_checkpoints"],
    ),
    "magnify": (
        ["v", "--out", "o", "--factor", "2", "--band", "1", "4"],
        ["magnify.magnify_film", "faces.YuNet"],
    ),
    "data": (["d"], ["extract.open_dataset"]),
    "extract": (["d", "--out", "o", "--backbone", "b"], ["extract.extract", "faces.YuNet"]),
    "synth": (["--out", "o"], ["demo.synth.ablation_set.write_ablation_set"]),
    "demo": (["--out", "o"], ["demo.run.run_demo"]),
    "train": (["c", "--out", "o"], ["train.train"]),
    "crossval": (["c", "--out", "o"], ["evaluate.crossval", "evaluate.join"]),
    "evaluate": (["r", "--cache", "c", "--out", "o"], ["evaluate.evaluate_runs"]),
    "submit": (["r", "--cache", "c", "--out", "o"], ["evaluate.submit"]),
    "check": (["c"], ["check.check_folder"]),
}
#: None of them is a default.
VALUES = [
    "17",
    "cuda",
    "bfloat16",
    "temporal",
    "full",
    "frames",
    "all",
    "Train_Set",
    "c.toml",
    "1/2",
    "refuse",
    "2022",
    "abaw",
    "-5",
    "interpolate",
    "iir",
    "3",
    "y=17",
    "arousal,valence",
    "w.safetensors",
    "1,2,3",
    "255",
    "bgr",
    "strong",
    "tcn",
    "adamw",
    "cosine",
    "0.25",
]
#: Options of what a command does itself: tests/mimamo/predict/test_live.py has them.
OWN = {("live", name) for name in ("--headless", "--out", "--frames", "--overwrite")}
TALK = {"progress", "report", "warn", "finish"}  # whom it is told


def options() -> list[tuple[str, str]]:
    """Every option that need not be given, by command."""
    return [
        (command, parameter.opts[0])
        for command in COMMANDS
        for parameter in typer.main.get_command(app).commands[command].params
        if isinstance(parameter, TyperOption) and not parameter.required
        if parameter.opts[0] not in COMMANDS[command][0] and (command, parameter.opts[0]) not in OWN
    ]


class Called(Exception):
    """Ends a command that would go on with what a function gave it."""


@pytest.fixture
def told(monkeypatch, tmp_path):
    """Runs a command; returns what its functions were called with."""
    monkeypatch.chdir(tmp_path)
    TrainingConfig(epochs=77).save(Path("c.toml"))
    save_checkpoint("w.safetensors", tiny_network())

    # What is imported later would keep what is put there for this test alone.
    for module in pkgutil.walk_packages(mimamo.__path__, "mimamo."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)

    def put(name: str, value: Any) -> None:
        module, _, function = f"mimamo.{name}".rpartition(".")
        # By name, as some are imported when they are asked for, and commands hide their modules.
        monkeypatch.setattr(importlib.import_module(module), function, value, raising=False)

    put("device.choose_device", lambda name: name)
    put("device.choose_precision", lambda name, device: name)
    put("device.slow_precision", lambda *_: None)
    put("faces.batched_centerface.centerface", lambda device: None)
    put("video.VideoReader", lambda source: SimpleNamespace(fps=30.0, close=lambda: None))
    put("predict.render.live.check_display", lambda: None)

    def run(command: str, *more: str) -> list[Any] | None:
        arguments, functions = COMMANDS[command]
        calls: list[Any] = []

        def record(name: str):
            def call(*positional: Any, **named: Any) -> str:
                kept = {key: value for key, value in named.items() if key not in TALK}
                calls.append((name, positional, kept))
                if name == functions[0]:
                    raise Called
                return f"from {name}"

            return call

        for name in functions:
            put(name, record(name))
        if "--join" in more:
            functions = functions[::-1]
        try:
            main([command, *arguments, *more])
        except Called:
            return calls
        return None

    return run


@pytest.mark.parametrize(("command", "name"), options())
def test_it_arrives(told, command, name):
    """With the first of `VALUES` that the option takes, or as a flag."""
    given = filter(None, (told(command, name, *value) for value in [[], *([x] for x in VALUES)]))
    assert repr(next(given)) != repr(told(command))


def test_all_commands_are_tried():
    assert set(COMMANDS) == set(typer.main.get_command(app).commands)
    assert len(options()) > 70
