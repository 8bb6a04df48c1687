"""Faces that say which frame they are of."""

from __future__ import annotations

import numpy as np
import torch

GREY_STEP = 4  # the image of frame n is a plain grey of 4n, which survives JPEG
MISSING = (1, 2, 3, 11, 12)  # frames without an image in the test data's video "gaps"


def plain(number: int, size: int = 112) -> np.ndarray:
    """The image of a frame: uint8 [size, size, 3]."""
    return np.full((size, size, 3), GREY_STEP * number, np.uint8)


def number_in(values: torch.Tensor) -> list[int]:
    """The frames of grey values."""
    return (values.float() / GREY_STEP).round().int().tolist()
