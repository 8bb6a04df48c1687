"""Reading a film that is a folder of pictures, one for each whole frame."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from mimamo.errors import InputError
from mimamo.progress import counted
from mimamo.video.folder import FOLDER_FPS, listed
from mimamo.video.gaps import Gap, gaps_in_words
from mimamo.video.image import read_image
from mimamo.video.names import is_picture, natural, numbers_of
from mimamo.video.reader import VideoFrame


class FrameFolder:
    """The whole frames of a film, each a picture, in the natural order of their names.

    ``img2.jpg`` comes before ``img10.jpg``. Where the names differ in their last number alone, the
    frames' times follow from it: what is not there leaves a gap, and numbers that are always five
    apart are a film's every fifth frame. Otherwise the pictures follow one another.

    Iterating gives a `VideoFrame` each; a picture that cannot be read is skipped.

    Attributes:
        path, name: the folder, and its last component.
        fps: as given, of the pictures; such a folder does not say.
        images: the pictures, in order.
        size: (width, height) in pixels of the first that can be read.
        frame_count: how many pictures there are.
        gaps: the times of the frames before and after each place where frames are missing: their
            pictures cannot be read, or by their numbers are not there. As of `VideoReader`.
        warnings: one line for each other thing about the folder that a user should know.

    Raises InputError if `path` is not a folder, or holds no picture that can be read.
    """

    def __init__(self, path: str | os.PathLike[str], *, fps: float = FOLDER_FPS) -> None:
        if not 0 < fps < float("inf"):
            raise ValueError(f"fps: expected a positive number, got {fps}")
        self.path = Path(path)
        self.name = Path(os.path.realpath(self.path)).name
        self.fps = fps
        self.warnings: list[str] = []
        self.gaps: list[Gap] = []
        self._unread: list[Gap] = []
        self._first: tuple[int, ...] = ()
        self._size_changes = False
        names = sorted((x.name for x in listed(self.path) if is_picture(x.name)), key=natural)
        if not names:
            raise InputError(f"{self.path}: expected pictures (img1.jpg, ...), found none")
        self.images = [self.path / name for name in names]
        self.frame_count = len(names)
        self._places = _places(numbers_of(names) or range(len(names)))
        if absent := round(self._places[-1]) + 1 - len(names):
            self.warnings.append(
                f"{self.path}: by their numbers, "
                f"{counted(absent, 'of its frames is', 'of its frames are')} not there"
            )
        first = next(iter(self), None)
        if first is None:
            raise InputError(self._refused)
        self.size = (first.image.shape[1], first.image.shape[0])

    @property
    def missing(self) -> str | None:
        """After a whole pass, where pictures could not be read, in one line; None if all could."""
        if not self._unread:
            return None
        return f"{self._refused}; frames missing {gaps_in_words(self._unread)}"

    def __iter__(self) -> Iterator[VideoFrame]:
        return self.taken(lambda time: True)

    def taken(self, wanted: Callable[[float], bool]) -> Iterator[VideoFrame]:
        """As iterating over it, but only frames whose time is `wanted`; others are not read."""
        unread: list[Gap] = []
        self.gaps = gaps = []
        before, index, last, whole, absent = 0.0, 0, 0.0, True, False
        for path, place in zip(self.images, self._places, strict=True):
            time = place / self.fps
            absent, last = absent or place - last > 1, place
            if not wanted(time):
                continue
            try:
                image = read_image(path)
            except InputError as error:
                self._refused, whole = str(error), False
                continue
            if not whole:
                unread.append((before, time))
            if absent or not whole:
                gaps.append((before, time))
            self._compare(path, image.shape[:2])
            yield VideoFrame(index, time, image)
            before, index, whole, absent = time, index + 1, True, False
        if not whole:
            unread.append((before, math.inf))
            gaps.append((before, math.inf))
        self._unread = unread

    def _compare(self, path: Path, shape: tuple[int, ...]) -> None:
        self._first = self._first or shape
        if shape == self._first or self._size_changes:
            return
        self._size_changes = True
        was, now = (f"{width}x{height}" for height, width in (self._first, shape))
        self.warnings.append(f"{path}: the picture size changes from {was} to {now}")


def _places(numbers: Sequence[int]) -> list[float]:
    """How many frames after the first each is, the usual step between two being one frame."""
    steps = Counter(after - before for before, after in pairwise(numbers))
    usual = min(steps, key=lambda step: (-steps[step], step), default=1)
    if any(step % usual for step in steps):  # these numbers count something else
        return [float(place) for place in range(len(numbers))]
    return [(number - numbers[0]) / usual for number in numbers]
