"""What a face detector gives, and what all detectors share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

# Pixels of the longer side at which a picture is searched, the second only where the first shows
# nothing: faces down to about 15 pixels at that size are found.
SIDES = (320, 960)


@dataclass(frozen=True, eq=False)
class Detection:
    """One face. Coordinates are pixels (x, y) of the image, pixel centres being whole numbers.

    Attributes:
        box: float32 [4], x0, y0, x1, y1.
        landmarks: float32 [5, 2]: eye, eye, nose tip, mouth corner, mouth corner; of each pair
            the one on the left of an upright image (the person's right) first.
        score: the detector's confidence, 0 to 1.
    """

    box: np.ndarray
    landmarks: np.ndarray
    score: float

    @property
    def centre(self) -> np.ndarray:
        """float32 [2], the middle of the box."""
        return (self.box[:2] + self.box[2:]) / 2

    @property
    def size(self) -> float:
        """The side of a square of the box's area."""
        width, height = np.maximum(self.box[2:] - self.box[:2], 0)
        return float(np.sqrt(width * height))


def prominence(face: Detection) -> float:
    """What faces are sorted by: the least is that of the greatest area times score."""
    return -(face.size**2) * face.score


class Detector(Protocol):
    """Finds the faces of an image."""

    def __call__(self, image: np.ndarray) -> list[Detection]:
        """Return the faces of an image, uint8 [H, W, 3] RGB, the most certain first."""
        ...


def detect_at_sizes(
    detect: Callable[[np.ndarray], list[Detection]], image: np.ndarray
) -> list[Detection]:
    """Run `detect` on the image, shrunk to each of `SIDES` in turn until it finds something.

    An image is never enlarged, and never looked at twice at the same size.
    """
    size = (image.shape[1], image.shape[0])
    for shape in search_sizes(size):
        small = image if shape == size else cv2.resize(image, shape, interpolation=cv2.INTER_AREA)
        found = detect(small)
        if found:
            return [enlarged(detection, shape, size) for detection in found]
    return []


def search_sizes(size: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """The (width, height) at which an image of `size` is searched, see `detect_at_sizes`."""
    width, height = size
    longest = max(size)
    for side in sorted({min(side, longest) for side in SIDES}):
        yield max(1, round(width * side / longest)), max(1, round(height * side / longest))


def enlarged(detection: Detection, shape: tuple[int, int], size: tuple[int, int]) -> Detection:
    """What was found in an image shrunk to `shape`, in pixels of that of `size`."""
    scale = np.array([size[0] / shape[0], size[1] / shape[1]], np.float32)
    box = (detection.box.reshape(2, 2) + 0.5) * scale - 0.5
    landmarks = (detection.landmarks + 0.5) * scale - 0.5
    return Detection(box.reshape(4), landmarks, detection.score)
