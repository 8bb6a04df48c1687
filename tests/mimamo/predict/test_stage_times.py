"""What is counted for which stage."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from mimamo.predict.stage_times import STAGES, StageTimes

SLEEP = 0.03


def slowly(count: int):
    for number in range(count):
        time.sleep(SLEEP)
        yield number


def test_blocks_and_items_are_counted_for_their_stage():
    times = StageTimes()
    with times.stage("network"):
        time.sleep(SLEEP)
    for _ in times.making("decode", slowly(3)):
        time.sleep(SLEEP)  # not decoding
    assert times.seconds["network"] == pytest.approx(SLEEP, abs=SLEEP / 2)
    assert times.seconds["decode"] == pytest.approx(3 * SLEEP, abs=SLEEP)
    assert sum(times.seconds.values()) == times.seconds["network"] + times.seconds["decode"]


def test_waiting_for_another_stage_is_not_counted():
    times = StageTimes()

    def detected(frames):
        for frame in frames:
            time.sleep(SLEEP)
            yield frame

    frames = times.waiting("detection", times.making("decode", slowly(3)))
    assert list(times.making("detection", detected(frames))) == [0, 1, 2]
    assert times.seconds["detection"] == pytest.approx(3 * SLEEP, abs=SLEEP)
    assert times.seconds["decode"] == pytest.approx(3 * SLEEP, abs=SLEEP)


def test_a_block_that_fails_is_counted():
    times = StageTimes()

    def fail():
        with times.whole(), times.stage("writing"):
            time.sleep(SLEEP)
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert times.elapsed >= times.seconds["writing"] >= SLEEP


def test_threads_add_up():
    times = StageTimes()

    def work(_):
        for _ in range(200):
            with times.stage("ResNet50"):
                pass
        with times.stage("phase"):
            time.sleep(SLEEP)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert times.seconds["phase"] >= 4 * SLEEP
    assert 0 < times.seconds["ResNet50"] < 1


def test_videos_add_up():
    first, second = StageTimes(frames=100, elapsed=2.0), StageTimes(frames=50, elapsed=3.0)
    first.seconds["decode"], second.seconds["decode"] = 1.0, 1.5
    both = first + second
    assert (both.frames, both.elapsed, both.frames_per_second) == (150, 5.0, 30.0)
    assert both.share("decode") == 0.5
    assert set(both.seconds) == set(STAGES)
    assert StageTimes().frames_per_second == StageTimes().share("decode") == 0
