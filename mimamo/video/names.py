"""Which files are videos, by their names."""

from __future__ import annotations

from pathlib import Path

_SUFFIXES = (
    *(".264", ".265", ".3g2", ".3gp", ".asf", ".avi", ".dv", ".f4v", ".flv", ".h264", ".hevc"),
    *(".ivf", ".m2ts", ".m2v", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf"),
    *(".nut", ".ogv", ".ts", ".vob", ".webm", ".wmv", ".y4m"),
)


def is_video(path: Path) -> bool:
    """Whether `path` is named like a video file, and is no folder."""
    return path.suffix.lower() in _SUFFIXES and not path.is_dir()
