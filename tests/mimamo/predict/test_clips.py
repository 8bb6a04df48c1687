"""From sequences to predictions: how clips are cut, batched and put together again."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mimamo import MIMAMONet
from mimamo.data.clips import clip_starts, context_indices
from mimamo.model.features import phase_windows
from mimamo.predict.clips import (
    ClipAverages,
    ClipStream,
    Cut,
    EmbeddedClip,
    EmbeddedClips,
    predict_sequence,
)

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

    @pytest.mark.parametrize("frames", [2 * CLIP, 2 * CLIP + 1, 3 * CLIP - 1])
    @pytest.mark.parametrize("stride", [None, 1, 3, CLIP - 1])
    def test_overlaps_are_averaged(self, tiny_network, frames, stride):
        """By weights that rise and fall over the overlap, but not at the ends of the video."""
        features, grey = make_video(tiny_network, frames)
        actual = predict_sequence(tiny_network, features, grey, CLIP, stride)
        sums, weights, fade = np.zeros((frames, 2)), np.zeros((frames, 1)), CLIP - (stride or 4)
        for start in clip_starts(frames, CLIP, stride or CLIP // 2):
            own = predict_one(tiny_network, features, grey, start, start + CLIP)
            for place in range(CLIP):
                before = place + 1 if start else np.inf
                after = CLIP - place if start + CLIP < frames else np.inf
                weight = min(1, before / (fade + 1), after / (fade + 1))
                sums[start + place] += weight * own[place]
                weights[start + place] += weight
        close(actual, sums / weights)

    def test_a_clip_passes_into_the_next_without_a_step(self):
        """Where each clip says another constant, as it might of frames that it knows nothing of."""
        clips = [EmbeddedClip(start, torch.empty(0)) for start in clip_starts(200, 64, 32)]
        averages = ClipAverages(32)
        for number, clip in enumerate(clips):
            averages.add([clip], np.full((1, 64, 2), number % 2, float))
        assert np.abs(np.diff(averages.values(200), axis=0)).max() < 0.05

    def test_disjoint_clips_are_to_the_bit_what_the_network_gives(self, tiny_network):
        """As before clips overlapped: four to a batch, the last one aligned to the end."""
        features, grey = make_video(tiny_network, 6 * CLIP + 3)
        actual = predict_sequence(tiny_network, features, grey, CLIP, CLIP)
        starts, num_phase = clip_starts(len(grey), CLIP, CLIP), tiny_network.config.num_phase
        sums, counts = np.zeros((len(grey), 2)), np.zeros((len(grey), 1))
        for batch in (starts[:4], starts[4:]):
            around = [context_indices(start, CLIP, num_phase, len(grey)) for start in batch]
            frames = torch.from_numpy(np.stack([grey[own] for own in around]))
            own = torch.from_numpy(np.stack([features[start : start + CLIP] for start in batch]))
            with torch.inference_mode():
                phases = phase_windows(frames, tiny_network.config, context=True)
                values = tiny_network(own, phases).double().numpy()
            for start, clip in zip(batch, values, strict=True):
                sums[start : start + CLIP] += clip
                counts[start : start + CLIP] += 1
        np.testing.assert_array_equal(actual, (sums / counts).astype(np.float32))

    @pytest.mark.parametrize("frames", [1, CLIP - 1, CLIP, CLIP + 1, 5 * CLIP + 3])
    def test_the_whole_is_one_pass(self, tiny_network, frames):
        features, grey = make_video(tiny_network, frames)
        actual = predict_sequence(tiny_network, features, grey, CLIP, whole=True)
        close(actual, predict_one(tiny_network, features, grey, 0, frames))

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
            ({"stride": 65}, "stride: expected 1 to 64, the frames of a clip, got 65"),
            ({"stride": 0}, "stride: expected 1 to 100000 frames, got 0"),
            ({"stride": 8, "whole": True}, "stride: expected none with whole, got 8"),
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
        stream, embedded = ClipStream(num_phase, CLIP), EmbeddedClips(CLIP, stride)
        whole, parts, wholes = EmbeddedClips(*Cut(whole=True).of(CLIP)), [], []
        clips = streamed(stream, total, sizes)
        assert [clip.start for clip in clips] == clip_starts(total, CLIP, CLIP)
        assert [clip.is_last for clip in clips] == [False] * (len(clips) - 1) + [True]
        length = min(CLIP, total)
        for clip in clips:
            np.testing.assert_array_equal(
                clip.features[:, 0], np.arange(clip.start, clip.start + length)
            )
            around = context_indices(clip.start, length, num_phase, total)
            np.testing.assert_array_equal(clip.frames[:, 0, 0], around)
            parts += embedded.push(clip, clip.features)
            wholes += whole.push(clip, clip.features)
            assert sum(len(rows) for _, rows in embedded._held) <= 3 * CLIP
        assert [part.start for part in parts] == clip_starts(total, CLIP, stride)
        for start, rows in parts:
            np.testing.assert_array_equal(rows[:, 0], np.arange(start, start + length))
        ((start, rows),) = wholes
        np.testing.assert_array_equal(rows[:, 0], np.arange(start, total))


def test_a_frame_embedded_twice_is_taken_from_the_last_clip():
    """As the last clip, which is aligned to the end, was predicted alone before."""
    stream, embedded = ClipStream(4, CLIP), EmbeddedClips(CLIP, CLIP)
    parts = []
    for number, clip in enumerate(streamed(stream, CLIP + 3, iter([CLIP + 3]))):
        parts += embedded.push(clip, torch.full((CLIP, 1), float(number)))
    assert [(part.start, part.frames.unique().tolist()) for part in parts] == [(0, [0]), (3, [1])]


def test_a_stride_is_half_a_clip_where_nothing_is_said():
    assert [Cut().of(length) for length in (64, 300, 1)] == [(64, 32), (300, 150), (1, 1)]
    assert Cut(64).of(64) == (64, 64)


def test_a_clip_comes_as_soon_as_its_context_is_there():
    stream = ClipStream(4, CLIP)
    features, frames = video(30)
    assert list(stream.push(features[:9], frames[:9])) == []
    (clip,) = stream.push(features[9:10], frames[9:10])  # two frames after it
    assert clip.start == 0


def test_what_is_held_does_not_grow():
    stream = ClipStream(12, CLIP)
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
