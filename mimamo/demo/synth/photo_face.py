"""The animated photograph: expression, camera and light in; a frame and its landmarks out.

It is scikit-image's astronaut photograph (NASA, public domain). The skin moves by a sum of
Gaussians on the head, which turns and sways; these fields are computed once.
Coordinates are (x, y) in pixels of the 512x512 photograph, pixel centres being whole numbers;
"left" and "right" are the image's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import cache

import cv2
import numpy as np
from skimage import data

SIZE = 512
# Where CenterFace puts its five points, on average: eyes, nose, mouth corners, image-left first.
LANDMARKS = np.array(
    [(204.1, 102.5), (245.9, 103.1), (223.4, 125.3), (203.8, 141.6), (241.5, 142.7)]
)
HEAD_CENTER = (224.0, 112.0)
_NECK = (224.0, 175.0)
_photograph = cache(data.astronaut)


@dataclass(frozen=True)
class Expression:
    """A face at one instant. All zero: a relaxed face that looks at the camera.

    smile: -1 (corners of the mouth down, brows knit) to 1 (a broad smile); shows valence.
    alert: -1 (lids and brows low) to 1 (high); shows arousal. jaw: 0 to 1 (mouth open).
    yaw, pitch, roll: turns of the head in degrees: to the image's right, down, clockwise.
    sway_x, sway_y: shift of the head in pixels of the photograph.
    """

    smile: float = 0.0
    alert: float = 0.0
    jaw: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    sway_x: float = 0.0
    sway_y: float = 0.0


@dataclass(frozen=True)
class PhotoCamera:
    """How the photograph's plane is seen in a frame.

    `center`: the point of the photograph shown in the middle; `zoom`: frame pixels per photograph
    pixel; `angle`: clockwise turn of the picture in degrees; `size`: (width, height) of the frame.
    """

    center: tuple[float, float] = HEAD_CENTER
    zoom: float = 1.6
    angle: float = 0.0
    size: tuple[int, int] = (640, 360)

    def matrix(self) -> np.ndarray:
        """Photograph to frame, float64 [2, 3]."""
        a = np.deg2rad(self.angle)
        linear = self.zoom * np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
        middle = (np.array(self.size) - 1) / 2
        return np.column_stack([linear, middle - linear @ self.center])


@dataclass(frozen=True)
class Light:
    """Brightness (1 as photographed), its slope from left to right, colour warmth, and noise.

    `side`: relative brightness gained from the middle to the right edge. `warmth`: red up and blue
    down by this fraction. `noise`: standard deviation in grey levels.
    """

    gain: float = 1.0
    side: float = 0.0
    warmth: float = 0.0
    noise: float = 0.0


def render(
    expression: Expression, camera: PhotoCamera, light: Light, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """One frame, uint8 [H, W, 3] RGB, and where in it the landmarks truly are, float64 [5, 2].

    `rng` draws the sensor's noise.
    """
    matrix, (width, height) = camera.matrix(), camera.size
    moved = displacement(expression)
    places = cv2.transform(_places(width, height), cv2.invertAffineTransform(matrix))
    places = places + _sample(moved, places)
    frame = _sample(_photograph(), places, cv2.INTER_CUBIC)
    points = landmarks_of(expression) @ matrix[:, :2].T + matrix[:, 2]
    return illuminate(frame, light, rng), points


def illuminate(image: np.ndarray, light: Light, rng: np.random.Generator) -> np.ndarray:
    """The frame under this light, seen by a camera with this noise: uint8 [H, W, 3]."""
    height, width = image.shape[:2]
    across = 1 + light.side * np.linspace(-1, 1, width, dtype=np.float32)[:, None]
    tint = light.gain * np.array([1 + light.warmth, 1, 1 - light.warmth], np.float32)
    grain = light.noise * rng.standard_normal((height, width, 1), dtype=np.float32)
    return np.clip(np.rint(image * (across * tint) + grain), 0, 255).astype(np.uint8)


def landmarks_of(expression: Expression) -> np.ndarray:
    """Where the five landmarks are in the moved photograph: float64 [5, 2].

    A point appears at the p that solves ``p + d(p) = point``: found by fixed-point iteration, as
    the field stretches by less than its own length.
    """
    field, found = displacement(expression), LANDMARKS
    for _ in range(30):
        found = LANDMARKS - _sample(field, found[None].astype(np.float32))[0]
    return found


def displacement(expression: Expression) -> np.ndarray:
    """Where each pixel takes its colour from, relative to it: float32 [512, 512, 2], pixels."""
    smile, alert, jaw, *turns, sway_x, sway_y = astuple(expression)
    skin, head = _fields()
    moved = _combined(head, [*np.deg2rad(turns), sway_x, sway_y])
    # The skin moves on the head, wherever that is.
    places = _places(SIZE, SIZE) + moved
    return moved + _sample(_combined(skin, [1.0, smile, max(-smile, 0.0), alert, jaw]), places)


def _combined(fields: np.ndarray, moves: Sequence[float]) -> np.ndarray:
    """Backward displacement of some forward motions: what moves is found by looking back."""
    total = np.zeros((SIZE, SIZE, 2), np.float32)
    for move, field in zip(moves, fields, strict=True):
        if move:
            total -= np.float32(move) * field
    return total


def _places(width: int, height: int) -> np.ndarray:
    """The (x, y) of every pixel: float32 [H, W, 2]."""
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return np.stack([x, y], axis=-1)


@cache
def _fields() -> tuple[np.ndarray, np.ndarray]:
    """Forward motion per unit: float32 [5, 512, 512, 2] each.

    Of the skin: rest, smile, sadness, alertness, jaw. Of the head: its turns and its sway.
    """
    left, right = (203.5, 140.6), (244.0, 141.0)  # the mouth's corners
    brows = ((192, 90), (200, 88.5), (211, 91), (260, 94.5), (251, 92), (239, 93))
    skin = [
        # The photograph smiles: at rest the corners are lower and closer, the lips less open.
        _moved((left, (10, 12), (1.8, 3.4)), (right, (10, 12), (-1.8, 3.4)),
               ((224, 150), (14, 5), (0, -1.5))),
        _moved((left, (10, 12), (-3.0, -5.6)), (right, (10, 12), (3.0, -5.6))),
        _moved((left, (8, 11), (0.8, 2.8)), (right, (8, 11), (-0.8, 2.8)),
               ((212, 92), (6, 6), (1.8, 2.2)), ((239, 94), (6, 6), (-1.8, 2.2))),
        _moved(*((brow, (7, 7), (0, -2)) for brow in brows),
               *((lid, (9, 4), (0, -1.6)) for lid in ((203, 97), (247, 99)))),
        _moved(((224, 162), (19, 12), (0, 8))),
    ]  # fmt: skip
    x, y = np.moveaxis(_places(SIZE, SIZE), -1, 0)
    whole = np.exp(-(((x - _NECK[0]) / 82) ** 4)) / (1 + np.exp((y - 180) / 7))  # 0 at the collar
    # How far the face stands out of the picture, in pixels: what turning the head moves.
    depth = 44 * _bump(HEAD_CENTER, (37, 46)) + 10 * _bump((223, 120), (8, 11))
    roll = whole[..., None] * np.stack([_NECK[1] - y, x - _NECK[0]], -1)
    across, down = np.eye(2)
    whole, depth = whole[..., None], depth[..., None]
    head = [depth * across, depth * down, roll, whole * across, whole * down]
    return np.stack(skin).astype(np.float32), np.stack(head).astype(np.float32)


def _bump(center: tuple[float, float], sigma: tuple[float, float]) -> np.ndarray:
    """A Gaussian over the photograph, 1 at its centre: float64 [512, 512]."""
    across, down = (
        np.exp(-0.5 * ((np.arange(SIZE) - c) / s) ** 2) for c, s in zip(center, sigma, strict=True)
    )
    return np.outer(down, across)


def _moved(
    *bumps: tuple[tuple[float, float], tuple[float, float], tuple[float, float]],
) -> np.ndarray:
    """A sum of Gaussians that move: each a centre, a deviation and the motion at the centre."""
    return sum(_bump(center, sigma)[..., None] * np.array(move) for center, sigma, move in bumps)


def _sample(image: np.ndarray, places: np.ndarray, method: int = cv2.INTER_LINEAR) -> np.ndarray:
    """An image or a field at places float32 [M, N, 2], mirrored beyond its borders."""
    x, y = places[..., 0], places[..., 1]
    return cv2.remap(image, x, y, method, borderMode=cv2.BORDER_REFLECT_101)
