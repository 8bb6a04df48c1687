"""What the commands share: options, exit codes, and how they print."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

import typer

from mimamo.terminal import print_line, printable

if TYPE_CHECKING:
    from mimamo.predict.given_weights import Foreign

OK, FAILED, UNUSABLE, INTERRUPTED = 0, 1, 2, 130  # exit codes


def option(text: str, metavar: str | None = None, **settings: Any) -> Any:
    """An option with this help, whose default the help does not show."""
    return typer.Option(metavar=metavar, show_default=False, help=text, **settings)


def flag(name: str, text: str) -> Any:
    """An option without a value, of this name and help."""
    return typer.Option(name, help=text)


def argument(text: str, metavar: str) -> Any:
    """An argument with this help."""
    return typer.Argument(metavar=metavar, show_default=False, help=text)


Device = Annotated[
    Literal["auto", "cpu", "cuda"],
    typer.Option(help="Where the networks run; auto takes a GPU if there is one."),
]
Precision = Annotated[
    Literal["auto", "float32", "bfloat16"],
    typer.Option(help="Of the ResNet50; auto takes bfloat16 where the device computes in it."),
]
Weights = Annotated[
    list[Path],
    option(
        "A run, cross-validation or checkpoint of `mimamo train`, hf:owner/name, or the authors' "
        "model_weights.pth.tar; several are averaged.",
        "FILE",
    ),
]
DetectorFile = Annotated[Path | None, option("A YuNet ONNX file, instead of CenterFace.", "FILE")]
SearchEvery = Annotated[
    int,
    typer.Option(
        min=1,
        metavar="N",
        help="Search the whole picture only in every Nth frame, and between where the face was: "
        "faster, but less sure of the face.",
    ),
]


def features_every_option(default: str | None = None) -> Any:
    """The option --features-every, of a default that is said so."""
    return typer.Option(
        min=1,
        metavar="N",
        show_default=default or True,
        help="Compute the spatial features in every Nth frame of a face, and interpolate between: "
        "faster, and near to every frame's.",
    )


Faces = Annotated[
    Literal["main", "all", "left", "right"],
    typer.Option(help="Whose rows are written: of every face, or of one at a time."),
]
Seed = Annotated[int, typer.Option(min=0, help="Of all that is random.")]
Overwrite = Annotated[bool, flag("--overwrite", "Replace files in the way.")]
CacheFolder = Annotated[Path, argument("A cache of `mimamo extract`.", "CACHE")]
Videos = Annotated[Path | None, option("Folder of the videos, searched with its folders.", "DIR")]


@dataclasses.dataclass(frozen=True)
class Untold:
    """What weights by others do not tell, in all commands that predict."""

    backbone: Annotated[
        Path | None,
        option(
            "ResNet50 weights (FER+, VGGFace2, torchvision), if those given hold none; or the ONNX "
            "file that they have to be for.",
            "FILE",
        ),
    ] = None
    outputs: Annotated[
        str | None,
        option(
            "Order of valence and arousal in weights that do not tell, and of files that have one "
            "of them each: valence,arousal or arousal,valence.",
            "A,B",
        ),
    ] = None
    published_gru: Annotated[
        bool,
        flag(
            "--published-gru",
            "Run the GRU of such weights over 16 clips at a time, as the published code does, not "
            "over frames.",
        ),
    ] = False

    @property
    def given(self) -> Foreign:
        """As the functions take it."""
        from mimamo.predict.given_weights import Foreign

        outputs = None if self.outputs is None else tuple(self.outputs.split(","))
        return Foreign(self.backbone, outputs, self.published_gru)


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


@dataclasses.dataclass(frozen=True)
class Passes:
    """Over which frames the GRU runs, and over which its predictions are smoothed."""

    stride: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            show_default="half a clip",
            help="Frames from one clip, over which the GRU runs, to the next. Where clips overlap "
            "they are averaged; with a clip's length (64) they do not.",
        ),
    ] = None
    whole: Annotated[
        bool, flag("--whole", "Run the GRU over all frames at once instead, not in clips.")
    ] = False
    smooth: Annotated[
        str,
        typer.Option(
            metavar="N|auto",
            help="Mean over N frames before and after; auto: as many as the training chose on its "
            "validation videos.",
        ),
    ] = "0"

    @property
    def given(self) -> dict[str, Any]:
        """As the functions call them."""
        is_number = self.smooth.isdecimal() and len(self.smooth) < 10
        return {
            **dataclasses.asdict(self),
            "smooth": int(self.smooth) if is_number else self.smooth,
        }


@dataclasses.dataclass(frozen=True)
class Written(Passes):
    """What is made of predictions before they are scored or written."""

    format: Annotated[
        Literal["files", "abaw"],
        typer.Option(
            help="files: <video>.txt (ABAW until 2022); abaw: one file with a row per picture."
        ),
    ] = "files"
    leading: Annotated[
        Literal["first", "-5"] | None,
        typer.Option(
            show_default="-5 in files, first in abaw",
            help="Of frames before the first face: the first prediction, or -5.",
        ),
    ] = None
    gaps: Annotated[
        Literal["previous", "interpolate"] | None,
        typer.Option(
            show_default="previous in files, interpolate in abaw",
            help="Of other frames without a face.",
        ),
    ] = None
    rescale: Annotated[bool, flag("--rescale", "Give predictions the training labels' spread.")] = (
        False
    )

    @property
    def given(self) -> dict[str, Any]:
        """As the functions call them."""
        rest = super().given
        return {"rescaled": rest.pop("rescale"), **rest}


class ProgressBar:
    """A line on stderr, where that is a terminal, with the stage of the work and its progress."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.markup import escape
        from rich.progress import Progress

        self._escape = escape
        self._bar = Progress(
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
            text = self._escape(printable(stage))  # a video may be called [red]
            self._bar.reset(self._task, description=text, total=total, visible=True)
        self._bar.update(self._task, completed=done, total=total)


@contextmanager
def computing_on(device: str) -> Iterator[dict[str, Any]]:
    """What functions that work long are given: where to compute, and whom to tell of it."""
    from mimamo.device import choose_device

    with ProgressBar() as bar:
        yield {"device": choose_device(device), "report": say, "progress": bar.show}


def say(line: str) -> None:
    """Print a line of the account."""
    print_line(line)


def warn(message: str) -> None:
    """Print one line on stderr and go on."""
    print_line(f"mimamo: warning: {message}", error=True)


def fail(message: str, code: int) -> int:
    """Print an error and return the exit code."""
    print_line(f"mimamo: error: {message}", error=True)
    return code
