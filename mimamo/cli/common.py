"""What the commands share: options, exit codes, and how they print."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import typer

OK, FAILED, UNUSABLE, INTERRUPTED = 0, 1, 2, 130  # exit codes

Device = Annotated[
    Literal["auto", "cpu", "cuda"],
    typer.Option(help="Where the networks run; auto takes a GPU if there is one."),
]
Precision = Annotated[
    Literal["auto", "float32", "bfloat16"],
    typer.Option(help="Of the ResNet50; auto takes bfloat16 on a CPU that computes in it."),
]
Weights = Annotated[
    Path,
    typer.Option(
        metavar="FILE",
        show_default=False,
        help="A run or checkpoint of `mimamo train`, or the authors' model_weights.pth.tar.",
    ),
]
Backbone = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        show_default=False,
        help="ResNet50 weights (FER+, VGGFace2 or torchvision), if --weights holds none.",
    ),
]
DetectorFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", show_default=False, help="A YuNet ONNX file, instead of CenterFace."
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files in the way.")]
CacheFolder = Annotated[
    Path,
    typer.Argument(metavar="CACHE", show_default=False, help="A cache of `mimamo extract`."),
]
Videos = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", show_default=False, help="Folder of the videos, searched with its folders."
    ),
]


Command = Callable[..., Any]


def with_options(options: type) -> Callable[[Command], Command]:
    """Give a command the fields of the dataclass `options` as options of its own.

    They stand where the command has a parameter of that type, which it is called with.
    """
    hints = get_type_hints(options, include_extras=True)
    fields = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=field.default,
            annotation=hints[field.name],
        )
        for field in dataclasses.fields(options)
    ]

    def decorate(command: Command) -> Command:
        signature = inspect.signature(command, eval_str=True)
        (place,) = (p.name for p in signature.parameters.values() if p.annotation is options)
        parameters: list[inspect.Parameter] = []
        for name, parameter in signature.parameters.items():
            parameters += fields if name == place else [parameter]

        def call(**values: Any) -> Any:
            given = options(**{field.name: values.pop(field.name) for field in fields})
            return command(**values, **{place: given})

        wrapped: Any = functools.wraps(command)(call)
        wrapped.__signature__ = signature.replace(parameters=parameters)
        return wrapped

    return decorate


class ProgressBar:
    """A line on stderr, where that is a terminal, with the stage of the work and its progress."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            # A pipe behind stdout must not end up on the terminal.
            redirect_stdout=sys.stdout.isatty(),
            # Of several processes only the first has it.
            disable=not sys.stderr.isatty() or os.environ.get("RANK", "0") != "0",
        )
        self._task = self._bar.add_task("", total=None, visible=False)
        self._stage = ""

    def __enter__(self) -> ProgressBar:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, stage: str, done: int, total: int | None) -> None:
        """So much of a stage's work is done; a `total` of None is an unknown one."""
        if stage != self._stage:
            self._stage = stage
            self._bar.reset(self._task, description=stage, total=total, visible=True)
        self._bar.update(self._task, completed=done, total=total)


def say(line: str) -> None:
    """Print a line of the account."""
    print(line, flush=True)


def warn(message: str) -> None:
    """Print one line on stderr and go on."""
    print(f"mimamo: warning: {message}", file=sys.stderr, flush=True)


def fail(message: str, code: int) -> int:
    """Print an error and return the exit code."""
    print(f"mimamo: error: {message}", file=sys.stderr)
    return code
