"""From folders of faces to what the network needs: the right annotation for the right image."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch

from mimamo import InputError
from mimamo.data import AffWild2, ClipDataset
from mimamo.training import extract_features
from mimamo.training.features import sample_crops

GREY_STEP = 4  # the image of frame n is a plain grey of 4n, which survives JPEG


def plain(number: int) -> np.ndarray:
    return np.full((112, 112, 3), GREY_STEP * number, np.uint8)


def number_in(values: torch.Tensor) -> list[int]:
    """The frame numbers in features or grey frames."""
    return (values.float() / GREY_STEP).round().int().tolist()


@pytest.fixture
def gaps(tmp_path: Path, add_video) -> Path:
    """40 frames; 1-3, 11-12 and 40 without an image; 4, 15-17 and 38-39 not annotated."""
    numbers = [n for n in range(1, 41) if n not in (1, 2, 3, 11, 12, 40)]
    annotations = [(n / 100, -n / 100) for n in range(1, 38)]  # none for 38, 39, 40
    annotations[4 - 1] = (-5, -5)
    annotations[15 - 1 : 17] = [(-5, 0.5), (0.5, -5), (-5, -5)]
    add_video(tmp_path, "Train_Set", "gaps", {n: plain(n) for n in numbers}, annotations)
    return tmp_path


class TestMatching:
    def test_images_meet_their_own_annotations(self, gaps: Path, pixel_backbone) -> None:
        videos = AffWild2(gaps).videos("Train_Set")
        (video,) = extract_features(videos, pixel_backbone(), phase_size=16)
        expected = [n for n in range(1, 41) if n not in (1, 2, 3, 11, 12, 40)]
        assert video.name == "gaps"
        assert number_in(video.features[:, 0]) == expected
        assert number_in(video.frames[:, 8, 8]) == expected
        annotated = [n not in (4, 15, 16, 17, 38, 39) for n in expected]
        assert video.annotated.tolist() == annotated
        for number, label, counts in zip(expected, video.labels, annotated, strict=True):
            if counts:
                assert label.tolist() == pytest.approx([number / 100, -number / 100])
            else:
                assert label.isnan().all()

    def test_clips_of_it_show_the_frames_their_labels_are_of(
        self, gaps: Path, pixel_backbone
    ) -> None:
        videos = AffWild2(gaps).videos("Train_Set")
        sequences = extract_features(videos, pixel_backbone(), phase_size=16)
        clips = list(ClipDataset(sequences, length=8, stride=4, num_phase=4))
        seen = set()
        for clip in clips:
            numbers = number_in(clip.features[:, 0])
            assert number_in(clip.frames[2:-2, 8, 8]) == numbers
            for number, label, counts in zip(numbers, clip.labels, clip.mask, strict=True):
                if counts:
                    assert label[0].item() == pytest.approx(number / 100)
                    seen.add(number)
        assert seen == set(range(5, 38)) - {11, 12, 15, 16, 17}
        # Frame 4 has an image but no annotation: it is context, and the first frame of the video.
        assert number_in(clips[0].frames[:4, 8, 8]) == [4, 4, 5, 6]


class TestFeatures:
    @pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
    def test_shapes_and_types(self, gaps: Path, pixel_backbone, dtype: torch.dtype) -> None:
        videos = AffWild2(gaps).videos("Train_Set")
        (video,) = extract_features(videos, pixel_backbone(), phase_size=24, dtype=dtype)
        assert (video.features.dtype, list(video.features.shape)) == (dtype, [34, 2048])
        assert (video.frames.dtype, list(video.frames.shape)) == (torch.uint8, [34, 24, 24])
        assert len(video) == 34

    def test_a_video_longer_than_a_batch_is_whole(
        self, gaps: Path, pixel_backbone, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        videos = AffWild2(gaps).videos("Train_Set")
        (expected,) = extract_features(videos, pixel_backbone(), phase_size=16)
        monkeypatch.setattr("mimamo.training.features._READ_AHEAD", 5)
        (video,) = extract_features(videos, pixel_backbone(), phase_size=16)
        assert torch.equal(video.features, expected.features)
        assert torch.equal(video.frames, expected.frames)
        assert torch.equal(video.annotated, expected.annotated)

    def test_progress_counts_the_frames_of_all_videos(
        self, gaps: Path, add_video, pixel_backbone
    ) -> None:
        add_video(gaps, "Train_Set", "more", {1: plain(1), 6: plain(6)}, [(0, 0)] * 6)
        calls: list[tuple[int, int]] = []
        videos = AffWild2(gaps).videos("Train_Set")
        extract_features(
            videos,
            pixel_backbone(),
            phase_size=16,
            progress=lambda done, total: calls.append((done, total)),
        )
        assert calls == [(39, 45), (45, 45)]

    def test_features_too_large_for_their_type_are_refused(
        self, gaps: Path, pixel_backbone
    ) -> None:
        videos = AffWild2(gaps).videos("Train_Set")
        with pytest.raises(InputError, match=r"backbone: features of .*gaps are not finite"):
            extract_features(videos, pixel_backbone(gain=1e4), phase_size=16)

    def test_a_broken_image_is_named(self, gaps: Path, pixel_backbone) -> None:
        path = gaps / "cropped_aligned" / "gaps" / "00007.jpg"
        path.write_bytes(path.read_bytes()[:200])
        with pytest.raises(InputError, match=r"gaps/00007\.jpg"):
            extract_features(AffWild2(gaps).videos("Train_Set"), pixel_backbone(), phase_size=16)


class TestSampleCrops:
    @pytest.fixture
    def videos(self, tmp_path: Path, add_video) -> list:
        for video, numbers in enumerate([range(1, 31), range(31, 37), range(40, 60, 3)]):
            images = {number: plain(number) for number in numbers}
            add_video(tmp_path, "Train_Set", str(video), images, [])
        return AffWild2(tmp_path).videos("Train_Set")

    @staticmethod
    def sample(videos: list, count: int, seed: int = 0) -> list[int]:
        crops = sample_crops(videos, torch.Generator().manual_seed(seed), count)
        assert crops.dtype == torch.uint8
        assert list(crops.shape[1:]) == [112, 112, 3]
        return number_in(crops[:, 50, 50, 0])

    def test_they_come_from_all_videos_alike_and_in_random_order(self, videos: list) -> None:
        samples = [self.sample(videos, 9, seed) for seed in range(100)]
        assert all(len(set(sample)) == 9 for sample in samples)
        assert all(sample != sorted(sample) for sample in samples)
        counts = Counter(chain.from_iterable(samples))
        assert len(counts) == 43
        # Each of 43 faces is in a sample with probability 9/43: 21 +- 4 times of 100.
        assert 5 <= min(counts.values()) <= max(counts.values()) <= 40
        # Whatever comes in order fills the beginning of the sample no more than its end.
        assert abs(np.mean([s[:4] for s in samples]) - np.mean([s[-4:] for s in samples])) < 5

    def test_no_more_than_there_are(self, videos: list) -> None:
        numbers = self.sample(videos, 1000)
        assert sorted(numbers) == sorted([*range(1, 37), *range(40, 60, 3)])

    def test_fewer_faces_than_videos(self, videos: list) -> None:
        assert len(self.sample(videos, 2)) == 2

    def test_the_seed_decides(self, videos: list) -> None:
        assert self.sample(videos, 9, seed=1) == self.sample(videos, 9, seed=1)
        assert self.sample(videos, 9, seed=1) != self.sample(videos, 9, seed=2)
