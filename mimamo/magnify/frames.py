"""Frames that come one by one, magnified, by either filter in time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch

from mimamo import check_phasenet

check_phasenet()  # another package of that name has nothing of what follows

from phasenet import MotionMagnifier, magnify_frames  # noqa: E402


def magnified(
    frames: Iterable[np.ndarray],
    factor: float,
    *,
    fps: float,
    low: float,
    high: float,
    temporal: str = "fir",
    device: torch.device | str = "cpu",
    progress: Callable[[float], object] | None = None,
    **options: Any,
) -> Iterator[np.ndarray]:
    """Yield every frame, uint8 ``[H, W, 3]`` RGB of one size, with its motion magnified.

    With "iir" each frame as it comes; with "fir" the frames that the filter reaches over are held.

    Args:
        frames: at least one.
        factor, fps, low, high, temporal, options: as for `phasenet.magnify_motion`.
        device: where it is computed.
        progress: called with how many frames' work is done.
    """

    def tensor(image: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).to(device)

    def picture(frame: torch.Tensor) -> np.ndarray:
        return frame.permute(1, 2, 0).cpu().numpy()

    band: dict[str, Any] = {"fps": fps, "low": low, "high": high, "color": True, **options}
    if temporal == "iir":
        magnifier = MotionMagnifier(factor, **band)
        for number, frame in enumerate(frames, 1):
            moved = picture(magnifier.push(tensor(frame)))
            if progress is not None:
                progress(number)
            yield moved
    else:
        moving = magnify_frames(map(tensor, frames), factor, progress=progress, **band)
        yield from map(picture, moving)
