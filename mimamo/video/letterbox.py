"""Pictures of any size in a frame of one size."""

from __future__ import annotations

import cv2
import numpy as np


def resized(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """`image`, uint8 ``[h, w, 3]``, as ``[height, width, 3]``."""
    shrinks = image.shape[0] > height
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(image, (width, height), interpolation=method)


def letterbox(panel: np.ndarray, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Draw `image` in the middle of `panel`, as large as it fits in there, in its own shape.

    Args:
        panel: uint8 ``[H, W, 3]``; what the image does not cover is left as it is.
        image: uint8 ``[h, w, 3]``.

    Returns:
        Scale and shift along x and y, float64 ``[2]`` each: what is at ``p`` in the image is at
        ``scale * p + shift`` in the panel. Pixel centres are whole numbers in both.
    """
    size, room = np.array(image.shape[1::-1]), np.array(panel.shape[1::-1])
    fitting = size * min(room / size)
    # A border of less than a pixel is none.
    fitting = np.where(room - fitting < 1, room, np.maximum(np.rint(fitting), 1))
    width, height = fitting.astype(int).tolist()
    left, top = ((room - (width, height)) // 2).tolist()
    panel[top : top + height, left : left + width] = resized(image, width, height)
    scale = np.array((width, height)) / size
    return scale, scale / 2 - 0.5 + (left, top)
