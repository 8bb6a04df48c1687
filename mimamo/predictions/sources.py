"""What the command line's VIDEO arguments stand for."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from mimamo.errors import InputError
from mimamo.video import AlignedFolder, VideoReader

_VIDEO_SUFFIXES = (
    *(".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4"),
    *(".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".webm", ".wmv"),
)
_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")


def find_sources(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """List the videos that `paths` stand for, in order and each once.

    A file stands for itself. A folder of aligned faces (``00001.jpg``, …) is one video. Any other
    folder stands for the videos in it, known by their suffix, and its folders of aligned faces,
    sorted by name. A path that does not exist is kept: opening it tells what is wrong.

    Raises:
        InputError: a folder holds nothing of this kind.
    """
    sources: dict[Path, Path] = {}  # by what they resolve to
    for path in map(Path, paths):
        for source in _sources_in(path):
            sources.setdefault(source.resolve(), source)
    return list(sources.values())


def source_name(source: Path) -> str:
    """The name of a video: its file's without the suffix, or its folder's."""
    source = source.resolve()
    return source.name if source.is_dir() else source.stem


def open_source(source: Path, aligned_fps: float) -> VideoReader | AlignedFolder:
    """Open a video file, or a folder of aligned faces with the frame rate it does not tell.

    Raises InputError if `source` is neither.
    """
    return AlignedFolder(source, fps=aligned_fps) if source.is_dir() else VideoReader(source)


def _sources_in(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    entries = _entries(path)
    if _are_aligned_faces(entries):
        return [path]
    found = [
        entry
        for entry in entries
        if (
            _are_aligned_faces(_entries(entry))
            if entry.is_dir()
            else entry.suffix.lower() in _VIDEO_SUFFIXES
        )
    ]
    if not found:
        raise InputError(f"{path}: expected videos or aligned faces (00001.jpg, …), found neither")
    return found


def _entries(folder: Path) -> list[Path]:
    """What is in a folder, sorted, without hidden files."""
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {error.strerror}") from error


def _are_aligned_faces(entries: Iterable[Path]) -> bool:
    """Whether any of a folder's files is an image with a number for its name."""
    return any(e.stem.isdecimal() and e.suffix.lower() in _IMAGE_SUFFIXES for e in entries)
