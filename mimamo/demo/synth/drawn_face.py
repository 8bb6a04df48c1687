"""A drawn face: who it is, what it does, and its picture, exact to a fraction of a pixel.

Every part is a smooth function of the place, so moving the face moves its picture without a trace
of the grid (the skin's texture is sampled to 1/32 of a pixel). Coordinates are those of the face: x
to the right and y down, the aligned image spans -1 to 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter

from mimamo.video.folder import CROP_SIZE

_TEXTURE = 256  # side of an identity's skin texture, pixels
_UNIT = CROP_SIZE / 2  # pixels of the aligned image a unit of the face is


@dataclass(frozen=True, eq=False)
class Identity:
    """Who it is: what does not change from video to video.

    Lengths are in units of the face; tones and colours are brightness, 0 to 255.
    """

    head: tuple[float, float]  # half width and half height
    skin: float
    tint: tuple[float, float, float]  # factors of red, green and blue
    hair: float
    hairline: float
    eyes: tuple[float, float, float]  # half distance, height, half width
    iris: float
    brows: tuple[float, float, float]  # height above the eyes, half thickness, tone
    nose: tuple[float, float]  # length, half width
    mouth: tuple[float, float, float]  # height, half width, half thickness
    lips: float
    rest: float  # what the mouth's corners do when nothing is felt
    beard: float
    texture: np.ndarray  # float32 [256, 256], grey levels


@dataclass(frozen=True)
class Pose:
    """A face at one instant.

    smile: -1 (corners of the mouth down) to 1 (up). jaw, blink: 0 to 1. x, y: shift in units of
    the face. roll: degrees, clockwise. zoom: factor.
    """

    smile: float = 0.0
    jaw: float = 0.0
    blink: float = 0.0
    x: float = 0.0
    y: float = 0.0
    roll: float = 0.0
    zoom: float = 1.0


def draw_identity(rng: np.random.Generator) -> Identity:
    """Draw somebody."""
    noise = rng.standard_normal((_TEXTURE, _TEXTURE)).astype(np.float32)
    coarse = gaussian_filter(noise, 5, mode="wrap")
    fine = gaussian_filter(noise[::-1], 2, mode="wrap")
    texture = coarse / coarse.std() + 0.7 * fine / fine.std()
    skin = rng.uniform(95, 205)
    warm = rng.uniform(0.0, 0.14)
    return Identity(
        head=(rng.uniform(0.66, 0.86), rng.uniform(0.92, 1.12)),
        skin=skin,
        tint=(1 + warm, 1.0, 1 - warm),
        hair=rng.uniform(15, 120),
        hairline=rng.uniform(-0.86, -0.62),
        eyes=(rng.uniform(0.27, 0.37), rng.uniform(-0.3, -0.18), rng.uniform(0.11, 0.16)),
        iris=rng.uniform(20, 80),
        brows=(rng.uniform(0.15, 0.22), rng.uniform(0.022, 0.05), rng.uniform(0.25, 0.6)),
        nose=(rng.uniform(0.28, 0.42), rng.uniform(0.08, 0.14)),
        mouth=(rng.uniform(0.42, 0.52), rng.uniform(0.22, 0.32), rng.uniform(0.025, 0.045)),
        lips=rng.uniform(0.45, 0.7),
        rest=rng.uniform(-0.12, 0.12),
        beard=rng.uniform(0.0, 0.25) * (rng.random() < 0.4),
        texture=texture * rng.uniform(3.0, 6.0),
    )


def draw_face(identity: Identity, pose: Pose) -> np.ndarray:
    """The picture without light and noise: float32 [112, 112, 3] RGB, 0 to 255."""
    x, y = _places(pose)
    grey = np.full(x.shape, 70.0, np.float32)
    width, height = identity.head
    outline = _inside(1 - np.hypot(x / (width * 1.12), (y + 0.06) / (height * 1.08)), 0.03)
    grey = _over(grey, identity.hair + 0.5 * _texture(identity, 2 * x, 2 * y), outline)
    skin = identity.skin * (1 - 0.22 * (x / width) ** 2 - 0.1 * (y / height) ** 2)
    skin = skin + _texture(identity, x, y)
    head = _inside(1 - np.hypot(x / width, y / height), 0.03)
    head = head * _inside(y - identity.hairline + 0.12 * (x / width) ** 2, 0.03)
    grey = _over(grey, skin, head)
    if identity.beard:
        jaw = _inside(y - 0.25 + 0.2 * np.cos(2 * x / width), 0.08) * head
        grey = grey * (1 - identity.beard * jaw)
    for side in (-1, 1):
        grey = _eye(grey, identity, pose, side * x, y)
    grey = _nose(grey, identity, x, y)
    grey = _mouth(grey, identity, pose, x, y)
    return grey[..., None] * np.array(identity.tint, np.float32)


def _places(pose: Pose) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel lies on the face."""
    axis = (np.arange(CROP_SIZE, dtype=np.float32) + 0.5) / _UNIT - 1
    x, y = np.meshgrid(axis - np.float32(pose.x), axis - np.float32(pose.y))
    angle = np.deg2rad(pose.roll)
    cos, sin = np.float32(np.cos(angle) / pose.zoom), np.float32(np.sin(angle) / pose.zoom)
    return cos * x + sin * y, cos * y - sin * x


def _inside(distance: np.ndarray, soft: float) -> np.ndarray:
    """1 where `distance` is positive, 0 where negative, smooth over about `soft`."""
    return 1 / (1 + np.exp(np.clip(-4 * distance / np.float32(soft), -60, 60)))


def _over(below: np.ndarray, above: np.ndarray | float, weight: np.ndarray) -> np.ndarray:
    return below + (above - below) * weight


def _texture(identity: Identity, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    x, y = (axis * np.float32(_UNIT) + _TEXTURE / 2 for axis in (x, y))
    return cv2.remap(identity.texture, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_WRAP)


def _eye(
    grey: np.ndarray, identity: Identity, pose: Pose, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    """The eye and brow at positive x."""
    apart, level, half = identity.eyes
    squint = 0.2 * max(pose.smile, 0.0)
    open_to = 0.5 * half * max(1 - squint - pose.blink, 0.06)
    place = np.hypot((x - apart) / half, (y - level) / open_to)
    # Of an eye that is nearly shut the second factor keeps the corners.
    white = _inside((1 - place) * open_to, 0.03) * _inside(half - np.abs(x - apart), 0.03)
    iris = _inside(0.45 * half - np.hypot(x - apart, y - level), 0.02)
    grey = _over(grey, 0.9 * max(identity.skin, 150), white)
    grey = _over(grey, identity.iris, white * iris)
    above, thick, tone = identity.brows
    across = (x - apart) / (1.5 * half)
    sad = 0.05 * max(-pose.smile, 0.0) * across  # the inner ends rise, the outer ones fall
    line = level - above + 0.04 * across**2 + sad
    brow = _inside(thick - np.abs(y - line), 0.03) * _inside(1 - np.abs(across), 0.2)
    return _over(grey, tone * identity.skin, brow)


def _nose(grey: np.ndarray, identity: Identity, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    length, half = identity.nose
    tip = identity.eyes[1] + length + 0.08
    wings = np.exp(-0.5 * (((np.abs(x) - half) / 0.03) ** 2 + ((y - tip) / 0.03) ** 2))
    ridge = np.exp(-0.5 * ((x - 0.4 * half) / 0.025) ** 2)
    ridge = ridge * _inside(tip - y, 0.1) * _inside(y - identity.eyes[1], 0.1)
    return grey * (1 - 0.45 * wings - 0.14 * ridge)


def _mouth(
    grey: np.ndarray, identity: Identity, pose: Pose, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    level, half, thick = identity.mouth
    half = half * (1 + 0.16 * pose.smile)
    smile = pose.smile + identity.rest
    across = x / half
    line = level + 0.05 * smile - 0.15 * smile * across**2
    gap = 0.11 * pose.jaw * np.clip(1 - across**2, 0, None)
    within = _inside((1 - np.abs(across)) * half, 0.04)
    lips = _inside(thick + gap - np.abs(y - line - 0.6 * gap), 0.03) * within
    inside = _inside(gap - 0.012 - np.abs(y - line - 0.6 * gap), 0.02) * within
    seam = np.exp(-0.5 * ((y - line - 0.6 * gap) / 0.015) ** 2) * within
    grey = _over(grey, identity.lips * identity.skin, lips)
    grey = grey * (1 - 0.45 * seam * (1 - inside))
    grey = _over(grey, 30.0, inside)
    # The folds from the nose to the corners deepen with a smile.
    fold = np.abs(np.abs(x) - half - 0.06 - 0.25 * (y - level)) / 0.03
    fold = (
        np.exp(-0.5 * fold**2) * _inside(level + 0.03 - y, 0.08) * _inside(y - level + 0.24, 0.08)
    )
    return grey * (1 - 0.22 * max(pose.smile, 0.0) * fold)
