"""Lists of videos, as the competitions hand them out: of names, and samples of a submission."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

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
        rows = Sample(path, text)
        return {name: rows.lines[numbers[0]] for name, numbers in rows.of.items()}
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
    return _header(text) == SAMPLE_HEADER


def _header(text: str) -> str:
    return text.partition("\n")[0].replace(" ", "").lower()


def _names(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), start=1):
        name = line.strip()
        for suffix in _SUFFIXES:
            name = name.removesuffix(suffix)
        if name:
            yield number, name


class Place(NamedTuple):
    """A row of a sample: what it is called there, its video, and its frame, from 1."""

    location: str
    video: str
    frame: int


class Sample:
    """The rows that a submission must have, in their order.

    ``image_location,valence,arousal``, then rows such as ``<video>/00001.jpg,0.5,-0.5``, of which
    the values do not matter.

    Attributes:
        places: each row's.
        lines: each row's line in the file.
        of: by video, in order of its first row, the numbers of its rows, from 0.

    Raises:
        InputError: the file cannot be read, has no such header or no row, or a row is no picture's
            or is there twice; file and line are named.
    """

    def __init__(self, path: str | os.PathLike[str], text: str | None = None) -> None:
        text = read_text(path) if text is None else text
        if not is_sample(text):
            first = text.partition("\n")[0]
            raise InputError(f"{path}:1: expected the header {SAMPLE_HEADER!r}, got {shown(first)}")
        self.places: list[Place] = []
        self.lines: list[int] = []
        self.of: dict[str, list[int]] = {}
        seen: set[tuple[str, int]] = set()
        for number, line in enumerate(text.split("\n")[1:], start=2):
            if not line.strip():
                continue
            place = _place(line)
            if place is None:
                raise InputError(
                    f"{path}:{number}: expected <video>/00001.jpg,valence,arousal, "
                    f"got {shown(line)}"
                )
            if place[1:] in seen:
                raise InputError(f"{path}:{number}: {place.location} is there twice")
            seen.add(place[1:])
            self.of.setdefault(place.video, []).append(len(self.places))
            self.places.append(place)
            self.lines.append(number)
        if not self.places:
            raise InputError(f"{path}: expected rows of pictures, found none")

    def frames(self, video: str) -> np.ndarray:
        """int64 ``[N]``: the frames of a video's rows, from 1, in the rows' order."""
        return np.array([self.places[row].frame for row in self.of[video]], np.int64)


def _place(line: str) -> Place | None:
    location = line.partition(",")[0].strip()
    folders, _, picture = location.rpartition("/")
    video, number = folders.rpartition("/")[2], picture.partition(".")[0]
    # Of nine digits at most: Python reads no number of very many.
    if not (video and len(number) < 10 and number.isdecimal() and is_numbered_image(picture)):
        return None
    frame = int(number)
    return Place(location, video, frame) if 1 <= frame <= MOST_FRAMES else None
