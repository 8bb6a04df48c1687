"""Commands that use what was trained on a cache: ``evaluate``, ``submit``, and ``check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from mimamo.cli.common import (
    FAILED,
    OK,
    Device,
    Overwrite,
    ProgressBar,
    Untold,
    Videos,
    Written,
    argument,
    computing_on,
    flag,
    option,
    say,
    with_options,
)
from mimamo.errors import InputError

Runs = Annotated[
    list[Path],
    argument(
        "Runs, checkpoints, cross-validations, hf:owner/name, or others' weights; several are "
        "averaged.",
        "RUN",
    ),
]
CacheOption = Annotated[Path, option("A cache of `mimamo extract`.", "CACHE")]
Streams = Annotated[
    Literal["spatial", "temporal", "both"],
    typer.Option(help="Blind the other stream of networks that have both."),
]


@with_options(Untold)
@with_options(Written)
def evaluate(
    runs: Runs,
    cache: CacheOption,
    untold: Untold,
    written: Written,
    subset: Annotated[
        Literal["held-out", "Train_Set", "Validation_Set", "Test_Set", "all"],
        typer.Option(help="held-out: the validation set, or what a run's fold held out."),
    ] = "held-out",
    streams: Streams = "both",
    out: Annotated[Path | None, option("Folder for tables and a plot.", "DIR")] = None,
    page: Annotated[
        bool, flag("--page", "Also write a page with all curves beside the truth, for a browser.")
    ] = False,
    device: Device = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Print CCC over all annotated frames of a cache's videos, of what `submit` would write."""
    from mimamo.evaluate import evaluate_runs

    if page and out is None:
        raise InputError("--page: expected --out DIR as well, to write it to")
    with computing_on(device) as told:
        evaluate_runs(
            runs,
            cache,
            subset=subset,
            streams=streams,
            **written.given,
            foreign=untold.given,
            out=out,
            page=page,
            overwrite=overwrite,
            **told,
        )


@with_options(Untold)
@with_options(Written)
def submit(
    runs: Runs,
    cache: CacheOption,
    out: Annotated[Path, option("Folder for the files.", "DIR")],
    untold: Untold,
    written: Written,
    subset: Annotated[
        Literal["Train_Set", "Validation_Set", "Test_Set"], typer.Option(help="Which videos.")
    ] = "Test_Set",
    names: Annotated[
        Path | None,
        option(
            "Write exactly these videos, one name a line, or the utterances of a table.", "FILE"
        ),
    ] = None,
    sample: Annotated[
        Path | None,
        option("Write the videos, frames and, in abaw, rows of this sample submission.", "FILE"),
    ] = None,
    videos: Videos = None,
    decode: Annotated[bool, flag("--decode", "Count the videos' frames by decoding them.")] = False,
    streams: Streams = "both",
    device: Device = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Write valence and arousal of every frame of the test videos, as a competition wants them.

    That is <video>.txt for each, or predictions.txt in the format abaw. Of OMG-Emotion it is
    utterances.csv, with one line for each utterance.
    """
    from mimamo.evaluate import submit as run

    with computing_on(device) as told:
        run(
            runs,
            cache,
            out,
            subset=subset,
            names=names,
            videos=videos,
            decode=decode,
            streams=streams,
            sample=sample,
            **written.given,
            foreign=untold.given,
            overwrite=overwrite,
            **told,
        )


def check(
    folder: Annotated[
        Path, argument("A cache of `mimamo extract`, a run or a cross-validation.", "FOLDER")
    ],
) -> int:
    """Read every file of a cache or a run in full, and name what is damaged or missing.

    Returns 1 if anything is. `mimamo extract` makes a cache's videos again.
    """
    from mimamo.check import check_folder

    said: list[str] = []

    def tell(line: str) -> None:
        said.append(line)
        say(line)

    with ProgressBar() as bar:
        wrong = check_folder(folder, report=tell, progress=bar.show)
    if not wrong:
        say(f"{folder}: all {'else ' if said else ''}is as it was written")
    return FAILED if wrong else OK
