"""Fewer frames of a film, for one whose rate is far above what a network was trained on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from mimamo.video.frames import FrameFolder
from mimamo.video.reader import VideoFrame, VideoReader


class ThinnedFilm:
    """At most `rate` frames a second of a film, each with its own time, numbered anew from 0.

    The time from the first frame on is divided into intervals of ``1 / rate`` seconds; of each the
    first frame is taken.

    Args:
        film: what to thin.
        rate: frames a second.

    Attributes as of `film`, but `frame_count`, which is not known beforehand, and `fps`, which is
    `rate` where the film has more.
    """

    frame_count = None

    def __init__(self, film: VideoReader | FrameFolder, rate: float) -> None:
        if not 0 < rate < math.inf:
            raise ValueError(f"rate: expected a positive number, got {rate}")
        self.film, self.rate = film, rate

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
        return min(self.rate, self.film.fps)

    @property
    def missing(self) -> str | None:
        return self.film.missing

    @property
    def warnings(self) -> list[str]:
        return self.film.warnings

    def __iter__(self) -> Iterator[VideoFrame]:
        index, first, following = 0, 0.0, -math.inf
        for frame in self.film:
            if index == 0:
                first = frame.time
            interval = math.floor((frame.time - first) * self.rate + 1e-3)  # times are rounded
            if interval < following:
                continue
            yield VideoFrame(index, frame.time, frame.image)
            index, following = index + 1, interval + 1
