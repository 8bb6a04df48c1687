"""The files a prediction is written to, and the care that no other file is lost to them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mimamo.errors import InputError
from mimamo.files import append, open_file
from mimamo.page.html import MARK
from mimamo.predict.table import HEADER

SOFTWARE = "mimamo"  # a PNG's "Software" text, which marks the file as one of ours
# An MP4 is a row of boxes (length, kind, content), and players skip those of kind "free". One at
# the end marks a rendered video as ours.
_VIDEO_MARK = (8 + len(SOFTWARE)).to_bytes(4, "big") + b"free" + SOFTWARE.encode("ascii")
_LONGEST = 250  # bytes of a name, which a suffix makes 255
_PNG_MARK = b"Software\0" + SOFTWARE.encode("ascii")


@dataclass(frozen=True)
class Outputs:
    """The paths of one video's results; None for what is not asked for."""

    table: Path
    plot: Path | None
    video: Path | None
    page: Path | None

    def __iter__(self) -> Iterator[Path]:
        paths = (self.table, self.plot, self.video, self.page)
        return iter([path for path in paths if path is not None])


def source_name(source: Path) -> str:
    """The name of a video: its file's without the suffix, or its folder's."""
    source = Path(os.path.realpath(source))
    return source.name if source.is_dir() else source.stem


def distinct_names(sources: Sequence[Path]) -> list[str]:
    """The videos' names; where some are equal, with suffixes, or folders, that tell them apart.

    ``a/talk.mp4`` and ``b/talk.mp4`` become ``a_talk`` and ``b_talk``; ``talk.mp4`` and
    ``talk.avi`` of one folder, ``talk_mp4`` and ``talk_avi``. No two are equal where upper and
    lower case are one, and none is too long for a file's. Raises InputError for paths of which no
    such names can be made.
    """
    names = [_fitting(source_name(source)) for source in sources]
    alike: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        alike.setdefault(name.casefold(), []).append(index)
    taken = {name for name, indices in alike.items() if len(indices) == 1}
    for indices in alike.values():
        if len(indices) == 1:
            continue
        some = [Path(os.path.realpath(sources[index])) for index in indices]
        longer = next((x for x in _longer_names(some) if _are_distinct(x, taken)), None)
        if longer is None:
            raise InputError(
                f"{sources[indices[1]]}: expected a name unlike that of {sources[indices[0]]}; "
                "rename one of them or predict them into different folders"
            )
        taken.update(name.casefold() for name in longer)
        for index, name in zip(indices, longer, strict=True):
            names[index] = name
    return names


def outputs_of(name: str, folder: Path, *, plot: bool, render: bool, page: bool) -> Outputs:
    """Name a video's results in `folder`: ``<name>`` with .csv, .png, .mp4 and .html."""
    return Outputs(
        table=folder / f"{name}.csv",
        plot=folder / f"{name}.png" if plot else None,
        video=folder / f"{name}.mp4" if render else None,
        page=folder / f"{name}.html" if page else None,
    )


def check_outputs(sources: Sequence[Path], outputs: Sequence[Outputs], overwrite: bool) -> None:
    """Make sure that writing loses nothing.

    Raises:
        InputError: a result would replace an input, or, unless `overwrite`, a file that is not one
            of our results.
    """
    inputs = {os.path.realpath(source) for source in sources}
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
    try:
        with open_file(path, None) as stream:
            if path.suffix == ".csv":
                return stream.readline(len(HEADER) + 2).rstrip(b"\r\n") == HEADER.encode("ascii")
            if path.suffix == ".png":
                return _PNG_MARK in stream.read(4096)
            if path.suffix == ".html":
                return stream.read(len(MARK)) == MARK.encode("ascii")
            stream.seek(-len(_VIDEO_MARK), 2)
            return stream.read() == _VIDEO_MARK
    except InputError:  # unreadable, no file, or shorter than the mark
        return False


def _longer_names(paths: Sequence[Path]) -> Iterator[list[str]]:
    """Names with suffixes, with a folder more, with both, and so on up to the whole path."""
    for folders in range(max(len(path.parts) for path in paths)):
        for suffix in (False, True):
            yield [_fitting(_longer_name(path, folders, suffix)) for path in paths]


def _longer_name(path: Path, folders: int, suffix: bool) -> str:
    name = path.name if path.is_dir() else path.stem
    if suffix and not path.is_dir():
        name += path.suffix.replace(".", "_")
    above = path.parent.parts[1:]  # without the root
    return "_".join([*above[max(len(above) - folders, 0) :], name])


def _fitting(name: str) -> str:
    """As much of a name as a file's can hold."""
    while len(os.fsencode(name)) > _LONGEST:
        name = name[:-1]
    return name


def _are_distinct(names: Sequence[str], taken: set[str]) -> bool:
    folded = {name.casefold() for name in names}
    return len(folded) == len(names) and not folded & taken
