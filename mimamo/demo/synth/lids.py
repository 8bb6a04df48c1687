"""Lids and lips: skin that slides over the eye and over the teeth.

Along every column the skin is stretched piecewise linearly between curves that move; between
the lips the mouth's inside shows. All coordinates are photograph pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mimamo.demo.synth import portrait
from mimamo.demo.synth.expression import Expression

_DARK = np.array((46, 16, 14), np.float32)  # the inside of a mouth, RGB
_TONGUE = np.array((93, 41, 39), np.float32)
_EDGE = 1.2  # how soft the lips' edges are, pixels


@dataclass(frozen=True)
class Lips:
    """The inner edges of the lips along some columns.

    source_upper, source_lower: in the photograph. upper, lower: in this expression. closed: how
    much closer than in the photograph the lips are, 0 to 1 (shut).
    """

    source_upper: np.ndarray
    source_lower: np.ndarray
    upper: np.ndarray
    lower: np.ndarray
    closed: float


def stretch(y: np.ndarray, moved: list[np.ndarray], source: list[np.ndarray]) -> np.ndarray:
    """Backward map of y: piecewise linear from the `moved` knots to the `source` knots.

    Knots increase along the lists, and each has the shape of y; outside of them y stays.
    """
    result = y.copy()
    for top, bottom, source_top, source_bottom in zip(
        moved[:-1], moved[1:], source[:-1], source[1:], strict=True
    ):
        slope = (source_bottom - source_top) / np.maximum(bottom - top, 1e-3)
        np.copyto(result, source_top + (y - top) * slope, where=(y > top) & (y <= bottom))
    return result


def stretch_eye(
    eye: portrait.Eye, x: np.ndarray, y: np.ndarray, expression: Expression
) -> np.ndarray:
    """Backward y around one eye: its upper lid rises with alertness and falls in a blink."""
    upper, lower = eye.upper(x), eye.lower(x)
    height = lower - upper
    lift = 0.06 + 0.18 * expression.alert
    covered = min(expression.blink * (1 + lift) - lift, 0.85)
    squint = 0.12 * max(expression.smile, 0.0) - 0.04 * expression.alert
    brow, cheek = upper - 6.5, lower + 5.0
    return stretch(
        y,
        [brow, upper + height * covered, lower - height * squint, cheek],
        [brow, upper, lower, cheek],
    )


def lips_of(x: np.ndarray, expression: Expression) -> Lips:
    """The lips at x: a smile bares the teeth, sadness arches the closed lips, the jaw drops."""
    upper, lower = portrait.UPPER_LIP(x), portrait.LOWER_LIP(x)
    closed = float(np.clip(1.1 - 1.1 * expression.smile, 0.0, 1.0))
    arch = _arch(x)
    pout = 3.4 * max(-expression.smile, 0.0) * (1 - 0.7 * expression.jaw)
    seam = upper + 0.42 * (lower - upper) - pout * arch
    return Lips(
        upper,
        lower,
        upper + (seam - upper) * closed - 0.8 * expression.jaw * arch,
        lower + (seam - lower) * closed + 7.5 * expression.jaw * arch,
        closed,
    )


def stretch_mouth(x: np.ndarray, y: np.ndarray, lips: Lips, expression: Expression) -> np.ndarray:
    """Backward y of the lips, the chin and the skin around them."""
    fall = 6.0 * expression.jaw * np.exp(-0.5 * ((x - 224) / 19) ** 2)
    rise = 2.0 * lips.closed * np.exp(-0.5 * ((x - 224) / 16) ** 2)
    nose, chin, neck = (np.full_like(x, level) for level in (131, 174, 196))
    return stretch(
        y,
        [nose, lips.upper, lips.lower, chin + fall - rise, neck],
        [nose, lips.source_upper, lips.source_lower, chin, neck],
    )


def paint_mouth(
    skin: np.ndarray, teeth: np.ndarray, x: np.ndarray, y: np.ndarray, lips: Lips
) -> np.ndarray:
    """Put the mouth's inside between the lips and darken the line where they meet.

    Args:
        skin: the face with the lips moved, uint8 [h, w, 3].
        teeth: the face with the lips left as in the photograph, the same shape.
        x, y: where each pixel is before the lips move, [h, w].
        lips: at these x.
    """
    gap = lips.lower - lips.upper
    shows = np.clip((y - lips.upper) / _EDGE + 0.5, 0, 1)
    shows *= np.clip((lips.lower - y) / _EDGE + 0.5, 0, 1) * np.clip(gap / _EDGE, 0, 1)
    hollow = np.clip((y - lips.source_lower + 1.5) / 1.8, 0, 1)[..., None]
    depth = np.clip(1 - (lips.lower - y) / 4.5, 0, 1)[..., None] ** 2
    inside = teeth + (_DARK + (_TONGUE - _DARK) * depth - teeth) * hollow

    (left, _), (right, _) = portrait.MOUTH_CORNERS
    within = np.clip((x - left) / 3, 0, 1) * np.clip((right - x) / 3, 0, 1)
    line = np.exp(-0.5 * ((y - (lips.upper + lips.lower) / 2) / 0.7) ** 2)
    shade = 1 - 0.55 * (1 - np.clip(gap / 0.8, 0, 1)) * within * line

    mixed = (skin + (inside - skin) * shows[..., None]) * shade[..., None]
    return np.rint(np.clip(mixed, 0, 255)).astype(np.uint8)


def _arch(x: np.ndarray) -> np.ndarray:
    """1 in the middle of the mouth, 0 at its corners and beyond."""
    (left, _), (right, _) = portrait.MOUTH_CORNERS
    t = (2 * x - left - right) / (right - left)
    return np.clip(1 - t * t, 0, None) ** 0.7
