"""Keeping OpenCV's and FFmpeg's own messages off the terminal."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import cv2

_FFMPEG_LEVEL = "OPENCV_FFMPEG_LOGLEVEL"
_FFMPEG_QUIET = "-8"  # AV_LOG_QUIET


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Silence OpenCV inside the block; whoever uses it reports failures in words of their own.

    OpenCV's log level and the environment are as before afterwards. FFmpeg's level is read by
    OpenCV once per process, when it opens its first video, and then stays. A level that the user
    has set in the environment is left alone.
    """
    set_here = _FFMPEG_LEVEL not in os.environ and "OPENCV_FFMPEG_DEBUG" not in os.environ
    if set_here:
        os.environ[_FFMPEG_LEVEL] = _FFMPEG_QUIET
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)
        if set_here:
            os.environ.pop(_FFMPEG_LEVEL, None)
