"""Faces written down, and a detector that finds them."""

from __future__ import annotations

import cv2
import numpy as np
from skimage import data as pictures

from mimamo.faces.alignment import TEMPLATE
from mimamo.faces.detection import Detection
from support.films import other_face

IMAGE = np.zeros((480, 640, 3), np.uint8)


def face_at(x: float, y: float = 200.0, size: float = 100.0, score: float = 0.9) -> Detection:
    """A face whose middle is at a point, upright."""
    half = size / 2
    landmarks = ((TEMPLATE - TEMPLATE.mean(axis=0)) * size / 112 + (x, y)).astype(np.float32)
    return Detection(
        np.array([x - half, y - half, x + half, y + half], np.float32), landmarks, score
    )


def picture_of(*people: tuple[float, int]) -> np.ndarray:
    """A room with the looks of people, by their numbers in `other_face`, at places x."""
    image = cv2.resize(pictures.coffee(), IMAGE.shape[1::-1])
    for x, number in people:
        look = cv2.resize(other_face(number), (100, 100), interpolation=cv2.INTER_CUBIC)
        image[150:250, round(x) - 50 : round(x) + 50] = look[..., None]
    return image


class Script:
    """A detector that finds, in each new frame, what was written down for it.

    In the tracker's close views it finds nothing, so the tracker keeps what it has; or, with
    `close`, a face in the middle.
    """

    def __init__(self, *frames, close=None):
        self._frames = iter(frames)
        self._close = close

    def __call__(self, image):
        if image.shape == IMAGE.shape:
            return next(self._frames)
        return [self._close] if self._close is not None else []
