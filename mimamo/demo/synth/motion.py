"""How valence and arousal move the face over time, and what else happens in front of the camera.

Valence shows in every still: it is the smile. Arousal shows a little in a still (eyes and mouth
open wider) and mostly in motion: the stronger it is, the faster and further the face moves.
Slow turns of the head, blinks, the camera and the light say nothing about either.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import erf

from mimamo.demo.synth.expression import Expression
from mimamo.demo.synth.portrait import HEAD_CENTER
from mimamo.demo.synth.render import Camera, Light

PARTIALS = 6  # sinusoids in a band of noise


@dataclass(frozen=True)
class SceneRanges:
    """Ranges from which a video's camera and light are drawn, uniformly.

    gain, warmth, blur, noise, zoom: (low, high); slope, side_light: largest size, either sign, of
    the vertical and the horizontal slope of the light.
    """

    gain: tuple[float, float] = (0.7, 1.15)
    slope: float = 0.12
    side_light: float = 0.24
    warmth: tuple[float, float] = (-0.06, 0.06)
    blur: tuple[float, float] = (0.0, 0.7)
    noise: tuple[float, float] = (0.5, 2.5)
    zoom: tuple[float, float] = (1.4, 1.9)


@dataclass(frozen=True)
class Performance:
    """What happens in one video: one entry per frame in every field.

    `valence` and `arousal` are float64 [T] in [-1, 1].
    """

    fps: float
    valence: np.ndarray
    arousal: np.ndarray
    expressions: list[Expression]
    cameras: list[Camera]
    lights: list[Light]

    def __len__(self) -> int:
        return len(self.valence)


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
    frames: int,
    *,
    fps: float = 30.0,
    ranges: SceneRanges | None = None,
    size: tuple[int, int] = (640, 360),
) -> Performance:
    """Draw a video of so many frames: affect, the face that shows it, camera and light."""
    ranges = ranges or SceneRanges()
    times = np.arange(frames) / fps
    valence, arousal = affect(rng, times), affect(rng, times)
    return Performance(
        fps, valence, arousal,
        faces(rng, times, valence, arousal),
        cameras(rng, times, ranges, size),
        lights(rng, times, ranges),
    )  # fmt: skip


def faces(
    rng: np.random.Generator, times: np.ndarray, valence: np.ndarray, arousal: np.ndarray
) -> list[Expression]:
    """The expressions that show valence and arousal at `times`, with blinks and idle turns."""

    def noise(low: float, high: float) -> np.ndarray:
        return band_noise(rng, times, low, high)

    strength = ((1 + arousal) / 2) ** 1.25
    still = [expressive(v, a) for v, a in zip(valence, arousal, strict=True)]
    columns = {
        "smile": np.array([e.smile for e in still]) + 0.04 * noise(0.3, 1.0),
        "alert": np.array([e.alert for e in still]) + 0.15 * noise(0.1, 0.5),
        "jaw": np.array([e.jaw for e in still]) + 0.24 * strength * noise(2.0, 4.5),
        "blink": blinks(rng, times),
        "yaw": 2.5 * noise(0.05, 0.3) + 2.4 * strength * noise(1.5, 4.0),
        "pitch": 1.5 * noise(0.05, 0.3) + 2.9 * strength * noise(1.2, 3.5),
        "roll": 1.6 * noise(0.05, 0.3) + 0.8 * strength * noise(1.5, 4.0),
        "sway_x": 1.5 * noise(0.05, 0.3) + 0.7 * strength * noise(2.0, 5.0),
        "sway_y": 0.8 * noise(0.05, 0.3) + 0.7 * strength * noise(2.0, 5.0),
    }
    for name, lowest in (("smile", -1), ("alert", -1), ("jaw", 0)):
        columns[name] = np.clip(columns[name], lowest, 1)
    names = list(columns)
    rows = np.stack([columns[name] for name in names], axis=1).tolist()
    return [Expression(**dict(zip(names, row, strict=True))) for row in rows]


def expressive(valence: float, arousal: float) -> Expression:
    """The face at rest that shows this valence and arousal, each in [-1, 1]."""
    energy = (1 + arousal) / 2
    return Expression(smile=valence, alert=0.6 * arousal, jaw=0.1 * energy + 0.22 * energy**1.25)


def cameras(
    rng: np.random.Generator, times: np.ndarray, ranges: SceneRanges, size: tuple[int, int]
) -> list[Camera]:
    """A hand-held camera on the head: it drifts, turns and zooms slowly, and jerks at times."""
    zoom = rng.uniform(*ranges.zoom) * (1 + 0.03 * band_noise(rng, times, 0.03, 0.15))
    x = HEAD_CENTER[0] + 6 * band_noise(rng, times, 0.05, 0.3) + jerks(rng, times, 12)
    y = HEAD_CENTER[1] + 4 * band_noise(rng, times, 0.05, 0.3) + jerks(rng, times, 18)
    angle = 1.5 * band_noise(rng, times, 0.05, 0.2)
    return [
        Camera((float(cx), float(cy)), float(z), float(a), size)
        for cx, cy, z, a in zip(x, y, zoom, angle, strict=True)
    ]


def jerks(rng: np.random.Generator, times: np.ndarray, size: float) -> np.ndarray:
    """A sudden shift of about `size` and back every few seconds, each in 0.2 to 0.5 s."""
    shift = np.zeros_like(times)
    at = rng.uniform(-1.0, 3.0)
    while at < times[-1]:
        width = rng.uniform(0.1, 0.25)
        shift += size * rng.normal() * np.exp(-0.5 * ((times - at) / width) ** 2)
        at += rng.uniform(2.0, 5.0)
    return shift


def lights(rng: np.random.Generator, times: np.ndarray, ranges: SceneRanges) -> list[Light]:
    """The video's light, its brightness wandering by a few per cent."""
    gain = rng.uniform(*ranges.gain) * (1 + 0.03 * band_noise(rng, times, 0.05, 0.5))
    side = rng.uniform(-1, 1) * ranges.side_light + 0.03 * band_noise(rng, times, 0.05, 0.3)
    slope = rng.uniform(-1, 1) * ranges.slope
    warmth, blur, noise = (
        float(rng.uniform(*limits)) for limits in (ranges.warmth, ranges.blur, ranges.noise)
    )
    return [
        Light(float(g), (float(s), slope), warmth, blur, noise)
        for g, s in zip(gain, side, strict=True)
    ]
