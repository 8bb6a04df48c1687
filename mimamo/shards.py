"""Sharing videos among processes started by ``torchrun``."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from mimamo.errors import InputError

_LONGEST = timedelta(days=30)  # that the first to end may wait for the last
_POLL = 0.2  # seconds


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

    @property
    def name(self) -> str:
        """Such as " (process 1 of 2)"; empty for the only one."""
        return f" (process {self.index + 1} of {self.count})" * (self.count > 1)

    def share(self, videos: Sequence[Path]) -> list[int]:
        """Which are this process's: the largest first, each to whoever has least so far.

        All processes have to give the same videos in the same order.
        """
        sizes = [size_of(video) for video in videos]
        loads = [0] * self.count
        mine = []
        for number in sorted(range(len(videos)), key=lambda number: -sizes[number]):
            index = loads.index(min(loads))
            loads[index] += sizes[number]
            if index == self.index:
                mine.append(number)
        return mine


ALL = Shard()


def size_of(video: Path) -> int:
    """About how much work a video is: images, or bytes of a video file."""
    with suppress(OSError):  # reading it will tell
        if video.is_dir():
            return sum(1 for _ in os.scandir(video))
        return video.stat().st_size
    return 0


@contextmanager
def ending_together() -> Iterator[None]:
    """Leave only when all processes of ``torchrun`` do, which ends all once one has failed.

    Processes that others start are left alone, and so is one that leaves by an exception.
    """
    import torch.distributed as dist

    if not dist.is_torchelastic_launched() or dist.is_initialized():
        yield
        return
    dist.init_process_group("gloo", timeout=_LONGEST)
    yield
    waiting = dist.barrier(async_op=True)
    while not waiting.is_completed():  # signals are heard meanwhile
        time.sleep(_POLL)
    dist.destroy_process_group()
