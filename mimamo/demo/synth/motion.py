"""How valence and arousal move the face over time, and what else happens in front of the camera.

Valence shows in every still: it is the smile. Arousal shows a little in a still (brows higher and
mouth opener) and mostly in motion: the stronger it is, the faster and further the face moves. Slow
turns of the head, the camera and the light say nothing about either.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.special import erf

from mimamo.demo.synth.photo_face import HEAD_CENTER, Expression, Light, PhotoCamera

PARTIALS = 6  # sinusoids in a band of noise


@dataclass(frozen=True)
class Performance:
    """What happens in one video, frame by frame.

    values: float64 [T, 2], valence and arousal in [-1, 1]. scenes: what `render` takes.
    """

    values: np.ndarray
    scenes: list[tuple[Expression, PhotoCamera, Light]]


def band_noise(rng: np.random.Generator, times: np.ndarray, low: float, high: float) -> np.ndarray:
    """Smooth noise of variance 1 at `times` (s): sinusoids of `low` to `high` Hz, random phases."""
    frequency = rng.uniform(low, high, PARTIALS)
    phase = rng.uniform(0, 2 * np.pi, PARTIALS)
    waves = np.sin(2 * np.pi * np.outer(times, frequency) + phase)
    return waves.sum(axis=1) * math.sqrt(2 / PARTIALS)


def affect(
    rng: np.random.Generator, times: np.ndarray, low: float = 0.05, high: float = 0.4
) -> np.ndarray:
    """A trajectory of valence or arousal at `times` (s): slow, spread evenly over ±0.95."""
    # The error function turns a normal distribution into a uniform one.
    return 0.95 * erf(band_noise(rng, times, low, high) / math.sqrt(2))


def blinks(rng: np.random.Generator, times: np.ndarray) -> np.ndarray:
    """How far the eyes are shut at `times` (s), 0 to 1: a blink of 0.2 s every few seconds."""
    shut = np.zeros_like(times)
    at = rng.uniform(0.3, 3.0)
    while at < times[-1]:
        shut = np.maximum(shut, np.clip(1.25 - np.abs(times - at) / 0.1, 0, 1))
        at += rng.uniform(1.8, 4.5)
    return shut


def perform(
    rng: np.random.Generator,
    times: np.ndarray,
    *,
    spread: float = 1.0,
    zoom: float = 1.65,
    size: tuple[int, int] = (640, 360),
) -> Performance:
    """Draw a video with a frame at each of `times` (s): affect, the face that shows it, the scene.

    Args:
        rng: of everything random.
        times: float64 [T].
        spread: how much light and distance differ from video to video.
        zoom: frame pixels per photograph pixel, on average.
        size: (width, height) of the frames.
    """
    valence, arousal = affect(rng, times), affect(rng, times)
    expressions = faces(rng, times, valence, arousal)

    def wander(middle: float, amount: float, high: float = 0.3) -> np.ndarray:
        return middle + amount * band_noise(rng, times, 0.05, high)

    # A hand-held camera on the head: it drifts, turns and zooms slowly.
    x, y, angle = wander(HEAD_CENTER[0], 6), wander(HEAD_CENTER[1], 4), wander(0, 1.5)
    zooms = zoom * (1 + spread * rng.uniform(-0.15, 0.15)) * wander(1, 0.03, 0.15)
    gain = (1 + spread * rng.uniform(-0.25, 0.25)) * wander(0.93, 0.03, 0.5)
    side = wander(spread * rng.uniform(-0.24, 0.24), 0.03)
    warmth, noise = spread * rng.uniform(-0.06, 0.06), rng.uniform(0.5, 2.5)
    columns = np.stack([x, y, zooms, angle, gain, side], axis=1).tolist()
    scenes = [
        (expression, PhotoCamera((cx, cy), z, a, size), Light(g, s, warmth, noise))
        for expression, (cx, cy, z, a, g, s) in zip(expressions, columns, strict=True)
    ]
    return Performance(np.stack([valence, arousal], axis=1), scenes)


def faces(
    rng: np.random.Generator, times: np.ndarray, valence: np.ndarray, arousal: np.ndarray
) -> list[Expression]:
    """The expressions that show valence and arousal at `times`, with idle turns."""
    noise = partial(band_noise, rng, times)
    energy = (1 + arousal) / 2
    strength = energy**1.25
    columns = [
        np.clip(valence + 0.04 * noise(0.3, 1.0), -1, 1),  # in the order of an Expression
        np.clip(0.6 * arousal + 0.15 * noise(0.1, 0.5), -1, 1),
        np.clip(0.1 * energy + strength * (0.22 + 0.24 * noise(2.0, 4.5)), 0, 1),
        2.5 * noise(0.05, 0.3) + 3.4 * strength * noise(1.5, 4.0),
        1.5 * noise(0.05, 0.3) + 4.0 * strength * noise(1.2, 3.5),
        1.6 * noise(0.05, 0.3) + 1.1 * strength * noise(1.5, 4.0),
        1.5 * noise(0.05, 0.3) + 1.0 * strength * noise(2.0, 5.0),
        0.8 * noise(0.05, 0.3) + 1.0 * strength * noise(2.0, 5.0),
    ]
    return [Expression(*row) for row in np.stack(columns, axis=1).tolist()]
