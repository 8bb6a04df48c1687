"""The picture of a live frame: the face's box, and what is predicted, drawn over it."""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np

from mimamo.predict.live import LivePrediction, LiveSpeed
from mimamo.predict.render import canvas
from mimamo.predict.render.canvas import Axes, Colour, Rect

_GROUND: Colour = (15, 18, 22)
_INK: Colour = (236, 239, 243)
_FACE: Colour = (240, 228, 66)
_VALENCE: Colour = (86, 180, 233)
_AROUSAL: Colour = (240, 160, 40)
_STRIP = 110  # pixels below the frame
_SPAN = 10.0  # seconds shown
_WIDTH = 720  # of the frame, which is scaled to it


class LivePicture:
    """Draws frame after frame, with the last ten seconds of predictions below."""

    def __init__(self) -> None:
        self._recent: deque[LivePrediction] = deque()

    def draw(
        self,
        image: np.ndarray,
        box: np.ndarray | None,
        predictions: list[LivePrediction],
        speed: LiveSpeed,
    ) -> np.ndarray:
        """uint8 ``[h, 720, 3]`` RGB, h following from the frame.

        Args:
            image: the newest frame, uint8 ``[H, W, 3]`` RGB.
            box: of the face in it, pixels.
            predictions: those that are new.
            speed: of all of them.
        """
        self._recent.extend(predictions)
        while self._recent and self._recent[0].time < self._recent[-1].time - _SPAN:
            self._recent.popleft()
        scale = _WIDTH / image.shape[1]
        height = max(1, round(scale * image.shape[0]))
        picture = np.full((height + _STRIP, _WIDTH, 3), _GROUND, np.uint8)
        canvas.paste(picture, image, Rect(0, 0, _WIDTH, height))
        if box is not None:
            x0, y0, x1, y1 = np.rint(scale * box).astype(int).tolist()
            cv2.rectangle(picture, (x0, y0), (x1, y1), _FACE, 2)
        self._draw_strip(picture, Rect(250, height + 10, _WIDTH - 262, _STRIP - 20))
        text = f"{speed.frames_per_second:.1f} frames/s   latency {1000 * speed.latency:.0f} ms"
        canvas.write(picture, text, 12, height + 90, _INK, 14)
        return picture

    def _draw_strip(self, picture: np.ndarray, rect: Rect) -> None:
        canvas.frame(picture, rect, (82, 90, 102))
        known = [x for x in self._recent if x.found]
        newest = self._recent[-1] if self._recent else None
        for row, (name, colour) in enumerate((("valence", _VALENCE), ("arousal", _AROUSAL))):
            value = f"{getattr(newest, name):+.2f}" if newest and known else "—"
            canvas.write(picture, f"{name} {value}", 12, rect.top + 16 + 28 * row, colour, 20)
            if newest is None or len(known) < 2:
                continue
            values = np.clip([getattr(x, name) for x in known], -1, 1)
            times = np.array([x.time for x in known])
            axes = Axes(rect, newest.time - _SPAN, newest.time, 1.0)
            canvas.line(picture, axes.pixels(times, values), colour, 2)
