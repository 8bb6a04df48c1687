"""Batches of clips, in an order that only the seed and the epoch decide."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mimamo.data.clips import Clip, ClipDataset, VideoSequence


class ResidentClips(ClipDataset):
    """Clips cut on a device that holds all the videos: 6.4 KB a frame, nothing to load.

    Args:
        videos: copied to `device`, one after the other.
        device: where they are kept.
        settings: as for `ClipDataset`.
    """

    def __init__(
        self, videos: Sequence[VideoSequence], device: torch.device | str, **settings: int
    ) -> None:
        super().__init__(videos, **settings)
        lengths = [len(video) for video in videos]
        self._offsets = np.concatenate([[0], np.cumsum(lengths)])
        self._lengths = np.array(lengths)

        def packed(part: str) -> Tensor:
            first = getattr(videos[0], part)
            whole = first.new_empty((sum(lengths), *first.shape[1:]), device=device)
            for video, start in zip(videos, self._offsets, strict=False):
                whole[start : start + len(video)] = getattr(video, part)
            return whole

        self._features, self._frames = packed("features"), packed("frames")
        self._labels, self._annotated = packed("labels"), packed("annotated")

    def gather(self, indices: Sequence[int]) -> Clip:
        """Return the clips of these numbers as one batch, on the device."""
        chosen = np.array([self.clips[i] for i in indices])  # [B, 2]: video, start
        offset = self._offsets[chosen[:, 0]][:, None]
        last = self._lengths[chosen[:, 0]][:, None] - 1
        phases, length = self.num_phase, self.length
        own = chosen[:, 1:] + np.arange(length)
        around = chosen[:, 1:] - phases // 2 + np.arange(length + phases)
        device = self._features.device
        inside = torch.from_numpy(own <= last).to(device, non_blocking=True)
        row = torch.from_numpy(offset + own.clip(max=last)).to(device, non_blocking=True)
        seen = torch.from_numpy(offset + around.clip(0, last)).to(device, non_blocking=True)
        return Clip(
            features=self._features[row],
            frames=self._frames[seen],
            labels=self._labels[row],
            mask=self._annotated[row] & inside,
        )


def epoch_batches(clips: int, batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Shuffle clips and cut them into batches of at most `batch_size`, sizes differing by one.

    Equal sizes keep a small rest from training BatchNorm on a handful of frames.
    """
    order = np.random.default_rng([seed, epoch]).permutation(clips)
    return [part.tolist() for part in np.array_split(order, -(-clips // batch_size))]


def own_part(batch: Sequence[int], index: int, count: int) -> slice:
    """Which part of a batch is that of process `index` of `count`; parts follow each other."""
    return slice(len(batch) * index // count, len(batch) * (index + 1) // count)
