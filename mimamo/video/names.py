"""What files are by their names: videos, pictures, aligned faces, and which frames they show."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

_SUFFIXES = (
    *(".264", ".265", ".3g2", ".3gp", ".asf", ".avi", ".dv", ".f4v", ".flv", ".h264", ".hevc"),
    *(".ivf", ".m2ts", ".m2v", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf"),
    *(".nut", ".ogv", ".ts", ".vob", ".webm", ".wmv", ".y4m"),
)
_PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
_OPENFACE = re.compile("frame_det_([0-9]+)_([0-9]+)")


def is_video(path: Path) -> bool:
    """Whether `path` is named like a video file, and is no folder."""
    return path.suffix.lower() in _SUFFIXES and not path.is_dir()


def is_picture(name: str) -> bool:
    """Whether a file of that name is a picture; those of a hidden one, as macOS adds, are not."""
    return name.lower().endswith(_PICTURES) and not name.startswith(".")


def is_numbered_image(name: str) -> bool:
    """Whether a file of that name is one of a folder's aligned faces."""
    if name.endswith(".jpg") and name.isascii() and name[:-4].isdecimal():  # most, millions
        return True
    return face_and_number(name) is not None


def is_openface(name: str) -> bool:
    """Whether a file of that name is an aligned face that OpenFace wrote."""
    return is_picture(name) and _OPENFACE.fullmatch(os.path.splitext(name)[0]) is not None


def face_and_number(name: str) -> tuple[int, int] | None:
    """Whose face an image is, 0 in Aff-Wild2, and of which frame; None if its name says neither."""
    stem = os.path.splitext(name)[0]
    if not is_picture(name):
        return None
    if found := _OPENFACE.fullmatch(stem):
        return int(found[1]), int(found[2])
    return (0, int(stem)) if stem.isascii() and stem.isdecimal() else None


def natural(name: str) -> tuple[list[int | str], str]:
    """A key that sorts names as people do: ``img2`` before ``img10``."""
    parts = re.split(r"([0-9]+)", os.path.splitext(name)[0].casefold())
    return [int(part) if odd % 2 else part for odd, part in enumerate(parts)], name


def numbers_of(names: Sequence[str]) -> list[int] | None:
    """The last numbers of names that differ in nothing else, and in it; None for others."""
    found = [re.fullmatch(r"(.*?)([0-9]+)(\D*)", name, re.DOTALL) for name in names]
    if not all(found) or len({(x[1], x[3].casefold()) for x in found if x}) > 1:
        return None
    numbers = [int(x[2]) for x in found if x]
    return numbers if len(set(numbers)) == len(numbers) else None
