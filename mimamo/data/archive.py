"""What lies in an unpacked archive: folders of faces, films and texts, wherever they are in it.

Every folder is listed once; no picture is opened or asked for its size. Things are told by what
they are, and by words in the names of the folders that they are in.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from mimamo.data.dataset import TEST, TRAIN, VALIDATION
from mimamo.errors import InputError
from mimamo.files import unreadable
from mimamo.video.names import is_numbered_image, is_openface, is_picture, is_video

_SETS = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("validation", "valid", "val", "dev"), VALIDATION),
    **dict.fromkeys(("test", "testing"), TEST),
}
_OUR_TASK = {"va", "valence", "arousal"}
_OTHER_TASKS = {
    *("expr", "exp", "expression", "expressions", "au", "aus", "action", "mtl", "multi", "eri"),
    *("ce", "compound", "ah", "ambivalence", "hesitancy", "violence"),
}


class FaceFolder(NamedTuple):
    """A folder of one video's faces, and how many numbered pictures are in it.

    `aligned`: a folder above it, or it, says so. `empty`: nothing at all is in it.
    """

    path: Path
    pictures: int
    aligned: bool
    empty: bool


@dataclass
class Archive:
    """What was found, sorted by path.

    Attributes:
        faces, films: by the video's name; of several, all.
        texts: files that end in ``.txt``, by the folder of which the search began.
        unread: a line for each folder that cannot be listed.
    """

    faces: dict[str, list[FaceFolder]] = field(default_factory=dict)
    films: dict[str, list[Path]] = field(default_factory=dict)
    texts: dict[Path, list[Path]] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)


@dataclass
class _Listing:
    """One folder's visible content; pictures are only counted."""

    folder: Path
    folders: list[str] = field(default_factory=list)
    films: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    numbered: int = 0
    openface: bool = False
    pictures: bool = False  # that have other names
    others: bool = False
    error: OSError | None = None


def search(roots: Sequence[Path]) -> Archive:
    """Search folders and all that is in them.

    Raises InputError if one of `roots` is no folder that can be listed.
    """
    archive = Archive()
    seen: set[tuple[int, int, str]] = set()
    for root in roots:
        listings = list(_listings(root, seen))
        texts = archive.texts.setdefault(root, [])
        above = {listing.folder.parent for listing in listings if listing.numbered}
        for listing in listings:
            folder = listing.folder
            for name in listing.films:
                archive.films.setdefault(Path(name).stem, []).append(folder / name)
            texts += (folder / name for name in listing.texts)
            # One beside faces that has none: in that video none was found, they are misnamed, or
            # the disk fails.
            beside = folder != root and (folder.parent in above or is_of_faces(folder.parent))
            inside = listing.folders or listing.films or listing.texts or listing.others
            own = listing.numbered and (folder != root or not listing.folders)
            if own or (beside and not inside):
                name = folder.name.removesuffix("_aligned") if listing.openface else folder.name
                empty = not (listing.numbered or listing.pictures or listing.error)
                found = FaceFolder(folder, listing.numbered, _is_aligned(root, listing), empty)
                archive.faces.setdefault(name, []).append(found)
            elif listing.error:
                archive.unread.append(str(unreadable(folder, listing.error)))
    return archive


def is_of_faces(folder: Path) -> bool:
    """Whether a folder is called as those that hold folders of faces."""
    return bool({"aligned", "cropped"} & set(words_of(folder.name)))


def _is_aligned(root: Path, listing: _Listing) -> bool:
    """Whether faces are aligned, as far as names tell; what is searched may be called anything."""
    below = parts_of(root, listing.folder)[1:]
    words = {word for part in below for word in words_of(part)}
    named = "aligned" in words or {"cropped", "aligned"} <= set(words_of(root.name))
    return named or listing.openface


def _listings(root: Path, seen: set[tuple[int, int, str]]) -> Iterator[_Listing]:
    """List a folder and those in it, links followed, each under one name once."""
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            status = os.stat(folder)
            if (key := (status.st_dev, status.st_ino, folder.name)) in seen:  # links may lead round
                continue
            seen.add(key)
            listing = _listing(folder)
        except OSError as error:
            if folder == root:
                raise InputError(
                    f"{folder}: expected the folder of a data set: {error.strerror}"
                ) from error
            listing = _Listing(folder, error=error)
        waiting += (folder / name for name in sorted(listing.folders, reverse=True))
        yield listing


def _listing(folder: Path) -> _Listing:
    listing = _Listing(folder)
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if name.startswith(".") or name == "__MACOSX":
                continue
            if is_numbered_image(name):
                listing.numbered += 1
                listing.openface = listing.openface or is_openface(name)
            elif _is_folder(entry):
                listing.folders.append(name)
            elif is_video(folder / name):
                listing.films.append(name)
            elif name.lower().endswith(".txt"):
                listing.texts.append(name)
            elif is_picture(name):
                listing.pictures = True
            else:
                listing.others = True
    for names in (listing.films, listing.texts):
        names.sort()
    return listing


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def words_of(name: str) -> list[str]:
    """The words and numbers in a name: ``6th_ABAW_TrainSet`` gives 6, th, abaw, train, set."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return re.findall(r"[a-z]+|[0-9]+", apart.lower())


def parts_of(root: Path, path: Path) -> list[str]:
    """The names of the folders on the way from `root`, itself among them, to `path`, in order."""
    return [root.absolute().name, *path.relative_to(root).parts]


def set_of(parts: Sequence[str]) -> str | None:
    """Which set the innermost folder names that names one; None if none does.

    The outermost, which may have been called anything, is asked only if it is called so and no
    more, such as ``Train_Set``.
    """
    outermost, *inner = parts
    for part in reversed(inner):
        sets = {_SETS[word] for word in words_of(part) if word in _SETS}
        if len(sets) == 1:
            return sets.pop()
    first, *rest = words_of(outermost) or [""]
    return _SETS.get(first) if rest in ([], ["set"]) else None


def is_other_task(parts: Sequence[str]) -> bool:
    """Whether the innermost folder that names a task names another one than ours."""
    for part in reversed(parts):
        words = set(words_of(part))
        ours, other = words & _OUR_TASK, words & _OTHER_TASKS
        if bool(ours) != bool(other):
            return bool(other)
    return False
