"""Writing frames to an MP4 file through OpenCV."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mimamo.errors import InputError
from mimamo.files import replacing
from mimamo.video.quiet import quiet_opencv


class VideoWriter:
    """An MP4 file (MPEG-4 part 2) that appears under its name once it is complete.

    Use it as a context manager and `write` the frames; all have the size of the first. The codec
    needs even sides, so an odd side is extended by repeating its last row or column. If the block
    ends by an exception, nothing is left behind.

    Raises InputError if `path` does not end in .mp4, cannot be written to, or turns out incomplete
    (a full disk); ValueError for a frame rate that is not positive, frames of another kind, or no
    frames at all.
    """

    def __init__(self, path: str | os.PathLike[str], fps: float) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() != ".mp4":
            raise InputError(f"{self.path}: expected a name that ends in .mp4")
        if self.path.is_dir():
            raise InputError(f"{self.path}: expected a file to write, got a folder")
        if not 0 < fps < float("inf"):
            raise ValueError(f"fps: expected a positive number, got {fps}")
        self.fps = float(fps)
        self._stack = ExitStack()
        self._writer: cv2.VideoWriter | None = None
        self._shape: tuple[int, ...] = ()
        self._count = 0

    def __enter__(self) -> VideoWriter:
        self._temporary = self._stack.enter_context(replacing(self.path))
        return self

    def write(self, image: np.ndarray) -> None:
        """Append one frame, uint8 [H, W, 3] RGB."""
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ValueError(
                f"image: expected uint8 [H, W, 3], got {image.dtype} {list(image.shape)}"
            )
        if self._writer is None:
            self._shape = image.shape
            self._writer = self._open()
        if image.shape != self._shape:
            raise ValueError(
                f"image: expected {list(self._shape)}, as the first frame, got {list(image.shape)}"
            )
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        height, width = image.shape[:2]
        if height % 2 or width % 2:
            bgr = cv2.copyMakeBorder(bgr, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        with quiet_opencv():
            self._writer.write(bgr)
        self._count += 1

    def __exit__(self, *error: Any) -> None:
        if self._writer is not None:
            with quiet_opencv():
                self._writer.release()
        if error[0] is not None:
            self._stack.__exit__(*error)
            return
        with self._stack:
            self._check_complete()

    def _open(self) -> cv2.VideoWriter:
        height, width = self._shape[:2]
        size = (width + width % 2, height + height % 2)
        code = cv2.VideoWriter.fourcc(*"mp4v")
        with quiet_opencv():
            writer = cv2.VideoWriter(str(self._temporary), cv2.CAP_FFMPEG, code, self.fps, size)
        if not writer.isOpened():
            raise InputError(
                f"{self.path}: OpenCV cannot write {size[0]}x{size[1]} at {self.fps:g} frames/s"
            )
        return writer

    def _check_complete(self) -> None:
        """OpenCV does not say when a write fails: ask the file how many frames it holds."""
        if not self._count:
            raise ValueError("no frame was written")
        with quiet_opencv():
            capture = cv2.VideoCapture(str(self._temporary.absolute()), cv2.CAP_FFMPEG)
            held = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
            capture.release()
        if held != self._count:
            raise InputError(
                f"{self.path}: only {held} of {self._count} frames could be written (disk full?)"
            )
