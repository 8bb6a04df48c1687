"""Batches of clips, in an order that only the seed and the epoch decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from mimamo.data.clips import ClipDataset, VideoSequence


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
        parts = ("features", "frames", "labels", "annotated")
        self.videos = [
            replace(video, **{part: getattr(video, part)[:].to(device) for part in parts})
            for video in videos
        ]


def epoch_batches(clips: int, batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Shuffle clips and cut them into batches of at most `batch_size`, sizes differing by one.

    Equal sizes keep a small rest from training BatchNorm on a handful of frames.
    """
    order = np.random.default_rng([seed, epoch]).permutation(clips)
    return [part.tolist() for part in np.array_split(order, -(-clips // batch_size))]


def own_part(batch: Sequence[int], index: int, count: int) -> slice:
    """Which part of a batch is that of process `index` of `count`; parts follow each other."""
    return slice(len(batch) * index // count, len(batch) * (index + 1) // count)
