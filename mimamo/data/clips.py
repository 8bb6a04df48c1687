"""Cutting videos into clips that carry the frames their phase windows need.

A *frame of the video* is here a frame that has an image: frames in which no face was found leave
no image, and their neighbours close up, as in the published method. Clips are cut from this
sequence between the first and the last annotated frame, exactly as the network will see it when
it predicts. Frames outside that stretch, and frames without annotation inside it, serve as
context of their neighbours; a mask keeps them out of the loss and of every metric.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from mimamo.data.dataset import Unit
from mimamo.tensor_file import Rows


@dataclass(frozen=True)
class VideoSequence:
    """What the network needs of one video, one row per frame that has an image.

    Attributes:
        name: the video's name.
        features: spatial features, float16 or float32 ``[T, D]``; as `frames`, maybe in a file.
        frames: grey faces, uint8 ``[T, S, S]``.
        labels: valence and arousal, float32 ``[T, 2]``; NaN where not annotated.
        annotated: bool ``[T]``, the frames that count in loss and metrics.
        unit: what one label is of.
    """

    name: str
    features: Rows
    frames: Rows
    labels: Tensor
    annotated: Tensor
    unit: Unit = "frame"

    def __len__(self) -> int:
        return len(self.frames)

    def pairs(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Predictions ``[T, 2]`` and labels where annotated, float64; of an utterance, one pair.

        An utterance's prediction is the mean over its faces.
        """
        mask = self.annotated.numpy()
        predicted = values[mask].astype(np.float64)
        labels = self.labels.numpy()[mask].astype(np.float64)
        if self.unit == "utterance" and len(labels):
            return predicted.mean(0, keepdims=True), labels[:1]
        return predicted, labels


class Clip(NamedTuple):
    """One clip, or with a leading batch axis a batch of them.

    Attributes:
        features: ``[L, D]``, as in the video.
        frames: uint8 ``[L + P, S, S]``: the clip with P/2 frames of context on each side, for
            ``phasenet.phase_difference_windows(..., boundary="valid")``.
        labels: float32 ``[L, 2]``.
        mask: bool ``[L]``: the frames that count.
    """

    features: Tensor
    frames: Tensor
    labels: Tensor
    mask: Tensor


def clip_starts(frames: int, length: int, stride: int) -> list[int]:
    """Return the first frames of clips of `length` that cover `frames` frames.

    A clip starts at every `stride` frames; the last one is aligned to the end. Fewer frames than
    `length` make one clip that starts at 0.
    """
    if frames <= length:
        return [0]
    return [*range(0, frames - length, stride), frames - length]


def context_indices(start: int, length: int, num_phase: int, frames: int) -> np.ndarray:
    """Return the frames that the phase windows of a clip use, int64 ``[length + num_phase]``.

    They are the clip's own with ``num_phase // 2`` frames before and the rest after it, taken
    from the video; at the video's ends its first and last frame are repeated.
    """
    first = start - num_phase // 2
    return np.arange(first, first + length + num_phase).clip(0, frames - 1)


def annotated_clip_starts(annotated: np.ndarray, length: int, stride: int) -> list[int]:
    """Return where to cut clips of a video so that every annotated frame is in one.

    Args:
        annotated: bool ``[T]``.
        length: frames of a clip.
        stride: frames from one clip to the next.

    Returns:
        The first frames of the clips, ascending; clips without an annotated frame are left out.
        An annotated stretch shorter than a clip is filled up with the video's own frames.
    """
    where = np.flatnonzero(annotated)
    if len(where) == 0:
        return []
    first, stretch = int(where[0]), int(where[-1] - where[0]) + 1
    if stretch < length:
        first = max(0, min(first, len(annotated) - length))
    starts = [first + start for start in clip_starts(stretch, length, stride)]
    return [start for start in starts if annotated[start : start + length].any()]


class ClipDataset(Dataset[Clip]):
    """All clips of a set of videos, cut as `annotated_clip_starts` says.

    A video shorter than a clip is filled up with its last frame, masked out.
    """

    def __init__(
        self,
        videos: Sequence[VideoSequence],
        *,
        length: int = 64,
        stride: int = 32,
        num_phase: int = 12,
    ) -> None:
        self.videos = list(videos)
        self.length = length
        self.num_phase = num_phase
        self.clips = [
            (number, start)
            for number, video in enumerate(self.videos)
            for start in annotated_clip_starts(video.annotated.numpy(), length, stride)
        ]

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> Clip:
        number, start = self.clips[index]
        video = self.videos[number]
        before, last = self.num_phase // 2, len(video) - 1
        around = torch.arange(self.length + self.num_phase, device=video.labels.device)
        around += start - before
        own = around[before : before + self.length]
        return Clip(
            features=video.features[own.clamp(max=last)],
            frames=video.frames[around.clamp(0, last)],
            labels=video.labels[own.clamp(max=last)],
            mask=video.annotated[own.clamp(max=last)] & (own <= last),
        )

    def moved(self, moves: Sequence[int]) -> ClipDataset:
        """The same clips, each begun so many frames later (or earlier), inside its video.

        One that would have no annotated frame stays where it is. The videos are shared.
        """
        other = copy(self)
        other.clips = [
            (number, self._moved(number, start, move))
            for (number, start), move in zip(self.clips, moves, strict=True)
        ]
        return other

    def _moved(self, number: int, start: int, move: int) -> int:
        video = self.videos[number]
        place = min(max(start + move, 0), max(len(video) - self.length, 0))
        return place if video.annotated[place : place + self.length].any() else start

    def gather(self, indices: Sequence[int]) -> Clip:
        """The clips of these numbers as one batch."""
        return Clip(*map(torch.stack, zip(*(self[i] for i in indices), strict=True)))
