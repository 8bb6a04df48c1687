"""Videos computed some frames at a time, so that what is large on the way is there for few."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

_PIXELS = 1 << 18  # of the frames at a time; their mirrored bands take about 100 bytes a pixel


def in_runs(
    compute: Callable[..., tuple[Tensor, ...]],
    frames: Tensor,
    overlap: int = 0,
    prepare: Callable[[Tensor], tuple[Tensor, ...]] | None = None,
) -> tuple[Tensor, ...]:
    """``compute(*prepare(frames))``, put together from runs of frames.

    torch.compile and torch.export take all frames at a time: the number of runs would tie the graph
    to the length of the video.

    Args:
        compute: tensors ``[N, t, ...]`` to tensors ``[N, t - overlap, ...]``.
        frames: ``[..., T, H, W]``, T more than `overlap`.
        overlap: frames that a run shares with the next.
        prepare: each frame ``[N, t, H, W]`` by itself, once; None for the frames as they are.

    Returns:
        Tensors ``[..., T - overlap, ...]``.
    """
    batch = frames.shape[:-3]
    videos = frames.flatten(0, -4) if batch else frames[None]
    each = prepare or _as_they_are
    if torch.compiler.is_compiling() or videos.numel() <= _PIXELS:
        result = compute(*each(videos))
    else:
        rows = [_row(compute, each, row, overlap) for row in _rows(videos, overlap)]
        result = _joined(rows, 0)
    return tuple(x.reshape(*batch, *x.shape[1:]) for x in result)


def _as_they_are(frames: Tensor) -> tuple[Tensor, ...]:
    return (frames,)


def _row(
    compute: Callable[..., tuple[Tensor, ...]],
    prepare: Callable[[Tensor], tuple[Tensor, ...]],
    row: list[Tensor],
    overlap: int,
) -> tuple[Tensor, ...]:
    results = []
    kept: list[Tensor] = []
    for run in row:
        new = prepare(run[:, overlap:] if kept else run)
        if kept:
            new = tuple(torch.cat(pair, dim=1) for pair in zip(kept, new, strict=True))
        results.append(compute(*new))
        kept = [x[:, x.shape[1] - overlap :] for x in new] if overlap else []
    return _joined(results, 1)


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
