"""What the command line's VIDEO arguments stand for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mimamo.errors import InputError
from mimamo.predict.outputs import is_result
from mimamo.video import AlignedFolder, FrameFolder, ThinnedFilm, VideoReader
from mimamo.video.folder import listed
from mimamo.video.image import read_image
from mimamo.video.names import is_numbered_image, is_openface, is_picture, is_video, numbers_of

if TYPE_CHECKING:
    from mimamo.video import Film

# What the pictures in a folder are: aligned faces, whole frames, or what they look like.
Folders = Literal["auto", "aligned", "frames"]


def find_sources(
    paths: Iterable[str | os.PathLike[str]], folders: Folders = "auto", depth: int = 1
) -> list[Path]:
    """List the videos that `paths` stand for, in order and each once.

    A file stands for itself. A folder of pictures and no video is one video, see `open_source`. Any
    other folder stands for the videos in it, known by their suffix, but those rendered here, and
    the folders of pictures, sorted by name, down to `depth` folders; there, pictures that are not
    aligned faces count only if their names differ in a number alone. What cannot be used is kept: a
    path that does not exist, a folder that cannot be read or holds nothing of this kind. Opening it
    tells what is wrong.
    """
    sources: dict[Path, Path] = {}  # by what they resolve to
    for path in map(Path, paths):
        try:
            found = _sources_in(path, folders, depth) or [path]
        except InputError:
            found = [path]
        for source in found:
            sources.setdefault(Path(os.path.realpath(source)), source)  # also of a loop of links
    return list(sources.values())


def open_source(
    source: Path,
    fps: float,
    folders: Folders = "auto",
    thin: float | None = None,
    threads: int = 1,
) -> Film:
    """Open a video file, or a folder of pictures with the frame rate it does not tell.

    With `thin` it gives at most that many frames a second (`ThinnedFilm`); `threads` decode a file.

    By looking, pictures are aligned faces if OpenFace named them so (``frame_det_00_000001.bmp``)
    or if their names are numbers (``00001.jpg``) and they are square, and else whole frames.

    Raises InputError if `source` is neither, or if aligned faces are to be thinned.
    """
    film = _open(source, fps, folders, threads)
    if thin is None:
        return film
    if isinstance(film, AlignedFolder):
        raise InputError(f"{source}: expected a film or whole frames to thin, got aligned faces")
    return ThinnedFilm(film, thin)


def _open(
    source: Path, fps: float, folders: Folders, threads: int
) -> VideoReader | FrameFolder | AlignedFolder:
    if not source.is_dir():
        return VideoReader(source, threads=threads)
    found = _entries(source)
    kind = _kind(found, folders)
    if kind == "aligned":
        return AlignedFolder(source, fps=fps)
    if kind == "frames":
        return FrameFolder(source, fps=fps)
    inner = _sources_in(source, folders, 1)
    if not inner:
        pictures = [entry for entry in found if is_picture(entry.name)]
        what = "one picture; --folders frames takes it" if len(pictures) == 1 else "none"
        raise InputError(
            f"{source}: expected videos, or pictures of aligned faces or whole frames, found {what}"
        )
    raise InputError(f"{source}: expected one video, got a folder of {len(inner)}")


def _sources_in(path: Path, folders: Folders, depth: int) -> list[Path]:
    """What `path` stands for: itself, or what is in it; InputError if it cannot be read."""
    if not path.is_dir():
        return [path]
    found = _entries(path)
    if _kind(found, folders):
        return [path]
    sources = []
    for entry in found:
        if is_video(entry):
            sources += [] if is_result(entry) else [entry]  # a rendered film lies beside its source
        elif entry.is_dir():
            sources += _sources_of_inner(entry, folders, depth)
    return sources


def _sources_of_inner(folder: Path, folders: Folders, depth: int) -> list[Path]:
    try:
        found = _entries(folder)
    except InputError:
        return [folder]  # opening it tells what is wrong
    kind = _kind(found, folders)
    if kind == "aligned" or (kind == "frames" and _are_a_series(found)):
        return [folder]
    return _sources_in(folder, folders, depth - 1) if depth > 1 and kind is None else []


def _entries(folder: Path) -> list[Path]:
    """What is visible in a folder, by name; InputError if it cannot be read."""
    return [path for path in listed(folder) if not path.name.startswith(".")]


def _kind(found: Sequence[Path], folders: Folders) -> Literal["aligned", "frames"] | None:
    """What the pictures among a folder's entries are; None if they are not one video."""
    if any(map(is_video, found)):
        return None
    pictures = [entry for entry in found if is_picture(entry.name)]
    faces = [entry for entry in pictures if is_numbered_image(entry.name)]
    if folders == "frames" or (folders == "auto" and not faces):
        enough = 1 if folders == "frames" else 2
        return "frames" if len(pictures) >= enough else None
    if not faces or folders == "aligned" or any(is_openface(entry.name) for entry in faces):
        return "aligned" if faces else None
    return "aligned" if _is_square(faces[0]) else "frames"


def _is_square(picture: Path) -> bool:
    try:
        height, width, _ = read_image(picture).shape
    except InputError:
        return True  # opening the folder tells what is wrong
    return height == width


def _are_a_series(found: Sequence[Path]) -> bool:
    """Whether the pictures' names differ in a number alone, and they are not plots of ours."""
    pictures = [entry for entry in found if is_picture(entry.name)]
    return numbers_of([x.name for x in pictures]) is not None and not is_result(pictures[0])
