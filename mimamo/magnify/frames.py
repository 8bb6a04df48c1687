"""Frames that come one by one, magnified, by either filter in time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch

from phasenet import MotionMagnifier, magnify_frames


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

    With "iir" each frame as it comes; with "fir" the frames that the filter reaches over are held.

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
        yield from map(picture, map(MotionMagnifier(factor, **band).push, map(tensor, frames)))
    else:
        yield from map(picture, magnify_frames(map(tensor, frames), factor, **band))
