"""Batches: every clip once an epoch, from memory and from a device alike."""

from __future__ import annotations

import pytest
import torch

from mimamo.data.batches import ResidentClips, epoch_batches, own_part
from mimamo.data.clips import ClipDataset, VideoSequence


def random_video(frames: int, seed: int) -> VideoSequence:
    generator = torch.Generator().manual_seed(seed)
    annotated = torch.rand(frames, generator=generator) < 0.8
    annotated[0] = True
    labels = torch.rand(frames, 2, generator=generator)
    return VideoSequence(
        name=str(seed),
        features=torch.rand(frames, 5, generator=generator).half(),
        frames=torch.randint(0, 256, (frames, 4, 4), generator=generator).to(torch.uint8),
        labels=labels,
        annotated=annotated,
    )


class TestGather:
    @pytest.mark.parametrize("num_phase", [1, 4, 5])
    def test_on_a_device_as_from_memory(self, num_phase: int) -> None:
        videos = [random_video(frames, frames) for frames in (40, 5, 8, 1, 33)]
        settings = {"length": 8, "stride": 4, "num_phase": num_phase}
        mapped = ClipDataset(videos, **settings)
        resident = ResidentClips(videos, "cpu", **settings)
        assert len(resident) == len(mapped)
        indices = torch.randperm(len(mapped)).tolist()
        for batch in (indices, indices[:1]):
            for one, other in zip(mapped.gather(batch), resident.gather(batch), strict=True):
                assert torch.equal(one, other)
                assert one.dtype == other.dtype


class TestOrder:
    @pytest.mark.parametrize(("clips", "size"), [(1, 4), (8, 4), (9, 4), (100, 16), (17, 16)])
    def test_every_clip_comes_once_in_batches_of_a_size(self, clips: int, size: int) -> None:
        batches = epoch_batches(clips, size, seed=3, epoch=2)
        assert sorted(i for batch in batches for i in batch) == list(range(clips))
        lengths = [len(batch) for batch in batches]
        assert max(lengths) <= size
        assert max(lengths) - min(lengths) <= 1

    def test_seed_and_epoch_decide(self) -> None:
        assert epoch_batches(50, 8, 0, 1) == epoch_batches(50, 8, 0, 1)
        assert epoch_batches(50, 8, 0, 1) != epoch_batches(50, 8, 0, 2)
        assert epoch_batches(50, 8, 0, 1) != epoch_batches(50, 8, 1, 1)

    @pytest.mark.parametrize("count", [1, 2, 3, 5])
    def test_processes_share_a_batch(self, count: int) -> None:
        batch = list(range(13))
        parts = [batch[own_part(batch, index, count)] for index in range(count)]
        assert [i for part in parts for i in part] == batch
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
