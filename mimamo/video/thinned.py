"""Fewer frames of a film, for one whose rate is far above what a network was trained on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from mimamo.video.frames import FrameFolder
from mimamo.video.gaps import Gap
from mimamo.video.reader import VideoFrame, VideoReader

_ROUNDING = 1e-3  # seconds by which the distance of two times may be wrong, as in Matroska


class ThinnedFilm:
    """At most `rate` frames a second of a film, each with its own time, numbered anew from 0.

    A frame is taken if it comes no sooner than ``1 / rate`` seconds after the one taken before, but
    for the rounding of times to milliseconds. So of a film of a constant rate every k-th is taken:
    steps stay even, which a network that reads motion needs, if k has to be rounded up.

    Args:
        film: what to thin.
        rate: frames a second.

    Attributes as of `film`, but `frame_count`, which is not known beforehand, and `fps`, that of
    every k-th frame.
    """

    frame_count = None

    def __init__(self, film: VideoReader | FrameFolder, rate: float) -> None:
        if not 0 < rate < math.inf:
            raise ValueError(f"rate: expected a positive number, got {rate}")
        self.film = film
        self._least = 1 / rate - min(_ROUNDING, 0.2 / rate)

    @property
    def path(self) -> Path:
        return self.film.path

    @property
    def name(self) -> str:
        return self.film.name

    @property
    def size(self) -> tuple[int, int]:
        return self.film.size

    @property
    def fps(self) -> float:
        return self.film.fps / max(1, math.ceil(self._least * self.film.fps))

    @property
    def missing(self) -> str | None:
        return self.film.missing

    @property
    def gaps(self) -> list[Gap]:
        return self.film.gaps

    @property
    def warnings(self) -> list[str]:
        return self.film.warnings

    def __iter__(self) -> Iterator[VideoFrame]:
        index, taken = 0, -math.inf

        def is_due(time: float) -> bool:
            return time - taken >= self._least

        for frame in self.film.taken(is_due):
            yield VideoFrame(index, frame.time, frame.image)
            index, taken = index + 1, frame.time
