"""Spatial features of every Nth face, and of those between.

How a face looks changes slowly, and what moves in it has a stream of its own: the features of a
face between two others are taken from theirs, in proportion.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from mimamo.predict.clips import ClipInput, ClipStream


class FeatureInterpolation:
    """Gives the features ``[n, D]`` of all faces of a sequence, of which some are known."""

    def __init__(self) -> None:
        self._last: Tensor | None = None

    def push(self, known: Tensor, after: int) -> Tensor:
        """Take the features ``[D]`` of the face that comes `after` faces (1: next) after the last.

        Returns those of the faces since then ``[after, D]``, whose last are `known`. The first of
        all, which is to be known, comes alone.
        """
        last, self._last = self._last, known
        if last is None or after == 1:
            return known[None]
        weights = torch.arange(1, after + 1, device=known.device) / after
        return torch.lerp(last, known, weights[:, None].to(known))

    def rest(self, count: int) -> Tensor:
        """Of `count` faces after which none is known: those of the last one ``[count, D]``."""
        if self._last is None:
            return torch.empty(0)
        return self._last.expand(count, -1)


class FaceClips:
    """The clips of one face, as `ClipStream` gives them, from what is known of its frames."""

    def __init__(self, num_phase: int, clip_length: int) -> None:
        self._clips = ClipStream(num_phase, clip_length)
        self._between = FeatureInterpolation()
        self._waiting = torch.empty(0)  # grey frames whose features are not known yet

    def push(self, known: Tensor, which: Sequence[bool], frames: Tensor) -> Iterator[ClipInput]:
        """Take the next frames, grey uint8 ``[n, S, S]``; yield clips now complete.

        `which` says of each whether its features are among `known` ``[k, D]``.
        """
        after, features = len(self._waiting), []
        rows = iter(known)
        for is_known in which:
            after += 1
            if is_known:
                features.append(self._between.push(next(rows), after))
                after = 0
        if len(self._waiting):
            frames = torch.cat([self._waiting, frames])
        complete = len(frames) - after
        self._waiting = frames[complete:].clone()
        if features:
            yield from self._clips.push(torch.cat(features), frames[:complete])

    def finish(self) -> Iterator[ClipInput]:
        """Yield the clips that are left; no frames may follow."""
        if len(self._waiting):
            yield from self._clips.push(self._between.rest(len(self._waiting)), self._waiting)
        yield from self._clips.finish()
