"""What a face does at one instant, and the displacement of its skin that shows it.

The skin moves by a sum of Gaussians and by the turns of the head (`skin_displacement`): linear in
the expression, so the fields are computed once. The lids and lips then slide over what lies behind
them (`mimamo.demo.synth.lids`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from mimamo.demo.synth import portrait
from mimamo.demo.synth.warp import Bump, bump_field, gaussian

# The part of the photograph that moves: x and y ranges in its pixels.
REGION_X, REGION_Y = (112, 336), (0, 232)


@dataclass(frozen=True)
class Expression:
    """A face at one instant. All zero: a relaxed face that looks at the camera, lips closed.

    smile: -1 (corners of the mouth down, brows knit) to 1 (a broad smile); shows valence.
    alert: -1 (lids and brows low) to 1 (eyes wide, brows high); shows arousal.
    jaw: 0 (as the smile has it) to 1 (mouth wide open). blink: 0 (open) to 1 (shut).
    yaw, pitch, roll: turns of the head in degrees: to the image's right, down, clockwise.
    sway_x, sway_y: shift of the head in pixels of the photograph.
    """

    smile: float = 0.0
    alert: float = 0.0
    jaw: float = 0.0
    blink: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    sway_x: float = 0.0
    sway_y: float = 0.0


def skin_displacement(expression: Expression) -> np.ndarray:
    """Backward displacement of the skin over the region: float32 [H, W, 2], photograph pixels."""
    e = expression
    turns = np.deg2rad([e.yaw, e.pitch, e.roll])
    moves = [1.0, e.smile, max(-e.smile, 0.0), e.alert, *turns, e.sway_x, e.sway_y]
    # Not a matrix product: for one row, BLAS spends far longer on waking its threads.
    total = np.zeros_like(_skin_fields()[0])
    for move, field in zip(moves, _skin_fields(), strict=True):
        if move:
            total -= np.float32(move) * field  # what moves forward is found by looking back
    return total


@cache
def _skin_fields() -> np.ndarray:
    """Forward displacement per unit of: rest, smile, sadness, alertness, the turns, the sway."""
    x, y = np.meshgrid(
        np.arange(*REGION_X, dtype=np.float64), np.arange(*REGION_Y, dtype=np.float64)
    )
    corner = (10.0, 12.0)
    left, right = portrait.MOUTH_CORNERS
    # The photograph smiles: at rest the corners are lower and closer than in it.
    rest = (Bump(left, corner, (1.8, 3.4)), Bump(right, corner, (-1.8, 3.4)))
    smile = (
        Bump(left, corner, (-2.4, -4.2)),
        Bump(right, corner, (2.4, -4.2)),
        Bump((199, 124), (11, 8), (0.0, -1.6)),  # the cheeks rise with the corners
        Bump((249, 126), (11, 8), (0.0, -1.6)),
    )
    sad = (
        Bump((212, 92), (6, 6), (1.8, 2.2)),  # inner brows down and together
        Bump((239, 94), (6, 6), (-1.8, 2.2)),
        Bump(left, (7, 11), (0.8, 2.2)),  # the corners of the mouth drawn further down
        Bump(right, (7, 11), (-0.8, 2.2)),
    )
    alert = tuple(
        Bump(point, (7, 6), (0.0, -1.5))
        for brow in (portrait.LEFT_BROW, portrait.RIGHT_BROW)
        for point in brow
    )
    depth = _depth(x, y)
    head = _head_weight(x, y)
    nothing = np.zeros_like(x)
    turns = (
        np.stack([depth, nothing], -1),
        np.stack([nothing, depth], -1),
        head[..., None] * np.stack([-(y - portrait.NECK[1]), x - portrait.NECK[0]], -1),
    )
    sway = (np.stack([head, nothing], -1), np.stack([nothing, head], -1))
    local = [bump_field(bumps, x, y) for bumps in (rest, smile, sad, alert)]
    return np.stack([*local, *turns, *sway]).astype(np.float32)


def _depth(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """How far the face stands out of the picture, in pixels: what turning the head moves."""
    head = gaussian(x, y, Bump(portrait.HEAD_CENTER, (37, 46), (0, 0)))
    nose = gaussian(x, y, Bump((223, 120), (8, 11), (0, 0)))
    return 44 * head + 10 * nose


def _head_weight(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """1 on the head, 0 at the collar and beside the head: what moves as a whole."""
    above_collar = 1 / (1 + np.exp((y - 180) / 7))
    return above_collar * np.exp(-(((x - portrait.NECK[0]) / 82) ** 4))
