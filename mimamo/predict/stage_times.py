"""How long predicting takes, and how long each of its stages is at work."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from time import perf_counter
from typing import TypeVar

from mimamo.progress import counted

T = TypeVar("T")

#: Reading frames; finding, following and aligning the face; its spatial features; grey frames and
#: phase differences; MIMAMO Net; table, plot and rendered video.
STAGES = ("decode", "detection", "backbone", "phase", "network", "writing")


@dataclass
class StageTimes:
    """Seconds of one video, or with `+` of several; safe to share between threads.

    Attributes:
        frames: of the video.
        elapsed: seconds from beginning to end.
        seconds: for each of `STAGES` the seconds it was at work, of all threads together. Stages
            overlap, so the sum may exceed `elapsed`; where threads outnumber cores, a stage's
            seconds include its waiting for a core. Work that a GPU has not finished counts for the
            stage that waits for it.
        backbone: what the stage "backbone" ran, and in which precision.
    """

    frames: int = 0
    elapsed: float = 0.0
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    backbone: str = "backbone"
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @property
    def frames_per_second(self) -> float:
        return self.frames / self.elapsed if self.elapsed > 0 else 0.0

    def share(self, stage: str) -> float:
        """A stage's seconds as a part of `elapsed`."""
        return self.seconds[stage] / self.elapsed if self.elapsed > 0 else 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the block for a stage."""
        start = perf_counter()
        try:
            yield
        finally:
            self._add(name, perf_counter() - start)

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Count the block as the time elapsed."""
        start = perf_counter()
        try:
            yield
        finally:
            self.elapsed += perf_counter() - start

    def making(self, name: str, items: Iterable[T]) -> Iterator[T]:
        """Yield `items`, counting for a stage the time that making them takes."""
        return self._timed(name, items, 1)

    def waiting(self, name: str, items: Iterable[T]) -> Iterator[T]:
        """Yield `items` inside a stage, not counting for it the time they are waited for."""
        return self._timed(name, items, -1)

    def __add__(self, other: StageTimes) -> StageTimes:
        seconds = {name: self.seconds[name] + other.seconds[name] for name in STAGES}
        frames, elapsed = self.frames + other.frames, self.elapsed + other.elapsed
        return StageTimes(frames, elapsed, seconds, self.backbone)

    def summary(self) -> str:
        """Frames per second, and the stages' shares of the time elapsed, in one line."""
        names = {"backbone": self.backbone}
        shares = [f"{names.get(stage, stage)} {_percent(self.share(stage))}" for stage in STAGES]
        return (
            f"{counted(self.frames, 'frame')} in {self.elapsed:.1f} s, "
            f"{self.frames_per_second:.1f} frames/s; "
            f"{', '.join(shares)}"
        )

    def _timed(self, name: str, items: Iterable[T], sign: int) -> Iterator[T]:
        iterator = iter(items)
        while True:
            start = perf_counter()
            try:
                item = next(iterator)
            except StopIteration:
                return
            finally:
                self._add(name, sign * (perf_counter() - start))
            yield item

    def _add(self, name: str, seconds: float) -> None:
        with self._lock:
            self.seconds[name] += seconds


def speed_lines(times: Mapping[str, StageTimes], process: str = "") -> list[str]:
    """One line for each video, by its name, one for all of this process, and how to read them."""
    if not times:
        return []
    lines = [f"{name}: {each.summary()}" for name, each in times.items()]
    if len(times) > 1:
        lines.append(
            f"all {counted(len(times), 'video')}{process}: {reduce(add, times.values()).summary()}"
        )
    return [*lines, "Stages work side by side: their shares of the time may exceed 100 %."]


def _percent(share: float) -> str:
    value = 100 * share
    return f"{value:.1f} %" if value < 9.95 else f"{value:.0f} %"
