"""Doing several things at once: a thread that works ahead, and cores shared among workers."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

import cv2
import torch

T = TypeVar("T")

_MOST_WORKERS = 8  # a face is found in no less than an eighth of the time its features may take
_MOST_DECODERS = 4


def ahead(
    items: Iterable[T], depth: int = 1, name: str = "mimamo-ahead"
) -> Generator[T, None, None]:
    """Yield items that are made in a thread of their own, at most `depth` of them ahead.

    What making an item raises is raised where the item would have come. Closing the generator ends
    the thread once the item it is making is done.
    """
    iterator = iter(items)
    pool = ThreadPoolExecutor(1, name)
    try:
        waiting = deque(pool.submit(list, islice(iterator, 1)) for _ in range(depth))
        while item := waiting.popleft().result():
            waiting.append(pool.submit(list, islice(iterator, 1)))
            yield item[0]
    finally:
        pool.shutdown(cancel_futures=True)


class Workers(ThreadPoolExecutor):
    """`count` threads, in each of which torch computes with so many `threads`: alone with 1."""

    def __init__(self, count: int, threads: int = 1) -> None:
        super().__init__(count, "mimamo-worker", torch.set_num_threads, (threads,))
        self.count = count


@contextmanager
def pool_of(count: int | None) -> Iterator[ThreadPoolExecutor]:
    """Give a pool of so many threads (None: the machine's cores).

    Leaving waits for what has begun, and drops what has not: the executor's own way out does all
    that it was given, even where a signal asks the process to end.
    """
    pool = ThreadPoolExecutor(count or os.cpu_count())
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def decoders(device: torch.device | str) -> int:
    """How many of FFmpeg's threads decode a film.

    One beside networks on a CPU, where others would take the cores from them. A GPU waits for
    films: up to four, of half the cores that are this process's.
    """
    if torch.device(device).type == "cpu":
        return 1
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", 1))  # as torchrun says
    return min(_MOST_DECODERS, max(1, (os.cpu_count() or 1) // (2 * processes)))


@contextmanager
def workers(device: torch.device | str, features_every: int = 1) -> Iterator[Workers]:
    """Give a pool of threads that, with one thread beside them that uses OpenCV, fill the cores.

    On a CPU there are as many workers as torch has threads, each of which computes by itself:
    workers on different batches never wait for each other, whereas threads that share an operation
    meet at its end, and the slower half delays both whenever something else needs a core.
    OpenCV, which finds the faces, gets one core in four; where features are of every Nth face
    alone, as many as faces then take of the time, N in N + 1. A GPU gets one worker.

    The numbers of threads of torch and OpenCV belong to the process; they are as before
    afterwards. Leaving waits for what is being computed, and drops what has not begun.
    """
    torch_threads, cv2_threads = torch.get_num_threads(), cv2.getNumThreads()
    on_cpu = torch.device(device).type == "cpu"
    count = min(torch_threads, _MOST_WORKERS) if on_cpu else 1
    if on_cpu:
        rare = -(-torch_threads * features_every // (features_every + 1))
        cv2.setNumThreads(rare if features_every > 1 else max(1, torch_threads // 4))
    pool = Workers(count)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(torch_threads)
        cv2.setNumThreads(cv2_threads)
