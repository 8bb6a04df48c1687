"""Draws the animated face: expression and camera in, frame and true landmarks out."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mimamo.demo.synth import portrait
from mimamo.demo.synth.expression import Expression
from mimamo.demo.synth.face import animate, landmarks_of
from mimamo.demo.synth.portrait import SCALE


@dataclass(frozen=True)
class Camera:
    """How the photograph's plane is seen in a frame.

    `center`: the point of the photograph shown in the middle; `zoom`: frame pixels per photograph
    pixel; `angle`: clockwise turn of the picture in degrees; `size`: (width, height) of the frame.
    """

    center: tuple[float, float] = portrait.HEAD_CENTER
    zoom: float = 1.6
    angle: float = 0.0
    size: tuple[int, int] = (640, 360)

    def matrix(self) -> np.ndarray:
        """Photograph to frame, float64 [2, 3]."""
        a = np.deg2rad(self.angle)
        linear = self.zoom * np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
        middle = (np.array(self.size) - 1) / 2
        return np.hstack([linear, (middle - linear @ np.array(self.center))[:, None]])


@dataclass(frozen=True)
class Light:
    """Brightness (1 as photographed), its slope across the frame, colour warmth, blur and noise.

    `slope`: relative brightness gained from the middle to the edge, along x and y. `warmth`: red up
    and blue down by this fraction. `blur`: Gaussian standard deviation in frame pixels. `noise`:
    standard deviation in grey levels.
    """

    gain: float = 1.0
    slope: tuple[float, float] = (0.0, 0.0)
    warmth: float = 0.0
    blur: float = 0.0
    noise: float = 0.0


@dataclass(frozen=True)
class Rendered:
    """A frame, uint8 [H, W, 3] RGB, and where in it the landmarks truly are, float64 [5, 2]."""

    image: np.ndarray
    landmarks: np.ndarray


def render(
    expression: Expression,
    camera: Camera | None = None,
    light: Light | None = None,
    rng: np.random.Generator | None = None,
) -> Rendered:
    """One frame. `rng` draws the sensor noise and is needed only where the light asks for some."""
    camera, light = camera or Camera(), light or Light()
    matrix = camera.matrix()
    finer = matrix @ np.diag([1 / SCALE, 1 / SCALE, 1.0])
    frame = cv2.warpAffine(
        animate(expression), finer, camera.size, flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )  # fmt: skip
    points = landmarks_of(expression) @ matrix[:, :2].T + matrix[:, 2]
    return Rendered(illuminate(frame, light, rng), points)


def illuminate(
    image: np.ndarray, light: Light, rng: np.random.Generator | None = None
) -> np.ndarray:
    """The frame under this light, seen by a camera with this blur and noise: uint8 [H, W, 3]."""
    height, width = image.shape[:2]
    if light.blur > 0.2:
        image = cv2.GaussianBlur(image, (0, 0), light.blur)
    sx, sy = light.slope
    across = 1 + sx * np.linspace(-1, 1, width, dtype=np.float32)
    down = 1 + sy * np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    tint = light.gain * np.array([1 + light.warmth, 1, 1 - light.warmth], np.float32)
    lit = image * (across * down)[..., None] * tint
    if light.noise > 0:
        if rng is None:
            raise ValueError("rng: expected a numpy Generator to draw the light's noise, got None")
        lit += light.noise * rng.standard_normal((height, width, 1), dtype=np.float32)
    return np.clip(np.rint(lit), 0, 255).astype(np.uint8)
