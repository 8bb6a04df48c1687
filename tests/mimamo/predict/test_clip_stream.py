"""Clips of a video that is still being read: the same as of one read whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mimamo.data.clips import clip_starts, context_indices
from mimamo.predict.clip_stream import ClipStream

LENGTH = 8


def video(total: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Features and frames that tell which they are."""
    numbers = torch.arange(total)
    return numbers[:, None].float(), numbers.to(torch.uint8)[:, None, None].expand(-1, 2, 2)


def streamed(stream: ClipStream, total: int, sizes) -> list:
    features, frames = video(total)
    clips, start = [], 0
    while start < total:
        stop = start + next(sizes)
        clips += stream.push(features[start:stop], frames[start:stop])
        start = stop
    return clips + list(stream.finish())


@pytest.mark.parametrize("total", [1, 2, 5, 7, 8, 9, 11, 12, 15, 16, 17, 23, 24, 25, 60])
@pytest.mark.parametrize(("num_phase", "stride"), [(12, 8), (4, 8), (4, 3), (1, 8), (3, 1)])
def test_clips_are_those_of_the_whole_video(total, num_phase, stride):
    rng = np.random.default_rng(total)
    for sizes in (iter([total]), iter([1] * total), iter(lambda: int(rng.integers(1, 9)), 0)):
        stream = ClipStream(num_phase, LENGTH, stride)
        clips = streamed(stream, total, sizes)
        assert stream.total == total
        assert [clip.start for clip in clips] == clip_starts(total, LENGTH, stride)
        length = min(LENGTH, total)
        for clip in clips:
            np.testing.assert_array_equal(
                clip.features[:, 0], np.arange(clip.start, clip.start + length)
            )
            around = context_indices(clip.start, length, num_phase, total)
            np.testing.assert_array_equal(clip.frames[:, 0, 0], around)


def test_a_clip_comes_as_soon_as_its_context_is_there():
    stream = ClipStream(4, LENGTH, LENGTH)
    features, frames = video(30)
    assert list(stream.push(features[:9], frames[:9])) == []
    (clip,) = stream.push(features[9:10], frames[9:10])  # two frames after it
    assert clip.start == 0


def test_what_is_held_does_not_grow():
    stream = ClipStream(12, LENGTH, LENGTH)
    features, frames = video(5)
    held = []
    for _ in range(100):
        list(stream.push(features, frames))
        held.append(len(stream._frames))
        assert stream._frames.untyped_storage().nbytes() <= 4 * 40  # no view of something longer
    assert max(held) <= 2 * LENGTH + 12 + 5


def test_no_frames_give_no_clips():
    stream = ClipStream(12)
    assert list(stream.finish()) == []
    features, frames = video(3)
    assert list(stream.push(features[:0], frames[:0])) == []
    assert list(stream.finish()) == []
