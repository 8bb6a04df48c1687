"""Videos computed some frames at a time, so that what is large on the way is there for few."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

_PIXELS = 1 << 18  # of the frames at a time; their mirrored bands take about 100 bytes a pixel


def in_runs(
    compute: Callable[[Tensor], tuple[Tensor, ...]], frames: Tensor, overlap: int = 0
) -> tuple[Tensor, ...]:
    """``compute(frames)``, put together from runs of frames.

    torch.compile and torch.export take all frames at a time: the number of runs would tie the graph
    to the length of the video.

    Args:
        compute: ``[N, t, H, W]`` to tensors ``[N, t - overlap, ...]``.
        frames: ``[..., T, H, W]``, T more than `overlap`.
        overlap: frames that a run shares with the next.

    Returns:
        Tensors ``[..., T - overlap, ...]``.
    """
    batch = frames.shape[:-3]
    videos = frames.flatten(0, -4) if batch else frames[None]
    if torch.compiler.is_compiling() or videos.numel() <= _PIXELS:
        result = compute(videos)
    else:
        rows = [_joined([compute(run) for run in row], 1) for row in _rows(videos, overlap)]
        result = _joined(rows, 0)
    return tuple(x.reshape(*batch, *x.shape[1:]) for x in result)


def _rows(videos: Tensor, overlap: int) -> Iterator[list[Tensor]]:
    """Runs of videos ``[N, T, H, W]``: for some videos, all their runs in time."""
    count, length, height, width = videos.shape
    at_a_time = max(1 + overlap, _PIXELS // (height * width))
    together = max(1, at_a_time // length)
    for first in range(0, count, together):
        some = videos[first : first + together]
        step = at_a_time - overlap
        yield [some[:, t : t + at_a_time] for t in range(0, length - overlap, step)]


def _joined(parts: list[tuple[Tensor, ...]], dim: int) -> tuple[Tensor, ...]:
    if len(parts) == 1:
        return parts[0]
    return tuple(torch.cat(same, dim) for same in zip(*parts, strict=True))
