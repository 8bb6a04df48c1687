"""Which files are taken for videos."""

from __future__ import annotations

from pathlib import Path

_VIDEO_SUFFIXES = (
    *(".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4"),
    *(".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".webm", ".wmv"),
)


def is_video(path: Path) -> bool:
    """Whether `path` is named like a video file, and is no folder."""
    return path.suffix.lower() in _VIDEO_SUFFIXES and not path.is_dir()
