"""Lists of videos, as the competitions hand them out: of names, and samples of a submission."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator

import numpy as np

from mimamo.errors import InputError
from mimamo.files import read_text
from mimamo.settings import shown
from mimamo.video import is_numbered_image
from mimamo.video.folder import MOST_FRAMES

SAMPLE_HEADER = "image_location,valence,arousal"
_SUFFIXES = (".txt", ".mp4", ".avi", ".mov", ".mkv", ".webm")


def read_names(path: str | os.PathLike[str]) -> dict[str, int]:
    """The videos that a list names, one a line, or that a sample has rows of, with their lines.

    Raises InputError, naming file and line, for one that is there twice, and if there is none.
    """
    text = read_text(path)
    if is_sample(text):
        sample = Sample(path, text)
        return {name: sample.line(name) for name in sample.videos}
    names: dict[str, int] = {}
    for number, name in _names(text):
        if name in names:
            raise InputError(f"{path}:{number}: {name} is there twice")
        names[name] = number
    if not names:
        raise InputError(f"{path}: expected one video's name a line, found none")
    return names


def names_in(text: str) -> list[str]:
    """The names in the text of a list, whatever it is."""
    return [name for _, name in _names(text)]


def is_sample(text: str) -> bool:
    """Whether a text begins as a sample of a submission does."""
    return header_of(text) == SAMPLE_HEADER


def header_of(text: str) -> str:
    """The first line of a text, in small letters and without spaces."""
    return text.partition("\n")[0].replace(" ", "").lower()


def _names(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), start=1):
        name = line.strip()
        for suffix in _SUFFIXES:
            name = name.removesuffix(suffix)
        if name:
            yield number, name


class Sample:
    """The rows that a submission must have, in their order.

    ``image_location,valence,arousal``, then rows such as ``<video>/00001.jpg,0.5,-0.5``, of which
    the values do not matter. There may be millions.

    Attributes:
        locations: what each row's picture is called.
        videos: by name, in order of the first row, the numbers of a video's rows, from 0.

    Raises:
        InputError: the file cannot be read, has no such header or no row, or a row is no picture's
            or is there twice; file and line are named.
    """

    def __init__(self, path: str | os.PathLike[str], text: str | None = None) -> None:
        text = read_text(path) if text is None else text
        if not is_sample(text):
            first = text.partition("\n")[0]
            raise InputError(f"{path}:1: expected the header {SAMPLE_HEADER!r}, got {shown(first)}")
        self.locations: list[str] = []
        lines, frames = array("q"), array("q")
        rows: dict[str, array[int]] = {}
        for number, line in enumerate(text.split("\n")[1:], start=2):
            location = line.partition(",")[0].strip()
            if not location and not line.strip():
                continue
            folders, _, picture = location.rpartition("/")
            video, frame = folders.rpartition("/")[2], _frame(picture)
            if not video or frame is None:
                raise InputError(
                    f"{path}:{number}: expected <video>/00001.jpg,valence,arousal, "
                    f"got {shown(line)}"
                )
            rows.setdefault(video, array("q")).append(len(frames))
            self.locations.append(location)
            lines.append(number)
            frames.append(frame)
        if not self.locations:
            raise InputError(f"{path}: expected rows of pictures, found none")
        self._lines, self._frames = np.array(lines), np.array(frames)
        self.videos = {video: np.array(numbers) for video, numbers in rows.items()}
        for numbers in self.videos.values():
            if len(again := _again(self._frames[numbers])):
                row = numbers[again[0]]
                raise InputError(f"{path}:{self._lines[row]}: {self.locations[row]} is there twice")

    def frames(self, video: str) -> np.ndarray:
        """int64 ``[N]``: the frames of a video's rows, from 1, in the rows' order."""
        return self._frames[self.videos[video]]

    def line(self, video: str) -> int:
        """The line of a video's first row."""
        return int(self._lines[self.videos[video][0]])


def _frame(picture: str) -> int | None:
    """The number of a picture; None if its name is none's, or no frame can have it."""
    number = picture.partition(".")[0]
    # Of nine digits at most: Python reads no number of very many.
    if len(number) > 9 or not number.isdecimal() or not is_numbered_image(picture):
        return None
    return int(number) if 1 <= int(number) <= MOST_FRAMES else None


def _again(numbers: np.ndarray) -> np.ndarray:
    """Where a number stands that has been there before, in order."""
    first = np.zeros(len(numbers), bool)
    first[np.unique(numbers, return_index=True)[1]] = True
    return np.flatnonzero(~first)
