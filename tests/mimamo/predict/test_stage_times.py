"""What is counted for which stage, by a clock that the tests move."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from mimamo.predict import stage_times
from mimamo.predict.stage_times import STAGES, StageTimes, speed_lines


class Clock:
    """Each thread's seconds, which pass only where a test says so."""

    def __init__(self) -> None:
        self._local = threading.local()

    def __call__(self) -> float:
        return getattr(self._local, "seconds", 0.0)

    def sleep(self, seconds: float) -> None:
        self._local.seconds = self() + seconds


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(stage_times, "perf_counter", clock)
    return clock


def slowly(clock: Clock, count: int):
    for number in range(count):
        clock.sleep(1)
        yield number


def test_blocks_and_items_are_counted_for_their_stage(clock):
    times = StageTimes()
    with times.stage("network"):
        clock.sleep(1)
    for _ in times.making("decode", slowly(clock, 3)):
        clock.sleep(1)  # not decoding
    assert times.seconds == dict.fromkeys(STAGES, 0) | {"network": 1, "decode": 3}


def test_waiting_for_another_stage_is_not_counted(clock):
    times = StageTimes()

    def detected(frames):
        for frame in frames:
            clock.sleep(2)
            yield frame

    frames = times.waiting("detection", times.making("decode", slowly(clock, 3)))
    assert list(times.making("detection", detected(frames))) == [0, 1, 2]
    assert times.seconds["detection"] == 6
    assert times.seconds["decode"] == 3


def test_a_block_that_fails_is_counted(clock):
    times = StageTimes()

    def fail():
        with times.whole(), times.stage("writing"):
            clock.sleep(1)
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert times.elapsed == times.seconds["writing"] == 1


def test_threads_add_up(clock):
    times = StageTimes()

    def work(_):
        for _ in range(200):
            with times.stage("backbone"):
                clock.sleep(1)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert times.seconds["backbone"] == 800


def test_videos_add_up():
    first, second = StageTimes(frames=100, elapsed=2.0), StageTimes(frames=50, elapsed=3.0)
    first.seconds["decode"], second.seconds["decode"] = 1.0, 1.5
    both = first + second
    assert (both.frames, both.elapsed, both.frames_per_second) == (150, 5.0, 30.0)
    assert both.share("decode") == 0.5
    assert set(both.seconds) == set(STAGES)
    assert StageTimes().frames_per_second == StageTimes().share("decode") == 0


def test_lines_name_the_videos_and_the_backbone():
    one = StageTimes(frames=100, elapsed=2.0, backbone="ResNet50 (float32)")
    one.seconds["backbone"], one.seconds["decode"] = 1.5, 0.1
    shares = "decode 5.0 %, detection 0.0 %, ResNet50 (float32) 75 %, phase 0.0 %, network 0.0 %"
    line = f"frames in 2.0 s, 50.0 frames/s; {shares}, writing 0.0 %"
    assert speed_lines({}) == []
    assert speed_lines({"a": one})[:-1] == [f"a: 100 {line}"]
    lines = speed_lines({"a": one, "b": one})
    assert lines[1] == f"b: 100 {line}"
    assert lines[2] == f"all 2 videos: 200 {line.replace('2.0 s', '4.0 s')}"
