"""Working ahead and sharing cores: order, bounds, failures, and that every thread ends."""

from __future__ import annotations

import threading
import time
from contextlib import closing

import cv2
import pytest
import torch

from mimamo.threads import ahead, pool_of, workers


def alive(name: str) -> bool:
    return any(thread.name.startswith(name) for thread in threading.enumerate())


class TestAhead:
    def test_gives_all_items_in_order(self):
        with closing(ahead(iter(range(1000)), 3, "test-order")) as items:
            assert list(items) == list(range(1000))
            assert list(items) == []
        assert list(ahead([])) == []

    def test_works_in_another_thread(self):
        with closing(
            ahead((threading.current_thread() for _ in range(1)), 1, "test-thread")
        ) as items:
            assert next(items) is not threading.current_thread()

    def test_the_next_is_made_meanwhile(self):
        made = threading.Event()

        def items():
            yield 1
            made.set()
            yield 2

        iterator = ahead(items())
        assert next(iterator) == 1
        assert made.wait(60)

    @pytest.mark.parametrize("depth", [1, 4])
    def test_is_never_further_ahead_than_told(self, depth):
        made = []

        def source():
            for number in range(50):
                made.append(number)
                yield number

        with closing(ahead(source(), depth, "test-depth")) as items:
            for number in range(10):
                assert next(items) == number
                time.sleep(0.01)
                assert len(made) <= number + 1 + depth  # what was taken, and what waits
        assert len(made) < 20

    @pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt(), SystemExit(3)])
    def test_an_error_comes_where_the_item_would_have(self, error):
        def source():
            yield 1
            yield 2
            raise error

        with closing(ahead(source(), 8, "test-error")) as items:
            assert [next(items), next(items)] == [1, 2]
            with pytest.raises(type(error)) as raised:
                next(items)
            assert raised.value is error
            with pytest.raises(StopIteration):
                next(items)

    def test_leaving_early_ends_the_thread_wherever_it_is(self):
        def endless():
            while True:
                yield bytes(10)

        def leave():
            with closing(ahead(endless(), 2, "test-leaving")) as items:
                next(items)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            leave()
        assert not alive("test-leaving")

    def test_a_chain_ends_from_its_end(self):
        def endless():
            while True:
                time.sleep(0.001)
                yield 0

        with (
            closing(ahead(endless(), 2, "test-chain-a")) as first,
            closing(ahead((item + 1 for item in first), 2, "test-chain-b")) as second,
        ):
            assert next(second) == 1
        assert not alive("test-chain")

    def test_an_error_after_leaving_is_nobodys(self):
        begun = threading.Event()

        def source():
            yield 0
            begun.set()
            time.sleep(0.05)
            raise ValueError("late")

        with closing(ahead(source(), 1, "test-late")) as items:
            assert next(items) == 0
            assert begun.wait(60)
        assert not alive("test-late")


def begun_before_an_interrupt(pool, count):
    """How many of 50 tasks begin if an interrupt comes as soon as all of `count` threads have one.

    They go on until the last task is dropped.
    """
    begun, tasks = threading.Semaphore(0), []
    patience = time.monotonic() + 30

    def work():
        begun.release()
        while not (tasks and tasks[-1].cancelled()) and time.monotonic() < patience:
            time.sleep(0.001)

    def interrupted():
        with pool as threads:
            for _ in range(50):
                tasks.append(threads.submit(work))
            for _ in range(count):
                assert begun.acquire(timeout=30)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    while begun.acquire(blocking=False):
        count += 1
    return count


def test_a_pool_drops_what_has_not_begun():
    assert begun_before_an_interrupt(pool_of(2), 2) == 2


class TestWorkers:
    def test_fill_the_cores_and_put_everything_back(self):
        before = torch.get_num_threads(), cv2.getNumThreads()
        try:
            torch.set_num_threads(3)
            cv2.setNumThreads(2)
            with workers("cpu") as pool:
                barrier = threading.Barrier(3, timeout=60)  # three at a time, or none gets by

                def task(_):
                    barrier.wait()
                    return torch.get_num_threads()

                assert list(pool.map(task, range(6))) == [1] * 6
                assert torch.get_num_threads() == 3
                assert cv2.getNumThreads() == 1
            assert (torch.get_num_threads(), cv2.getNumThreads()) == (3, 2)
            # A thread that begins afterwards has them all, too.
            with closing(ahead((torch.get_num_threads() for _ in range(1)), 1, "test-new")) as new:
                assert next(new) == 3
        finally:
            torch.set_num_threads(before[0])
            cv2.setNumThreads(before[1])

    @pytest.mark.parametrize(
        ("threads", "every", "finding"), [(2, 1, 1), (2, 2, 2), (8, 1, 2), (8, 3, 6), (1, 5, 1)]
    )
    def test_rare_features_leave_cores_to_finding_faces(self, threads, every, finding):
        before = torch.get_num_threads(), cv2.getNumThreads()
        try:
            torch.set_num_threads(threads)
            with workers("cpu", every):
                assert cv2.getNumThreads() == finding
        finally:
            torch.set_num_threads(before[0])
            cv2.setNumThreads(before[1])

    def test_a_gpu_has_one(self):
        with workers("cuda") as pool:
            assert pool.count == 1

    def test_what_has_not_begun_is_dropped(self):
        count = min(torch.get_num_threads(), 8)
        assert begun_before_an_interrupt(workers("cpu"), count) == count
        assert not alive("mimamo-worker")
