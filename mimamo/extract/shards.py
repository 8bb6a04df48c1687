"""Sharing the videos of a data set among processes started by ``torchrun``."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mimamo.data.cache import MANIFEST
from mimamo.data.dataset import DatasetVideo
from mimamo.errors import InputError

_WAIT = 1800.0  # seconds for the first process to prepare the cache
_POLL = 0.2


@dataclass(frozen=True)
class Shard:
    """One of several processes: number `index` of `count`, from 0."""

    index: int = 0
    count: int = 1

    @classmethod
    def from_environment(cls) -> Shard:
        """What ``torchrun`` says; the only one without it. Processes need not know each other.

        Raises InputError if it says nothing sensible.
        """
        index, count = (os.environ.get(name, d) for name, d in (("RANK", "0"), ("WORLD_SIZE", "1")))
        if not (index.isdecimal() and count.isdecimal() and int(index) < int(count)):
            raise InputError(
                "RANK, WORLD_SIZE: expected a process's number, from 0, and how many there are, "
                f"got {index!r} and {count!r}"
            )
        return cls(int(index), int(count))

    @property
    def lock(self) -> tuple[str, ...]:
        """The parts of a cache that it keeps to itself, as for `locked`; none: all of it."""
        return (f"shard-{self.index + 1}",) if self.count > 1 else ()

    def share(self, videos: Sequence[DatasetVideo]) -> list[DatasetVideo]:
        """This process's videos: the largest first, each to whoever has least so far."""
        sizes = {video.name: size_of(video) for video in videos}
        loads = [0] * self.count
        mine = []
        for video in sorted(videos, key=lambda v: (-sizes[v.name], v.name)):
            index = loads.index(min(loads))
            loads[index] += sizes[video.name]
            if index == self.index:
                mine.append(video)
        return mine


def size_of(video: DatasetVideo) -> int:
    """About how much work a video is: images, or bytes of a video file."""
    with suppress(OSError):  # reading it will tell
        if video.source.is_dir():
            return sum(1 for _ in os.scandir(video.source))
        return video.source.stat().st_size
    return 0


def wait_for_manifest(root: Path) -> None:
    """Wait until the first process has prepared the cache. Raises InputError after half an hour."""
    end = time.monotonic() + _WAIT
    while not (root / MANIFEST).exists():
        if time.monotonic() > end:
            raise InputError(f"{root / MANIFEST}: the first process has not written it")
        time.sleep(_POLL)
