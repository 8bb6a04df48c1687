"""Cutting a video into clips while it is still being read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from mimamo.data.clips import clip_starts, context_indices


class ClipInput(NamedTuple):
    """What the network needs of a clip of L frames.

    Attributes:
        start: its first frame.
        features: spatial features ``[L, D]``.
        frames: grey, uint8 ``[L + P, S, S]``: the clip with its context.
    """

    start: int
    features: Tensor
    frames: Tensor


class ClipStream:
    """Gives the clips of `clip_starts`, each as soon as its frames and their context are there.

    Between calls it holds one clip and its context, however long the video. The last clip ends
    with the video, so it comes from `finish`.

    Args:
        num_phase: phase differences of a frame's window, P.
        clip_length: frames of a clip, L; a shorter video is one clip.
        stride: frames from one clip to the next, at most `clip_length`.
    """

    def __init__(self, num_phase: int, clip_length: int = 64, stride: int = 64) -> None:
        self._num_phase = num_phase
        self._length = clip_length
        self._stride = stride
        self._total = 0  # frames so far
        self._next = 0  # start of the clip to come
        self._kept = 0  # the first frame still held
        self._features: Tensor | None = None  # frames from `_kept` on
        self._frames: Tensor | None = None

    @property
    def total(self) -> int:
        """How many frames have come."""
        return self._total

    def push(self, features: Tensor, frames: Tensor) -> Iterator[ClipInput]:
        """Take the next frames, ``[n, D]`` and uint8 ``[n, S, S]``; yield clips now complete."""
        if self._features is None or self._frames is None:
            self._features, self._frames = features, frames
        else:
            self._features = torch.cat([self._features, features])
            self._frames = torch.cat([self._frames, frames])
        self._total += len(frames)
        after = self._num_phase - self._num_phase // 2
        # One frame more, even without context: only then it is not the last clip.
        while self._total >= self._next + self._length + max(1, after):
            yield self._clip(self._next, self._length)
            self._next += self._stride
        self._forget()

    def finish(self) -> Iterator[ClipInput]:
        """Yield the clips that are left; no frames may follow."""
        if not self._total:
            return
        length = min(self._length, self._total)
        for start in clip_starts(self._total, self._length, self._stride):
            if start >= self._next or start == self._total - length:
                yield self._clip(start, length)

    def _clip(self, start: int, length: int) -> ClipInput:
        around = context_indices(start, length, self._num_phase, self._total) - self._kept
        inside = slice(start - self._kept, start - self._kept + length)
        return ClipInput(start, self._features[inside], self._frames[torch.from_numpy(around)])

    def _forget(self) -> None:
        # The last clip starts at least one length before the end, wherever that will be.
        needed = min(self._next, self._total - self._length) - self._num_phase // 2
        if needed > self._kept:
            self._features = self._features[needed - self._kept :].clone()
            self._frames = self._frames[needed - self._kept :].clone()
            self._kept = needed
