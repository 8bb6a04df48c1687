"""The face that the demo animates: scikit-image's astronaut photograph (NASA, public domain).

All coordinates are (x, y) in pixels of the 512x512 photograph. "Left" and "right" are the image's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from scipy.interpolate import PchipInterpolator
from skimage import data

SCALE = 2  # the face is animated on a grid this many times finer than the photograph

# Where CenterFace puts its five points, on average: eyes, nose, mouth corners, image-left first.
LANDMARKS = np.array(
    [(204.1, 102.5), (245.9, 103.1), (223.4, 125.3), (203.8, 141.6), (241.5, 142.7)], np.float64
)
HEAD_CENTER = (224.0, 112.0)
NECK = (224.0, 175.0)
MOUTH_CORNERS = ((203.5, 140.6), (244.0, 141.0))
LEFT_BROW = ((192.0, 90.0), (200.0, 88.5), (211.0, 91.0))  # outer to inner
RIGHT_BROW = ((260.0, 94.5), (251.0, 92.0), (239.0, 93.0))


@dataclass(frozen=True)
class Curve:
    """A smooth line across the face: y as a function of x through the points, flat outside."""

    points: tuple[tuple[float, float], ...]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        fine_x, fine_y = _fine_curve(self.points)
        return np.interp(x, fine_x, fine_y).astype(np.float32)


@cache
def _fine_curve(points: tuple[tuple[float, float], ...]) -> tuple[np.ndarray, np.ndarray]:
    xs, ys = zip(*points, strict=True)
    fine_x = np.linspace(xs[0], xs[-1], 256)
    return fine_x, PchipInterpolator(xs, ys)(fine_x)


@dataclass(frozen=True)
class Eye:
    """One eye: its centre, half width, and the curves of its two lids."""

    center: tuple[float, float]
    half_width: float
    upper: Curve
    lower: Curve


LEFT_EYE = Eye(
    (203.0, 101.5), 11.5,
    Curve(((191.5, 102.5), (195, 99.5), (199, 97.3), (203, 96.6), (208, 97.8), (214.5, 102.5))),
    Curve(((191.5, 102.5), (196, 103.8), (203, 105.0), (208, 104.6), (214.5, 102.5))),
)  # fmt: skip
RIGHT_EYE = Eye(
    (246.5, 104.0), 11.5,
    Curve(((235.0, 105.0), (239, 101.2), (243, 99.6), (247, 99.0), (252, 100.4), (258.0, 104.8))),
    Curve(((235.0, 105.0), (240, 106.3), (246, 107.6), (252, 107.0), (258.0, 104.8))),
)  # fmt: skip
# The inner edges of the lips; the teeth lie between them.
UPPER_LIP = Curve(
    ((203.0, 140.4), (207, 141.2), (211, 142.0), (216, 143.0), (220, 144.0), (224, 144.6),
     (228, 144.3), (233, 143.4), (238, 141.9), (244.5, 140.9))
)  # fmt: skip
LOWER_LIP = Curve(
    ((203.0, 140.4), (205, 143.0), (208, 145.6), (211, 147.4), (215, 148.9), (220, 149.6),
     (225, 149.7), (230, 149.1), (234, 147.8), (238, 145.6), (241, 143.4), (244.5, 140.9))
)  # fmt: skip
# The folds from nose to mouth and the lines below the eyes, which a smile makes.
SMILE_LINES = (
    ((209, 126), (204, 129), (199, 133), (196.5, 137)),
    ((240, 127), (245, 131), (249, 136), (250.5, 140), (249, 144)),
    ((199, 138.5), (201.5, 138)),
    ((194, 110), (201, 111.5), (208, 110)),
    ((241, 113), (248, 114), (255, 111)),
)


@cache
def photograph() -> np.ndarray:
    """The photograph as uint8 [512, 512, 3] RGB, read-only."""
    image = data.astronaut()
    image.flags.writeable = False
    return image


@cache
def textures() -> tuple[np.ndarray, np.ndarray]:
    """The photograph `SCALE` times finer, (smiling, relaxed): uint8 [H, W, 3] RGB each.

    A point (x, y) of the photograph is at (SCALE·x, SCALE·y). In the relaxed one the lines that a
    smile makes are painted over with the skin around them.
    """
    smiling = _finer(photograph())
    lines = np.zeros(photograph().shape[:2], np.uint8)
    for line in SMILE_LINES:
        points = np.round(np.array(line) * 16).astype(np.int32)
        cv2.polylines(lines, [points], False, 255, thickness=5, shift=4)
    painted = cv2.inpaint(photograph(), lines, 4, cv2.INPAINT_TELEA)
    painted = cv2.GaussianBlur(painted, (0, 0), 2.0)
    blend = cv2.GaussianBlur(lines.astype(np.float32) / 255, (0, 0), 1.5)[..., None]
    relaxed = painted * blend + photograph() * (1 - blend)
    return smiling, _finer(np.round(relaxed).astype(np.uint8))


def _finer(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    matrix = np.array([[SCALE, 0, 0], [0, SCALE, 0]], np.float64)
    return cv2.warpAffine(
        image, matrix, (SCALE * width, SCALE * height), flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
