"""The picture of a live frame, with the boxes of faces and what is predicted, and its window."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import deque
from typing import TYPE_CHECKING

import cv2
import numpy as np

from mimamo.errors import InputError
from mimamo.predict.render import canvas
from mimamo.predict.render.canvas import AROUSAL, BACKGROUND, EDGE, INK, VALENCE, Axes, Rect
from mimamo.predict.render.people import colour_of
from mimamo.video import VideoFrame

if TYPE_CHECKING:  # it needs torch, and whether there is a display is asked before
    from mimamo.predict.live import LivePrediction, LiveSpeed

_STRIP = 110  # pixels below the frame
_SPAN = 10.0  # seconds shown
_WIDTH = 720  # of the frame, which is scaled to it
_WINDOW = "mimamo live (q ends)"
_NO_WINDOW = "no window can be opened here{}; use --headless --out FILE instead"
_PROBE = "import cv2; cv2.namedWindow('mimamo')"


def check_display() -> None:
    """InputError where a window cannot be opened.

    OpenCV's toolkit ends the process there and raises nothing, so another process tries first: it
    also finds a display that does not answer.
    """
    if sys.platform != "linux":
        return
    if not any(os.environ.get(x) for x in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")):
        raise InputError(_NO_WINDOW.format(" (DISPLAY is not set)"))
    try:
        subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise InputError(_NO_WINDOW.format("")) from error


class LiveWindow:
    """The window, a context manager; InputError where OpenCV cannot open one.

    Args:
        paced: show frames no sooner than their time, as a file asks for where predicting is faster.

    Attributes:
        ended: whether the user has closed it or pressed q or Escape.
    """

    def __init__(self, *, paced: bool) -> None:
        self._picture = LivePicture()
        self._paced = paced
        self._start: float | None = None
        self.ended = False

    def __enter__(self) -> LiveWindow:
        try:
            cv2.namedWindow(_WINDOW)
        except cv2.error as error:
            raise InputError(_NO_WINDOW.format("")) from error
        return self

    def show(
        self,
        frame: VideoFrame,
        boxes: list[tuple[int, np.ndarray]],
        predictions: list[LivePrediction],
        speed: LiveSpeed,
    ) -> None:
        """Show the newest frame; the other arguments are those of `LivePicture.draw`."""
        picture = self._picture.draw(frame.image, boxes, predictions, speed)
        cv2.imshow(_WINDOW, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        self._start = time.perf_counter() - frame.time if self._start is None else self._start
        ahead = self._start + frame.time - time.perf_counter() if self._paced else 0.0
        key = cv2.waitKey(max(1, round(1000 * ahead)))
        closed = cv2.getWindowProperty(_WINDOW, cv2.WND_PROP_VISIBLE) < 1
        self.ended = key & 0xFF in (ord("q"), 27) or closed

    def __exit__(self, *_: object) -> None:
        cv2.destroyAllWindows()


class LivePicture:
    """Draws frame after frame, with the last ten seconds of predictions below."""

    def __init__(self) -> None:
        self._recent: deque[LivePrediction] = deque()

    def draw(
        self,
        image: np.ndarray,
        boxes: list[tuple[int, np.ndarray]],
        predictions: list[LivePrediction],
        speed: LiveSpeed,
    ) -> np.ndarray:
        """uint8 ``[h, 720, 3]`` RGB, h following from the frame.

        Args:
            image: the newest frame, uint8 ``[H, W, 3]`` RGB.
            boxes: of the faces in it, number and box, pixels.
            predictions: those that are new.
            speed: of all of them.
        """
        self._recent.extend(predictions)
        while self._recent and self._recent[0].time < self._recent[-1].time - _SPAN:
            self._recent.popleft()
        scale = _WIDTH / image.shape[1]
        height = max(1, round(scale * image.shape[0]))
        picture = np.full((height + _STRIP, _WIDTH, 3), BACKGROUND, np.uint8)
        canvas.paste(picture, image, Rect(0, 0, _WIDTH, height))
        for number, box in boxes:
            x0, y0, x1, y1 = np.rint(scale * box).astype(int).tolist()
            cv2.rectangle(picture, (x0, y0), (x1, y1), colour_of(number), 2)
        self._draw_strip(picture, Rect(250, height + 10, _WIDTH - 262, _STRIP - 20))
        text = f"{speed.frames_per_second:.1f} frames/s   latency {1000 * speed.latency:.0f} ms"
        canvas.write(picture, text, 12, height + 90, INK, 14)
        return picture

    def _draw_strip(self, picture: np.ndarray, rect: Rect) -> None:
        canvas.frame(picture, rect, EDGE)
        newest = self._recent[-1] if self._recent else None
        people: dict[int, list[LivePrediction]] = {}
        for x in self._recent:
            if x.found:
                people.setdefault(x.face, []).append(x)
        for row, (name, colour) in enumerate((("valence", VALENCE), ("arousal", AROUSAL))):
            value = f"{getattr(newest, name):+.2f}" if newest and people else "—"
            canvas.write(picture, f"{name} {value}", 12, rect.top + 16 + 28 * row, colour, 20)
            if newest is None:
                continue
            axes = Axes(rect, newest.time - _SPAN, newest.time, 1.0)
            for number, known in people.items():
                if len(known) < 2:
                    continue
                values = np.clip([getattr(x, name) for x in known], -1, 1)
                points = axes.pixels(np.array([x.time for x in known]), values)
                own = colour if len(people) == 1 else colour_of(number)
                # Not across frames without the face.
                breaks = np.flatnonzero(np.diff([x.index for x in known]) > 1) + 1
                for some in np.split(points, breaks):
                    canvas.line(picture, some, own, 2 if len(people) == 1 or not row else 1)
