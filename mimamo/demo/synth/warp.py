"""Smooth dense displacement fields: sums of Gaussians, their sampling and their inverse at points.

Coordinates are (x, y) in pixels with pixel centres at whole numbers. A *backward* displacement
``d`` says where a pixel of the output takes its colour from: ``output(p) = source(p + d(p))``, as
``cv2.remap`` wants it. A point of the source therefore appears at the ``p`` that solves
``p + d(p) = point`` (`appearing_at`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Bump:
    """One Gaussian of a field: the forward displacement (dx, dy) at its centre, in pixels.

    `sigma` is the standard deviation along x and y in pixels.
    """

    center: tuple[float, float]
    sigma: tuple[float, float]
    move: tuple[float, float]


def gaussian(x: np.ndarray, y: np.ndarray, bump: Bump) -> np.ndarray:
    """The bump's weight at (x, y), 1 at its centre; the shape of `x` broadcast with `y`."""
    (cx, cy), (sx, sy) = bump.center, bump.sigma
    return np.exp(-0.5 * (((x - cx) / sx) ** 2 + ((y - cy) / sy) ** 2))


def bump_field(bumps: tuple[Bump, ...], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Sum of the bumps' forward displacements at (x, y): float32 [..., 2], pixels."""
    total = np.zeros((*np.broadcast_shapes(x.shape, y.shape), 2))
    for bump in bumps:
        total += gaussian(x, y, bump)[..., None] * np.asarray(bump.move)
    return total.astype(np.float32)


def sample_field(field: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Values of `field` [H, W, C] at `points` [N, 2], bilinear, edge values outside: [N, C]."""
    points = np.asarray(points, np.float32)
    return cv2.remap(
        field, points[None, :, 0], points[None, :, 1], cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )[0].reshape(len(points), -1)  # fmt: skip


def appearing_at(
    points: np.ndarray,
    displacement: Callable[[np.ndarray], np.ndarray],
    *,
    iterations: int = 30,
) -> np.ndarray:
    """Where source `points` [N, 2] appear under the backward `displacement` ([N, 2] -> [N, 2]).

    Fixed-point iteration of ``p = point - d(p)``; it converges wherever the field stretches by
    less than its own length (|∂d| < 1), which holds for every expression at the five landmarks.
    """
    points = np.asarray(points, np.float64)
    found = points.copy()
    for _ in range(iterations):
        found = points - displacement(found)
    return found
