"""Doing several things at once: a thread that works ahead, and cores shared among workers."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Generic, TypeVar

import cv2
import torch

T = TypeVar("T")

_MOST_WORKERS = 8  # a face is found in no less than an eighth of the time its features may take


class ReadAhead(Generic[T]):
    """An iterator whose items are made in a thread of their own, at most `depth` of them ahead.

    What making an item raises is raised where the item would have come. Use it as a context
    manager: leaving it ends the thread, wherever it is, once the item it is making is done.
    """

    def __init__(self, items: Iterable[T], depth: int, name: str) -> None:
        self._queue: queue.Queue[tuple[bool, Any]] = queue.Queue(depth)  # (is an item, it)
        self._closing = False
        self._ended = False
        self._thread = threading.Thread(target=self._make, args=(items,), name=name, daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        if self._ended:
            raise StopIteration
        is_item, value = self._queue.get()
        if is_item:
            return value
        self._ended = True
        if value is not None:
            raise value
        raise StopIteration

    def close(self) -> None:
        """End the thread and forget what it has made; there are no more items."""
        self._ended = self._closing = True
        while self._thread.is_alive():
            try:  # it may be waiting for a place in the queue
                self._queue.get(timeout=0.01)
            except queue.Empty:
                continue

    def __enter__(self) -> ReadAhead[T]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _make(self, items: Iterable[T]) -> None:
        failure = None
        try:
            for item in items:
                if self._closing:
                    return
                self._queue.put((True, item))
        except BaseException as error:  # whatever it is, it belongs to whoever waits for the item
            failure = error
        self._queue.put((False, failure))


class Workers(ThreadPoolExecutor):
    """`count` threads, for each of which torch computes in that thread alone."""

    def __init__(self, count: int) -> None:
        super().__init__(count, "mimamo-worker", torch.set_num_threads, (1,))
        self.count = count


@contextmanager
def workers(device: torch.device | str) -> Iterator[Workers]:
    """Give a pool of threads that, with one thread beside them that uses OpenCV, fill the cores.

    On a CPU there are as many workers as torch has threads, each of which computes by itself:
    workers on different batches never wait for each other, whereas threads that share an operation
    meet at its end, and the slower half delays both whenever something else needs a core.
    OpenCV gets one core in four. A GPU gets one worker.

    The numbers of threads of torch and OpenCV belong to the process; they are as before
    afterwards. Leaving waits for what is being computed, and drops what has not begun.
    """
    torch_threads, cv2_threads = torch.get_num_threads(), cv2.getNumThreads()
    on_cpu = torch.device(device).type == "cpu"
    count = min(torch_threads, _MOST_WORKERS) if on_cpu else 1
    if on_cpu:
        cv2.setNumThreads(max(1, torch_threads // 4))
    pool = Workers(count)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(torch_threads)
        cv2.setNumThreads(cv2_threads)
