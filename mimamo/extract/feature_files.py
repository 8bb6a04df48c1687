"""Spatial features that somebody has already: one file by video, or by frame."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mimamo.array_file import ARRAY_SUFFIXES, read_arrays
from mimamo.data.dataset import DatasetVideo, Problems
from mimamo.errors import InputError
from mimamo.files import file_below
from mimamo.model.given_features import GivenFeatures
from mimamo.progress import counted
from mimamo.threads import pool_of
from mimamo.video.folder import MOST_FRAMES, listed

_READERS = 4  # threads that read files of single frames
_FEATURES, _NUMBERS = "features", ("frames", "numbers")  # what arrays are called


@dataclass(frozen=True)
class GivenRows:
    """Features of one video from one folder.

    Attributes:
        path: the file, or the folder of files by frame.
        values: float16 ``[N, D]``.
        numbers: int64 ``[N]``, rising frame numbers from 1; None where nothing tells.
    """

    path: Path
    values: np.ndarray
    numbers: np.ndarray | None

    def frames_of(self, faces: np.ndarray, frame_count: int) -> np.ndarray:
        """The frame of each row, int64 ``[N]``, of a video with faces in these frames.

        Raises InputError if there are neither as many rows as faces nor as frames.
        """
        if self.numbers is not None:
            return self.numbers
        if len(self.values) == len(faces):
            return faces
        if len(self.values) == frame_count:
            return np.arange(1, frame_count + 1)
        raise InputError(
            f"{self.path}: expected a row for each of {counted(len(faces), 'face')} or "
            f"{counted(frame_count, 'frame')}, or frame numbers, got "
            f"{counted(len(self.values), 'row')}; not used"
        )


@dataclass(frozen=True)
class GivenVideos:
    """Reads the features of videos from folders, of which they are `expected`."""

    folders: FeatureFolders
    expected: GivenFeatures

    def read(self, video: DatasetVideo) -> list[GivenRows]:
        """The features of a video from each folder.

        Raises InputError if they are not there, in two places, or not what was expected.
        """
        found = [_read(folder, video) for folder in self.folders.folders]
        for rows, (_, width) in zip(found, self.expected.folders, strict=True):
            if (got := rows.values.shape[1]) != width:
                raise InputError(
                    f"{rows.path}: expected {counted(width, 'feature')} a row, as of other "
                    f"videos, got {got}; "
                    "not used"
                )
        return found


@dataclass(frozen=True)
class FeatureFolders:
    """Folders in which features of a data set's videos lie, to be put side by side.

    Each is searched for ``<video>.npy``, ``.npz`` or ``.safetensors``, or a folder ``<video>`` with
    such a file by frame, ``00001.npy``; in it or in its folder of the video's subset.

    Raises InputError if there is none, or one is no folder.
    """

    folders: tuple[Path, ...]

    def __post_init__(self) -> None:
        if not self.folders:
            raise InputError("features: expected at least one folder, got none")
        for folder in self.folders:
            if not folder.is_dir():
                raise InputError(f"{folder}: expected a folder of features, found none")

    def beside(self, video: DatasetVideo) -> DatasetVideo:
        """`video` with the places of its features."""
        places = [place for folder in self.folders for place in _places(folder, video)]
        return replace(video, features=tuple(places))

    def describe(self, videos: Sequence[DatasetVideo]) -> GivenFeatures:
        """What they are, by the first of `videos` whose file can be read.

        Raises InputError if none can.
        """
        return GivenFeatures(
            [
                (Path(os.path.abspath(folder)).name, _width(folder, videos))
                for folder in self.folders
            ]
        )


def side_by_side(
    parts: Sequence[GivenRows], faces: np.ndarray, frame_count: int, problems: Problems
) -> tuple[Tensor, np.ndarray]:
    """Features float16 ``[T', D]`` of those faces that all `parts` have, and which these are.

    `faces` are frame numbers, int ``[T]``, of a video with so many frames; what comes back is bool
    ``[T]``. Faces that are left out are a problem. Raises InputError if none is left, or as
    `GivenRows.frames_of`.
    """
    kept, at = np.ones(len(faces), bool), []
    for part in parts:
        frames = part.frames_of(faces, frame_count)
        places = np.searchsorted(frames, faces).clip(max=max(len(frames) - 1, 0))
        has = frames[places] == faces if len(frames) else np.zeros(len(faces), bool)
        if not has.any():
            raise InputError(f"{part.path}: has no row of any of {counted(len(faces), 'face')}")
        if not has.all():
            lacking = counted(int((~has).sum()), "face")
            problems.add(f"{part.path}: has no row of {lacking} of {len(faces)}; left out")
        kept &= has
        at.append(places)
    if not kept.any():
        raise InputError(f"{parts[0].path}: no face has a row in all folders; not used")
    values = [part.values[places[kept]] for part, places in zip(parts, at, strict=True)]
    return torch.from_numpy(np.concatenate(values, axis=1)), kept


def _places(folder: Path, video: DatasetVideo) -> list[Path]:
    """The files or folders of a video's features that are there."""
    inside = (folder, folder / video.subset)
    files = [file_below(at, video.name, suffix) for at in inside for suffix in ARRAY_SUFFIXES]
    folders = [file_below(at, video.name, "") for at in inside]
    return [p for p in files if os.path.exists(p)] + [p for p in folders if os.path.isdir(p)]


def files_at(place: Path) -> list[Path]:
    """The file at a place, or those of a folder that are called by a frame's number, by name.

    Raises InputError if the folder cannot be read.
    """
    if not place.is_dir():
        return [place]
    files = [path for path in listed(place) if path.suffix in ARRAY_SUFFIXES]
    return [path for path in files if re.fullmatch("[0-9]{1,18}", path.stem)]


def _width(folder: Path, videos: Sequence[DatasetVideo]) -> int:
    wrong = None
    for video in (video for video in videos if _places(folder, video)):
        try:
            return _read(folder, video).values.shape[1]
        except InputError as error:
            wrong = wrong or error
    if wrong is None:
        name = videos[0].name
        raise InputError(
            f"{folder}: expected features of the videos, such as {name}.npy, found none"
        )
    raise wrong


def _read(folder: Path, video: DatasetVideo) -> GivenRows:
    places = _places(folder, video)
    if len(places) != 1:
        found = " and ".join(str(place.relative_to(folder)) for place in places) or "none"
        suffixes = ", ".join(ARRAY_SUFFIXES)
        raise InputError(
            f"{folder}: expected one file ({suffixes}) or folder of features of {video.name}, "
            f"found {found}; not used"
        )
    (place,) = places
    return _read_folder(place) if place.is_dir() else _read_file(place)


def _read_file(path: Path) -> GivenRows:
    arrays = read_arrays(path)
    values = _half(path, _features(path, arrays, (2,)))
    numbers = next((arrays[name] for name in _NUMBERS if name in arrays), None)
    if numbers is None:
        return GivenRows(path, values, None)
    if numbers.dtype.kind not in "iu" or numbers.shape != values.shape[:1]:
        raise InputError(
            f"{path}: expected a frame number for each of {counted(len(values), 'row')}, got "
            f"{numbers.dtype} {list(numbers.shape)}"
        )
    return _in_order(path, values, numbers)


def _read_folder(folder: Path) -> GivenRows:
    files = files_at(folder)
    if not files:
        raise InputError(f"{folder}: expected files by frame, such as 00001.npy, found none")

    def row(path: Path) -> np.ndarray:
        values = _features(path, read_arrays(path), (1, 2))
        if values.ndim == 2 and len(values) != 1:
            raise InputError(f"{path}: expected one row, of one frame, got {len(values)}")
        return _half(path, values.reshape(-1))

    with pool_of(_READERS) as pool:
        rows = list(pool.map(row, files))
    for path, values in zip(files, rows, strict=True):
        if values.shape != rows[0].shape:
            raise InputError(
                f"{path}: expected {counted(len(rows[0]), 'feature')}, as in others, got "
                f"{len(values)}"
            )
    return _in_order(folder, np.stack(rows), np.array([int(path.stem) for path in files]))


def _features(path: Path, arrays: dict[str, np.ndarray], axes: tuple[int, ...]) -> np.ndarray:
    """The array of features among those of a file: the one of that name, or the only one."""
    fitting = [array for array in arrays.values() if array.dtype.kind == "f" and array.ndim in axes]
    found = arrays.get(_FEATURES, fitting[0] if len(fitting) == 1 else None)
    if found is None or found.dtype.kind != "f" or found.ndim not in axes or not found.shape[-1]:
        shape = "[D]" if 1 in axes else "[N, D]"
        got = ", ".join(f"{n or 'one'} {a.dtype} {list(a.shape)}" for n, a in arrays.items())
        raise InputError(
            f"{path}: expected real numbers {shape}, of several arrays as {_FEATURES}, got "
            f"{got or 'no numbers':.200}"
        )
    return found


def _half(path: Path, values: np.ndarray) -> np.ndarray:
    """In float16. Raises InputError if that is not finite."""
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    if not np.isfinite(half).all():
        raise InputError(f"{path}: expected features that are finite in float16")
    return half


def _in_order(path: Path, values: np.ndarray, numbers: np.ndarray) -> GivenRows:
    """Rows by their frame numbers. Raises InputError if these cannot be."""
    order = np.argsort(numbers, kind="stable")
    numbers = numbers[order]
    if len(numbers) and not (numbers[0] >= 1 and numbers[-1] <= MOST_FRAMES):
        raise InputError(
            f"{path}: expected frame numbers from 1 to {MOST_FRAMES}, got "
            f"{numbers[0]} to {numbers[-1]}"
        )
    numbers = numbers.astype(np.int64)
    if (twice := numbers[1:][np.diff(numbers) == 0]).size:
        raise InputError(f"{path}: expected one row a frame, got two of frame {twice[0]}")
    return GivenRows(path, values[order], numbers)
