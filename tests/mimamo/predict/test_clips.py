"""From sequences to predictions: how clips are cut, batched and put together again."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mimamo import MIMAMONet
from mimamo.data.clips import clip_starts, context_indices
from mimamo.model.features import phase_windows
from mimamo.predict.clips import ClipStream, predict_sequence

CLIP = 8


def make_video(network: MIMAMONet, frames: int, seed: int = 0):
    """Random features and grey frames that move, ``[T, D]`` and uint8 ``[T, S, S]``."""
    rng = np.random.default_rng(seed)
    size = network.config.phase_size
    texture = rng.integers(0, 256, (size, size), dtype=np.uint8)
    grey = np.stack([np.roll(texture, shift, axis=1) for shift in rng.integers(0, 3, frames)])
    features = rng.random((frames, network.config.feature_dim), dtype=np.float32)
    return features, grey


def predict_one(network: MIMAMONet, features, grey, start: int, stop: int) -> np.ndarray:
    """One clip by itself, with phases of the whole video's windows."""
    phases = phase_windows(torch.from_numpy(grey)[None], network.config, context=False)
    with torch.inference_mode():
        clip = torch.from_numpy(features)[None, start:stop]
        return network(clip, tuple(x[:, start:stop] for x in phases))[0].numpy()


def close(actual: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5)


class TestClips:
    @pytest.mark.parametrize("frames", [1, 2, CLIP - 1, CLIP])
    def test_a_short_video_is_one_clip(self, tiny_network, frames):
        features, grey = make_video(tiny_network, frames)
        actual = predict_sequence(tiny_network, features, grey, CLIP, CLIP)
        assert actual.shape == (frames, 2)
        assert actual.dtype == np.float32
        close(actual, predict_one(tiny_network, features, grey, 0, frames))

    def test_clips_follow_each_other(self, tiny_network):
        features, grey = make_video(tiny_network, 3 * CLIP)
        actual = predict_sequence(tiny_network, features, grey, CLIP, CLIP)
        for start in (0, CLIP, 2 * CLIP):
            expected = predict_one(tiny_network, features, grey, start, start + CLIP)
            close(actual[start : start + CLIP], expected)

    def test_the_last_clip_ends_with_the_video(self, tiny_network):
        features, grey = make_video(tiny_network, 2 * CLIP + 3)
        actual = predict_sequence(tiny_network, features, grey, CLIP, CLIP)
        second = predict_one(tiny_network, features, grey, CLIP, 2 * CLIP)
        last = predict_one(tiny_network, features, grey, CLIP + 3, 2 * CLIP + 3)
        close(actual[CLIP : CLIP + 3], second[:3])
        close(actual[CLIP + 3 : 2 * CLIP], (second[3:] + last[:-3]) / 2)
        close(actual[2 * CLIP :], last[-3:])

    def test_overlaps_are_averaged(self, tiny_network):
        features, grey = make_video(tiny_network, 2 * CLIP)
        actual = predict_sequence(tiny_network, features, grey, CLIP, CLIP // 2)
        starts = (0, CLIP // 2, CLIP)
        clips = [predict_one(tiny_network, features, grey, s, s + CLIP) for s in starts]
        half = CLIP // 2
        close(actual[:half], clips[0][:half])
        close(actual[half:CLIP], (clips[0][half:] + clips[1][:half]) / 2)
        close(actual[CLIP : CLIP + half], (clips[1][half:] + clips[2][:half]) / 2)
        close(actual[CLIP + half :], clips[2][half:])

    def test_a_clip_sees_the_frames_around_it(self, tiny_network):
        features, grey = make_video(tiny_network, 3 * CLIP)
        before = predict_sequence(tiny_network, features, grey, CLIP, CLIP)
        grey[CLIP - 1] = 255 - grey[CLIP - 1]  # the last frame before the second clip
        after = predict_sequence(tiny_network, features, grey, CLIP, CLIP)
        change = np.abs(after - before)
        assert change[CLIP : 2 * CLIP].max() > 1e-3
        assert change[2 * CLIP :].max() < 1e-5

    def test_no_frames(self, tiny_network):
        features, grey = make_video(tiny_network, 1)
        actual = predict_sequence(tiny_network, features[:0], grey[:0])
        assert actual.shape == (0, 2)


class TestExecution:
    @pytest.mark.parametrize("batch_size", [1, 2, 3, 50])
    def test_batches_do_not_change_the_result(self, tiny_network, batch_size):
        features, grey = make_video(tiny_network, 5 * CLIP + 1)
        expected = predict_sequence(tiny_network, features, grey, CLIP, CLIP - 2, batch_size=4)
        actual = predict_sequence(tiny_network, features, grey, CLIP, CLIP - 2, batch_size)
        close(actual, expected)

    def test_twice_is_the_same(self, tiny_network):
        features, grey = make_video(tiny_network, 3 * CLIP)
        first = predict_sequence(tiny_network, features, grey, CLIP, CLIP)
        assert np.array_equal(first, predict_sequence(tiny_network, features, grey, CLIP, CLIP))

    def test_double_precision_is_used_throughout(self, tiny_network):
        features, grey = make_video(tiny_network, CLIP)
        network = tiny_network.double()
        phases = phase_windows(torch.from_numpy(grey / 255)[None], network.config, context=False)
        with torch.inference_mode():
            expected = network(torch.from_numpy(features)[None].double(), phases)[0].numpy()
        actual = predict_sequence(network, features, grey, CLIP, CLIP)
        np.testing.assert_array_equal(actual, expected.astype(np.float32))

    def test_leaves_the_mode_of_the_network(self, tiny_network):
        features, grey = make_video(tiny_network, CLIP)
        expected = predict_sequence(tiny_network, features, grey, CLIP, CLIP)
        tiny_network.train()
        actual = predict_sequence(tiny_network, features, grey, CLIP, CLIP)
        assert tiny_network.training
        close(actual, expected)

    def test_tensors_and_half_precision_features(self, tiny_network):
        features, grey = make_video(tiny_network, CLIP)
        half = torch.from_numpy(features).half()
        actual = predict_sequence(tiny_network, half, torch.from_numpy(grey), CLIP, CLIP)
        close(actual, predict_sequence(tiny_network, half.float(), grey, CLIP, CLIP))


class TestBadInput:
    @pytest.mark.parametrize(
        ("change", "match"),
        [
            ({"features": np.zeros((5, 11))}, r"features: expected \[T, 10\], got \[5, 11\]"),
            ({"features": np.zeros((4, 10))}, r"frames: expected uint8 \[4, 16, 16\], got"),
            ({"frames": np.zeros((5, 16, 16))}, r"frames: expected uint8 .* got torch.float64"),
            ({"frames": np.zeros((5, 48, 48), np.uint8)}, r"frames: expected .* \[5, 48, 48\]"),
            ({"clip_length": 0}, "clip_length, batch_size: expected at least 1, got 0"),
            ({"batch_size": 0}, "clip_length, batch_size: expected at least 1, got 64, 0"),
            ({"stride": 65}, r"stride: expected 1 to clip_length \(64\), got 65"),
            ({"stride": 0}, r"stride: expected 1 to clip_length \(64\), got 0"),
        ],
    )
    def test_is_named(self, tiny_network, change, match):
        features, grey = make_video(tiny_network, 5)
        with pytest.raises(ValueError, match=match):
            predict_sequence(tiny_network, **({"features": features, "frames": grey} | change))


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
        stream = ClipStream(num_phase, CLIP, stride)
        clips = streamed(stream, total, sizes)
        assert stream.total == total
        assert [clip.start for clip in clips] == clip_starts(total, CLIP, stride)
        length = min(CLIP, total)
        for clip in clips:
            np.testing.assert_array_equal(
                clip.features[:, 0], np.arange(clip.start, clip.start + length)
            )
            around = context_indices(clip.start, length, num_phase, total)
            np.testing.assert_array_equal(clip.frames[:, 0, 0], around)


def test_a_clip_comes_as_soon_as_its_context_is_there():
    stream = ClipStream(4, CLIP, CLIP)
    features, frames = video(30)
    assert list(stream.push(features[:9], frames[:9])) == []
    (clip,) = stream.push(features[9:10], frames[9:10])  # two frames after it
    assert clip.start == 0


def test_what_is_held_does_not_grow():
    stream = ClipStream(12, CLIP, CLIP)
    features, frames = video(5)
    held = []
    for _ in range(100):
        list(stream.push(features, frames))
        held.append(len(stream._frames))
        assert stream._frames.untyped_storage().nbytes() <= 4 * 40  # no view of something longer
    assert max(held) <= 2 * CLIP + 12 + 5


def test_no_frames_give_no_clips():
    stream = ClipStream(12)
    assert list(stream.finish()) == []
    features, frames = video(3)
    assert list(stream.push(features[:0], frames[:0])) == []
    assert list(stream.finish()) == []
