"""Frames that come one by one, magnified, by either filter in time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch

from phasenet import MotionMagnifier, magnify_motion
from phasenet.temporal_filters import fir_reach

_STEP = 64  # frames that are magnified at a time, at least


def magnified(
    frames: Iterable[np.ndarray],
    factor: float,
    *,
    fps: float,
    low: float,
    high: float,
    temporal: str = "fir",
    device: torch.device | str = "cpu",
    **options: Any,
) -> Iterator[np.ndarray]:
    """Yield every frame, uint8 ``[H, W, 3]`` RGB of one size, with its motion magnified.

    With "iir" each frame as it comes; with "fir" as many frames are held as the filter reaches
    over, and the result is that of `phasenet.magnify_motion` on all of them.

    Args:
        frames: at least one.
        factor, fps, low, high, temporal, options: as for `phasenet.magnify_motion`.
        device: where it is computed.
    """

    def tensor(image: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).to(device)

    def picture(frame: torch.Tensor) -> np.ndarray:
        return frame.permute(1, 2, 0).cpu().numpy()

    band: dict[str, Any] = {"fps": fps, "low": low, "high": high, "color": True, **options}
    if temporal == "iir":
        stream = MotionMagnifier(factor, **band)
        for image in frames:
            yield picture(stream.push(tensor(image)))
        return
    reach = fir_reach(low, high, fps)
    step = max(_STEP, reach)
    held: list[torch.Tensor] = []  # `before` frames that are done, and those that follow
    first: list[torch.Tensor] = []
    before = 0

    def done(count: int) -> Iterator[np.ndarray]:
        nonlocal before
        moved = magnify_motion(torch.stack(held), factor, reference=first[0], **band)
        yield from map(picture, moved[before : before + count])
        before += count
        del held[: max(before - reach, 0)]
        before = min(before, reach)

    for image in frames:
        held.append(tensor(image))
        first = first or [held[0]]
        if len(held) == before + step + reach:
            yield from done(step)
    if len(held) > before:
        yield from done(len(held) - before)
