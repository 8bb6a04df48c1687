"""The animated face: an expression in; the picture, its displacement field and landmarks out."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from mimamo.demo.synth import lids, portrait
from mimamo.demo.synth.expression import REGION_X, REGION_Y, Expression, skin_displacement
from mimamo.demo.synth.portrait import SCALE
from mimamo.demo.synth.warp import appearing_at, sample_field

# Rectangles (x0, y0, x1, y1) of the photograph, with room for the head to turn.
_EYES = ((portrait.LEFT_EYE, (172, 74, 226, 126)), (portrait.RIGHT_EYE, (222, 74, 280, 128)))
_JAW = (176, 112, 274, 214)
_MOUTH = (190, 122, 258, 176)


class BackwardMap(NamedTuple):
    """Where each point of the region takes its colour from, in photograph pixels.

    x, y: float32 [SCALE·H, SCALE·W] over the region. unmoved: y over the mouth's rectangle before
    the lips moved; the teeth are there.
    """

    x: np.ndarray
    y: np.ndarray
    unmoved: np.ndarray


def animate(expression: Expression) -> np.ndarray:
    """The photograph making this expression, SCALE times finer: uint8 [H, W, 3] RGB."""
    smiling, relaxed = portrait.textures()
    canvas = smiling.copy()
    (x0, x1), (y0, y1) = REGION_X, REGION_Y
    face = canvas[y0 * SCALE : y1 * SCALE, x0 * SCALE : x1 * SCALE]
    ease = float(np.clip(0.75 - 0.75 * expression.smile, 0.0, 1.0))
    source = relaxed[y0 * SCALE : y1 * SCALE, x0 * SCALE : x1 * SCALE]
    face[:] = cv2.addWeighted(face, 1 - ease, source, ease, 0)

    x, y, unmoved = backward_map(expression)
    moved = _sample(canvas, x, y)
    mouth = _slices(_MOUTH)
    lips = lids.lips_of(x[mouth], expression)
    teeth = _sample(canvas, x[mouth], np.maximum(unmoved, lips.source_upper + 0.6))
    moved[mouth] = lids.paint_mouth(moved[mouth], teeth, x[mouth], unmoved, lips)
    face[:] = moved
    return canvas


def backward_map(expression: Expression) -> BackwardMap:
    """The whole warp of this expression: the skin, then the lids and the lips."""
    field = skin_displacement(expression)
    height, width = field.shape[:2]
    finer = np.array([[SCALE, 0, 0], [0, SCALE, 0]], np.float64)
    field = cv2.warpAffine(
        field, finer, (SCALE * width, SCALE * height), flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    x = field[..., 0] + (np.arange(SCALE * width, dtype=np.float32) / SCALE + REGION_X[0])
    y = field[..., 1] + (np.arange(SCALE * height, dtype=np.float32) / SCALE + REGION_Y[0])[:, None]
    unmoved = y[_slices(_MOUTH)].copy()
    for eye, rectangle in _EYES:
        part = _slices(rectangle)
        y[part] = lids.stretch_eye(eye, x[part], y[part], expression)
    jaw = _slices(_JAW)
    y[jaw] = lids.stretch_mouth(x[jaw], y[jaw], lids.lips_of(x[jaw], expression), expression)
    return BackwardMap(x, y, unmoved)


def landmarks_of(expression: Expression) -> np.ndarray:
    """Where the five landmarks are, in pixels of the photograph: float64 [5, 2]."""
    field = skin_displacement(expression)
    origin = np.array([REGION_X[0], REGION_Y[0]], np.float64)
    return appearing_at(portrait.LANDMARKS, lambda points: sample_field(field, points - origin))


def _slices(rectangle: tuple[int, int, int, int]) -> tuple[slice, slice]:
    x0, y0, x1, y1 = rectangle
    return (
        slice((y0 - REGION_Y[0]) * SCALE, (y1 - REGION_Y[0]) * SCALE),
        slice((x0 - REGION_X[0]) * SCALE, (x1 - REGION_X[0]) * SCALE),
    )


def _sample(texture: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    scale = np.float32(SCALE)
    return cv2.remap(
        texture, x * scale, y * scale, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
