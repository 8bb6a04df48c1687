"""Reading a data set in the layout of Aff-Wild2, as the ABAW competitions distribute it.

::

    annotations/Train_Set/<video>.txt         "valence,arousal", then one "v,a" line per frame
    annotations/Validation_Set/<video>.txt
    cropped_aligned/<video>/00001.jpg, …      aligned faces; a missing number: no face found

The i-th line after the header is the annotation of image i. A video with two people has an
annotation and a folder per person (``<video>``, ``<video>_left``, ``<video>_right``): they pair up
by their full names.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mimamo.errors import InputError
from mimamo.video.folder import AlignedFolder

TRAIN = "Train_Set"
VALIDATION = "Validation_Set"
SUBSETS = (TRAIN, VALIDATION)

HEADER = "valence,arousal"
NOT_ANNOTATED = -5

_SHOWN = 5  # names that a message lists


@dataclass(frozen=True)
class AnnotatedVideo:
    """A video's faces and their annotations.

    Attributes:
        name: the video's name.
        faces: its folder of aligned faces.
        annotations: valence and arousal of frames 0, 1, …, as `read_annotations` gives them;
            there may be more or fewer of them than frames.
    """

    name: str
    faces: AlignedFolder
    annotations: np.ndarray


class AffWild2:
    """A data set in the layout of Aff-Wild2.

    Attributes:
        root: the folder that holds ``annotations`` and ``cropped_aligned``.
        unused: one line for each annotation without faces, and one for all folders without
            annotation, such as those of the test set: things a user should hear of.

    Raises:
        InputError: one of the folders is missing, or a video is in two subsets.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)
        self._faces = self.root / "cropped_aligned"
        folders = {path.name for path in _entries(self._faces) if path.is_dir()}
        self._paired: dict[str, list[Path]] = {}
        self.unused: list[str] = []
        subset_of: dict[str, str] = {}
        for subset in SUBSETS:
            files = _entries(self.root / "annotations" / subset)
            self._paired[subset] = []
            for path in (path for path in files if path.suffix == ".txt"):
                if path.stem in subset_of:
                    raise InputError(f"{path}: is also in {subset_of[path.stem]}")
                subset_of[path.stem] = subset
                if path.stem in folders and _entries(self._faces / path.stem):
                    self._paired[subset].append(path)
                else:
                    self.unused.append(f"{path}: no faces in {self._faces / path.stem}; not used")
        if extra := sorted(folders - subset_of.keys()):
            shown = ", ".join(extra[:_SHOWN]) + ", ..." * (len(extra) > _SHOWN)
            self.unused.append(
                f"{self._faces}: {len(extra)} folders in neither {TRAIN} nor {VALIDATION}; "
                f"not used: {shown}"
            )

    def videos(self, subset: str) -> list[AnnotatedVideo]:
        """Return the videos of "Train_Set" or "Validation_Set" by name, annotations read.

        Images are listed but not opened. Raises InputError, naming file and line, for anything
        malformed, and if the subset has no video with faces.
        """
        if subset not in self._paired:
            raise ValueError(f"subset: expected {' or '.join(SUBSETS)}, got {subset!r}")
        videos = [
            AnnotatedVideo(
                path.stem, AlignedFolder(self._faces / path.stem), read_annotations(path)
            )
            for path in self._paired[subset]
        ]
        if not videos:
            raise InputError(
                f"{self.root / 'annotations' / subset}: expected at least one <video>.txt with "
                f"faces in {self._faces}, found none"
            )
        return videos


def read_annotations(path: str | os.PathLike[str]) -> np.ndarray:
    """Read one annotation file.

    A frame of which one or both values are -5 is not annotated.

    Returns:
        float32 ``[F, 2]``: valence and arousal in [-1, 1] of frames 0, 1, …; both NaN where a
        frame is not annotated.

    Raises:
        InputError: the file cannot be read, its header is missing, or a line is not two numbers
            in [-1, 1] or -5; file and line are named.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: expected a text file, got something else ({error})") from error
    header, *lines = text.rstrip().split("\n")
    if header.replace(" ", "") != HEADER:
        raise InputError(f"{path}:1: expected the header {HEADER!r}, got {header[:80]!r}")
    values = np.empty((len(lines), 2), np.float32)
    for number, line in enumerate(lines, start=2):
        pair = _parse(line)
        if pair is None:
            raise InputError(
                f"{path}:{number}: expected valence,arousal, each in [-1, 1] or -5, "
                f"got {line[:80]!r}"
            )
        values[number - 2] = pair
    values[(values == NOT_ANNOTATED).any(axis=1)] = np.nan
    return values


def match_annotations(annotations: np.ndarray, indices: Sequence[int]) -> np.ndarray:
    """Return the annotations of the frames that have an image.

    Args:
        annotations: float32 ``[F, 2]`` of frames 0, 1, ….
        indices: the T frames that have an image, counted from 0.

    Returns:
        float32 ``[T, 2]``; NaN for frames that are not annotated or lie past the annotations.
    """
    wanted = np.asarray(indices, dtype=np.intp)
    matched = np.full((len(wanted), 2), np.nan, np.float32)
    known = wanted < len(annotations)
    matched[known] = annotations[wanted[known]]
    return matched


def _entries(folder: Path) -> list[Path]:
    """A folder's visible entries, sorted by name."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise InputError(
            f"{folder}: expected a folder of the Aff-Wild2 layout: {error.strerror}"
        ) from error


def _parse(line: str) -> tuple[float, float] | None:
    try:
        valence, arousal = (float(value) for value in line.split(","))
    except ValueError:
        return None
    if all(-1 <= value <= 1 or value == NOT_ANNOTATED for value in (valence, arousal)):
        return valence, arousal
    return None
