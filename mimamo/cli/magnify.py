"""The command ``magnify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from mimamo.cli.common import (
    FAILED,
    OK,
    DetectorFile,
    Device,
    Overwrite,
    ProgressBar,
    argument,
    fail,
    flag,
    option,
    say,
    warn,
)


def magnify(
    video: Annotated[Path, argument("A video file.", "VIDEO")],
    out: Annotated[Path, option("The film to write, an MP4.", "FILE")],
    factor: Annotated[float, option("How many times as large the motion becomes.", "A")],
    band: Annotated[
        tuple[float, float],
        option("Frequencies in Hz of the motion, from 0 to half the frame rate.", "LOW HIGH"),
    ],
    temporal: Annotated[
        Literal["fir", "iir"],
        typer.Option(help="fir: sharp, without delay. iir: in little memory, for long films."),
    ] = "fir",
    bands_per_octave: Annotated[
        int, typer.Option(min=1, max=4, help="1 is faster and less exact.")
    ] = 2,
    orientations: Annotated[
        int, typer.Option(min=2, max=32, help="Directions of the filters; 4 is faster.")
    ] = 8,
    smoothing: Annotated[
        float, typer.Option(min=0, max=64, help="Of the phases, in pixels of each filter.")
    ] = 2.0,
    attenuate: Annotated[
        bool, flag("--attenuate", "Take away what moves at other frequencies.")
    ] = False,
    limit: Annotated[
        float | None,
        typer.Option(
            show_default=False,
            help="Pixels that the added motion stays below, for films in which something moves "
            "far, such as 4.",
        ),
    ] = None,
    faces: Annotated[
        bool, flag("--faces", "Magnify the main face alone, cut out and held still.")
    ] = False,
    side_by_side: Annotated[
        bool, flag("--side-by-side", "Show the film as it was beside it.")
    ] = False,
    slice_: Annotated[
        str | None,
        typer.Option(
            "--slice",
            metavar="x=N|y=N",
            show_default=False,
            help="Also draw how a column's or a row's pixels change in time.",
        ),
    ] = None,
    detector: DetectorFile = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
) -> int:
    """Make small motion in a film large.

    Keeps colours, times and sound. A pulse is at 0.8 to 2 Hz, a micro-expression at 1 to 8 Hz.
    """
    from mimamo.device import choose_device
    from mimamo.faces import YuNet
    from mimamo.magnify import MagnifySettings, magnify_film
    from mimamo.magnify.space_time import Slice

    settings = MagnifySettings(
        factor,
        *band,
        temporal=temporal,
        nbands=orientations,
        bands_per_octave=bands_per_octave,
        smoothing=smoothing,
        attenuate=attenuate,
        limit=limit,
        side_by_side=side_by_side,
        faces=faces,
        slice=None if slice_ is None else Slice.parsed(slice_),
        device=choose_device(device),
        overwrite=overwrite,
    )
    finder = None if detector is None else YuNet(detector)
    with ProgressBar() as bar:
        result = magnify_film(video, out, settings, detector=finder, progress=bar.show, warn=warn)
    for file in result.files:
        say(str(file))
    return OK if result.missing is None else fail(result.missing, FAILED)
