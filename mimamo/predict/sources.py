"""What the command line's VIDEO arguments stand for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from mimamo.data.dataset import entries
from mimamo.errors import InputError
from mimamo.video import AlignedFolder, VideoReader, is_numbered_image, is_video


def find_sources(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """List the videos that `paths` stand for, in order and each once.

    A file stands for itself. A folder of aligned faces (``00001.jpg``, …, and no video) is one
    video. Any other folder stands for the videos in it, known by their suffix, and its folders of
    aligned faces, sorted by name. What cannot be used is kept: a path that does not exist, a
    folder that cannot be read or holds nothing of this kind. Opening it tells what is wrong.
    """
    sources: dict[Path, Path] = {}  # by what they resolve to
    for path in map(Path, paths):
        try:
            found = _sources_in(path) or [path]
        except InputError:
            found = [path]
        for source in found:
            sources.setdefault(Path(os.path.realpath(source)), source)  # also of a loop of links
    return list(sources.values())


def source_name(source: Path) -> str:
    """The name of a video: its file's without the suffix, or its folder's."""
    source = Path(os.path.realpath(source))
    return source.name if source.is_dir() else source.stem


def open_source(source: Path, aligned_fps: float) -> VideoReader | AlignedFolder:
    """Open a video file, or a folder of aligned faces with the frame rate it does not tell.

    Raises InputError if `source` is neither.
    """
    if not source.is_dir():
        return VideoReader(source)
    found = _sources_in(source)
    if not found:
        raise InputError(
            f"{source}: expected videos or aligned faces (00001.jpg, …), found neither"
        )
    if found != [source]:
        raise InputError(f"{source}: expected one video, got a folder of {len(found)}")
    return AlignedFolder(source, fps=aligned_fps)


def _sources_in(path: Path) -> list[Path]:
    """What `path` stands for: itself, or what is in it; InputError if it cannot be read."""
    if not path.is_dir():
        return [path]
    found = _entries(path)
    if _are_aligned_faces(found):
        return [path]
    return [entry for entry in found if is_video(entry) or _may_be_aligned_folder(entry)]


def _entries(folder: Path) -> list[Path]:
    try:
        return entries(folder)
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {error.strerror}") from error


def _may_be_aligned_folder(path: Path) -> bool:
    """Whether `path` is a folder of aligned faces, or one that cannot be read."""
    if not path.is_dir():
        return False
    try:
        return _are_aligned_faces(_entries(path))
    except InputError:
        return True


def _are_aligned_faces(found: Sequence[Path]) -> bool:
    """Whether a folder's entries hold an image with a number for its name, and no video."""
    numbered = any(is_numbered_image(entry.name) for entry in found)
    return numbered and not any(map(is_video, found))
