"""Frames of a camera, always the newest."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from time import perf_counter

import cv2
import numpy as np

from mimamo.errors import InputError
from mimamo.settings import shown
from mimamo.video.quiet import quiet_opencv
from mimamo.video.reader import VideoFrame

HIGHEST = 2**31 - 1  # that OpenCV takes
_USUAL_FPS = 30.0  # where a camera does not say
_PATIENCE = 1.0  # seconds to wait for a frame that is being read


class Camera:
    """A camera by its number; iterate over it for frames until it is closed or unplugged.

    From the first frame asked for, a thread reads every one. Whoever is slower than the camera is
    given the newest, so that nothing queues up; `missed` counts those in between. Times are seconds
    since the first frame. `fps` is the rate that it says it has.

    Raises InputError if there is no such camera.
    """

    def __init__(self, number: int) -> None:
        if not 0 <= number <= HIGHEST:
            raise InputError(f"camera: expected a number from 0 to {HIGHEST}, got {shown(number)}")
        self.name = f"camera {number}"
        self.missed = 0
        with quiet_opencv():
            self._capture = cv2.VideoCapture(number)
        if not self._capture.isOpened():
            raise InputError(f"camera {number}: cannot be opened; expected the number of a camera")
        said = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = said if 1 <= said <= 1000 else _USUAL_FPS
        self._changed = threading.Condition()
        self._newest: tuple[float, np.ndarray] | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._read, name="mimamo-camera", daemon=True)

    def __iter__(self) -> Iterator[VideoFrame]:
        if not self._ended and not self._thread.is_alive():
            self._thread.start()
        index, start = 0, None
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._newest is not None or self._ended)
                newest, self._newest = self._newest, None
            if newest is None:
                return
            moment, image = newest
            start = moment if start is None else start
            yield VideoFrame(index, moment - start, cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
            index += 1

    def __enter__(self) -> Camera:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the camera; an iteration ends."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(_PATIENCE)
        if not self._thread.is_alive():  # else the camera gives no frame and does not say why
            self._capture.release()

    def _read(self) -> None:
        while not self._ended:
            with quiet_opencv():
                decoded, image = self._capture.read()
            with self._changed:
                if not decoded:
                    self._ended = True
                else:
                    self.missed += self._newest is not None
                    self._newest = (perf_counter(), image)
                self._changed.notify_all()
