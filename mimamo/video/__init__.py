"""Videos in and out: frames from files, aligned faces from folders, frames into files."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mimamo.video.folder import AlignedFolder
from mimamo.video.names import is_numbered_image, is_video

if TYPE_CHECKING:
    from mimamo.video.frames import FrameFolder
    from mimamo.video.reader import VideoFrame, VideoReader
    from mimamo.video.thinned import ThinnedFilm
    from mimamo.video.writer import VideoWriter

    Film = VideoReader | FrameFolder | ThinnedFilm | AlignedFolder

__all__ = [
    "AlignedFolder",
    "FrameFolder",
    "ThinnedFilm",
    "VideoFrame",
    "VideoReader",
    "VideoWriter",
    "is_numbered_image",
    "is_video",
]

# What needs FFmpeg is imported when it is asked for: training on a cache does without.
_LATE = {
    "FrameFolder": "frames",
    "ThinnedFilm": "thinned",
    "VideoFrame": "reader",
    "VideoReader": "reader",
    "VideoWriter": "writer",
}


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(import_module(f"mimamo.video.{_LATE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
