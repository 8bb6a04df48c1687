"""Drawing on an RGB image: text, translucent shapes, pictures, and axes that map data to pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFont

from mimamo.video.letterbox import resized

Colour = tuple[int, int, int]  # RGB

# What the rendered video and the live picture share.
BACKGROUND: Colour = (15, 18, 22)
EDGE: Colour = (82, 90, 102)
INK: Colour = (236, 239, 243)
FACE: Colour = (240, 228, 66)
# Okabe & Ito's sky blue and orange: the plot's blue and vermilion, made lighter for a dark ground.
VALENCE: Colour = (86, 180, 233)
AROUSAL: Colour = (240, 160, 40)

_SUBPIXEL = 4  # cv2 draws at 1/16 pixel with this many fractional bits


@dataclass(frozen=True)
class Rect:
    """A rectangle of pixels; the right and bottom edges are outside it."""

    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        return self.left + self.width

    @property
    def bottom(self) -> int:
        return self.top + self.height

    def of(self, image: np.ndarray) -> np.ndarray:
        """The rectangle as a view of `image` ``[H, W, 3]``."""
        return image[self.top : self.bottom, self.left : self.right]


@dataclass(frozen=True)
class Axes:
    """Data axes over a rectangle: x from `x0` to `x1`, y from `-limit` (bottom) to `limit`."""

    rect: Rect
    x0: float
    x1: float
    limit: float

    def pixels(self, x: ArrayLike, y: ArrayLike) -> np.ndarray:
        """float64 ``[N, 2]`` pixel positions of the points `x`, `y`, each ``[N]``."""
        right = self.rect.left + (np.asarray(x) - self.x0) / (self.x1 - self.x0) * self.rect.width
        down = self.rect.top + (1 - np.asarray(y) / self.limit) / 2 * self.rect.height
        return np.stack((right, down), axis=-1)


@lru_cache(maxsize=16)
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", name), size)


@lru_cache(maxsize=1024)
def _glyphs(text: str, size: int, bold: bool) -> np.ndarray:
    """float32 ``[h, w, 1]`` coverage of `text`, `h` the same for every text of one size."""
    font = _font(size, bold)
    ascent, descent = font.getmetrics()
    image = Image.new("L", (max(1, round(font.getlength(text)) + 1), ascent + descent))
    ImageDraw.Draw(image).text((0, 0), text, fill=255, font=font)
    return np.asarray(image, dtype=np.float32)[..., None] / 255


def write(
    image: np.ndarray,
    text: str,
    x: float,
    y: float,
    colour: Colour,
    size: int = 15,
    *,
    bold: bool = False,
    anchor: str = "left",
) -> int:
    """Write one line of `text` in `image`; return the x where it ends.

    `x` is the text's left edge, middle or right edge as `anchor` says ("left", "middle",
    "right"), `y` its vertical middle. What falls outside the image is left out.
    """
    glyphs = _glyphs(text, size, bold)
    height, width = glyphs.shape[:2]
    left = round(x - {"left": 0, "middle": width / 2, "right": width}[anchor])
    top = round(y - height / 2)
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + width, image.shape[1]), min(top + height, image.shape[0])
    if x0 < x1 and y0 < y1:
        area = image[y0:y1, x0:x1]
        cover = glyphs[y0 - top : y1 - top, x0 - left : x1 - left]
        area[...] = np.rint(area + cover * (np.asarray(colour, np.float32) - area))
    return left + width


def shade(image: np.ndarray, rect: Rect, colour: Colour, opacity: float) -> None:
    """Lay `colour` over a rectangle of `image`."""
    area = rect.of(image)
    if area.size:
        cv2.addWeighted(area, 1 - opacity, np.full_like(area, colour), opacity, 0, dst=area)


def frame(image: np.ndarray, rect: Rect, colour: Colour) -> None:
    """A line of one pixel around (just outside) a rectangle."""
    corners = (rect.left - 1, rect.top - 1), (rect.right, rect.bottom)
    cv2.rectangle(image, *corners, colour, 1)


def line(image: np.ndarray, points: ArrayLike, colour: Colour, width: int = 1) -> None:
    """An antialiased line through `points` ``[N, 2]`` (pixels); one point is drawn as a dot."""
    points = np.asarray(points)
    if len(points) == 1:
        dot(image, points[0], width, colour)
    elif len(points):
        lines(image, points[None], colour, width)


def lines(image: np.ndarray, paths: np.ndarray, colour: Colour, width: int = 1) -> None:
    """Antialiased lines, `paths` ``[N, P, 2]`` in pixels, each through its P points."""
    if len(paths):
        fixed = np.rint(paths * (1 << _SUBPIXEL)).astype(np.int32)
        cv2.polylines(image, list(fixed), False, colour, width, cv2.LINE_AA, _SUBPIXEL)


def dot(image: np.ndarray, point: Sequence[float], radius: float, colour: Colour) -> None:
    """A filled, antialiased circle."""
    scale = 1 << _SUBPIXEL
    centre = (round(point[0] * scale), round(point[1] * scale))
    cv2.circle(image, centre, round(radius * scale), colour, -1, cv2.LINE_AA, _SUBPIXEL)


def paste(image: np.ndarray, picture: np.ndarray, rect: Rect) -> None:
    """Resize `picture` (uint8 ``[h, w, 3]``) onto a rectangle of `image`."""
    rect.of(image)[...] = resized(picture, rect.width, rect.height)
