"""Small grey faces: what motion is read from, and what the small backbone sees."""

from __future__ import annotations

import numpy as np
from PIL import Image


def phase_frames(crops: np.ndarray, size: int = 48) -> np.ndarray:
    """Turn aligned faces into the small grey frames whose phases are compared.

    First grey (ITU-R 601 luma), then Lanczos with antialiasing, both by Pillow, as in the
    published method. OpenCV's Lanczos does not antialias: skipping source pixels would make
    motion out of texture.

    Args:
        crops: uint8 ``[N, H, W, 3]``, RGB (aligned faces are 112x112).
        size: height and width of the result, pixels.

    Returns:
        uint8 ``[N, size, size]``.

    Raises:
        ValueError: another dtype or shape.
    """
    crops = np.asarray(crops)
    if crops.dtype != np.uint8 or crops.ndim != 4 or crops.shape[3] != 3:
        raise ValueError(
            f"crops: expected uint8 [N, H, W, 3], got {crops.dtype} {list(crops.shape)}"
        )
    frames = np.empty((len(crops), size, size), np.uint8)
    for frame, crop in zip(frames, crops, strict=True):
        grey = Image.fromarray(crop).convert("L")
        frame[:] = np.asarray(grey.resize((size, size), Image.Resampling.LANCZOS))
    return frames
