"""The files a prediction is written to, and the care that no other file is lost to them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mimamo.errors import InputError
from mimamo.files import append, open_file
from mimamo.predict.sources import source_name
from mimamo.predict.table import holds_predictions

SOFTWARE = "mimamo"  # a PNG's "Software" text, which marks the file as one of ours
# An MP4 is a row of boxes (length, kind, content), and players skip those of kind "free". One at
# the end marks a rendered video as ours.
_VIDEO_MARK = (8 + len(SOFTWARE)).to_bytes(4, "big") + b"free" + SOFTWARE.encode("ascii")
_PNG_MARK = b"Software\0" + SOFTWARE.encode("ascii")


@dataclass(frozen=True)
class Outputs:
    """The paths of one video's results; None for what is not asked for."""

    table: Path
    plot: Path | None
    video: Path | None

    def __iter__(self) -> Iterator[Path]:
        return iter([path for path in (self.table, self.plot, self.video) if path is not None])


def outputs_of(source: Path, folder: Path, *, plot: bool, render: bool) -> Outputs:
    """Name the results of `source` in `folder`: ``<name>.csv``, ``<name>.png``, ``<name>.mp4``."""
    name = source_name(source)
    return Outputs(
        table=folder / f"{name}.csv",
        plot=folder / f"{name}.png" if plot else None,
        video=folder / f"{name}.mp4" if render else None,
    )


def check_outputs(sources: Sequence[Path], outputs: Sequence[Outputs], overwrite: bool) -> None:
    """Make sure that writing loses nothing.

    Raises:
        InputError: two videos have the same name; a result would replace an input; or, unless
            `overwrite`, a file that is not one of our results.
    """
    named: dict[Path, Path] = {}
    inputs = {os.path.realpath(source) for source in sources}
    for source, files in zip(sources, outputs, strict=True):
        other = named.setdefault(files.table, source)
        if other is not source:
            raise InputError(
                f"{source}: same name as {other}; expected one {files.table.name} each: "
                "rename one of them or predict them into different folders"
            )
    for path in (path for files in outputs for path in files):
        if os.path.realpath(path) in inputs:
            raise InputError(f"{path}: is an input and would be written to; give another --out")
        if path.is_dir():
            raise InputError(f"{path}: is a folder, in the way of a result; give another --out")
        if path.exists() and not overwrite and not is_result(path):
            raise InputError(
                f"{path}: exists and was not written by mimamo; give another --out or --overwrite"
            )


def mark_video(path: Path) -> None:
    """Mark a finished MP4 as one of our results."""
    append(path, _VIDEO_MARK)


def is_result(path: Path) -> bool:
    """Whether a file is one of our results: its content says so, not its name."""
    if path.suffix == ".csv":
        return holds_predictions(path)
    try:
        with open_file(path, None) as stream:
            if path.suffix == ".png":
                return _PNG_MARK in stream.read(4096)
            stream.seek(-len(_VIDEO_MARK), 2)
            return stream.read() == _VIDEO_MARK
    except InputError:  # unreadable, no file, or shorter than the mark
        return False
