"""Cutting videos into clips: which frames, which context, which mask."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mimamo.data.clips import (
    ClipDataset,
    VideoSequence,
    annotated_clip_starts,
    clip_starts,
    context_indices,
)


def numbered_video(annotated: list[bool], name: str = "video") -> VideoSequence:
    """A video whose frame t has features, pixels and labels that all say t."""
    mask = torch.tensor(annotated)
    count = torch.arange(len(mask))
    labels = torch.stack([count / 1000, -count / 1000], dim=1).float()
    labels[~mask] = torch.nan
    return VideoSequence(
        name=name,
        features=count[:, None].expand(-1, 3).half(),
        frames=count[:, None, None].expand(-1, 2, 2).to(torch.uint8),
        labels=labels,
        annotated=mask,
    )


class TestClipStarts:
    @pytest.mark.parametrize(
        ("frames", "expected"),
        [
            (1, [0]),
            (64, [0]),
            (65, [0, 1]),
            (96, [0, 32]),
            (97, [0, 32, 33]),
            (200, [0, 32, 64, 96, 128, 136]),
        ],
    )
    def test_last_clip_is_aligned_to_the_end(self, frames: int, expected: list[int]) -> None:
        assert clip_starts(frames, 64, 32) == expected

    @pytest.mark.parametrize("stride", [1, 3, 5])
    def test_every_frame_is_covered_and_no_clip_comes_twice(self, stride: int) -> None:
        for frames in range(1, 40):
            starts = clip_starts(frames, 5, stride)
            covered = {start + i for start in starts for i in range(min(5, frames))}
            assert covered == set(range(frames))
            assert len(set(starts)) == len(starts)


class TestContext:
    @pytest.mark.parametrize("num_phase", [1, 2, 5, 12])
    @pytest.mark.parametrize("start", [0, 2, 9, 12])
    def test_windows_of_the_clip_are_windows_of_the_video(self, start: int, num_phase: int) -> None:
        frames, length = 20, 8
        indices = context_indices(start, length, num_phase, frames)
        for i in range(length):
            # Design: frame t's window is frames clamp(t - P//2 + j, 0, T - 1), j = 0..P.
            t = start + i
            window = [min(max(t - num_phase // 2 + j, 0), frames - 1) for j in range(num_phase + 1)]
            assert indices[i : i + num_phase + 1].tolist() == window


class TestAnnotatedClipStarts:
    def test_clips_run_from_the_first_to_the_last_annotated_frame(self) -> None:
        annotated = np.zeros(50, dtype=bool)
        annotated[7:30] = True
        assert annotated_clip_starts(annotated, 8, 4) == [7, 11, 15, 19, 22]

    def test_a_clip_without_an_annotated_frame_is_left_out(self) -> None:
        annotated = np.zeros(40, dtype=bool)
        annotated[[0, 1, 38, 39]] = True
        assert annotated_clip_starts(annotated, 8, 8) == [0, 32]

    def test_a_short_stretch_is_filled_up_with_the_frames_around_it(self) -> None:
        annotated = np.zeros(40, dtype=bool)
        annotated[37:39] = True
        assert annotated_clip_starts(annotated, 8, 4) == [32]
        assert annotated_clip_starts(annotated[::-1], 8, 4) == [1]

    def test_a_video_without_annotation_has_no_clips(self) -> None:
        assert annotated_clip_starts(np.zeros(40, dtype=bool), 8, 4) == []

    def test_every_annotated_frame_is_in_a_clip(self) -> None:
        random = np.random.default_rng(0)
        for _ in range(200):
            annotated = random.random(random.integers(1, 40)) < random.choice([0.05, 0.5, 1])
            starts = annotated_clip_starts(annotated, 8, 4)
            covered = {t for start in starts for t in range(start, start + 8)}
            assert set(np.flatnonzero(annotated)) <= covered
            assert starts == sorted(set(starts))
            assert all(0 <= start <= max(0, len(annotated) - 8) for start in starts)


class TestClipDataset:
    def test_clips_match_a_naive_oracle(self) -> None:
        random = np.random.default_rng(1)
        videos = [
            numbered_video((random.random(frames) < density).tolist(), name=str(frames))
            for frames, density in [(90, 0.9), (33, 0.2), (8, 1), (5, 0.8), (1, 1), (20, 0)]
        ]
        length, num_phase = 8, 4
        dataset = ClipDataset(videos, length=length, stride=4, num_phase=num_phase)
        expected = [
            (video, start)
            for video in videos
            for start in annotated_clip_starts(video.annotated.numpy(), length, 4)
        ]
        assert len(dataset) == len(expected) > 20
        for clip, (video, start) in zip(dataset, expected, strict=True):
            last = len(video) - 1
            own = [start + i for i in range(length)]
            around = [start - 2 + i for i in range(length + num_phase)]
            counts = [t <= last and bool(video.annotated[t]) for t in own]
            assert clip.features[:, 0].tolist() == [min(t, last) for t in own]
            assert clip.frames[:, 0, 0].tolist() == [min(max(t, 0), last) for t in around]
            assert clip.mask.tolist() == counts
            labels = [[t / 1000, -t / 1000] for t, count in zip(own, counts, strict=True) if count]
            torch.testing.assert_close(clip.labels[clip.mask], torch.tensor(labels))

    def test_context_uses_frames_without_annotation(self) -> None:
        annotated = [False] * 10 + [True] * 8 + [False] * 10
        (clip,) = ClipDataset([numbered_video(annotated)], length=8, stride=4, num_phase=6)
        assert clip.frames[:, 0, 0].tolist() == list(range(7, 21))
        assert clip.mask.all()

    def test_frames_added_to_a_short_video_do_not_count(self) -> None:
        (clip,) = ClipDataset([numbered_video([True] * 5)], length=8, stride=4, num_phase=2)
        assert clip.mask.tolist() == [True] * 5 + [False] * 3

    def test_indexing_past_the_end_raises(self) -> None:
        dataset = ClipDataset([numbered_video([True] * 8)], length=8, stride=4)
        with pytest.raises(IndexError):
            dataset[1]
