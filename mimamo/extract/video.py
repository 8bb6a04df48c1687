"""One video: from its faces to its arrays in the cache."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mimamo.data.annotations import check_length
from mimamo.data.cache import CachedVideo
from mimamo.data.dataset import DatasetVideo, Side, Unit
from mimamo.data.problems import Problems
from mimamo.errors import InputError
from mimamo.extract.source import announced_frames, fingerprint, stamp
from mimamo.faces import Detector, observe_faces, phase_frames
from mimamo.model.features import SpatialFeatures
from mimamo.progress import silent
from mimamo.threads import ahead
from mimamo.video import AlignedFolder, VideoReader

_READ_AHEAD = 256  # faces in memory at a time
_READERS = 4  # threads that decode images; Pillow lets go of Python's lock meanwhile

Batches = Iterator[tuple[list[int], np.ndarray]]  # frame numbers from 1, uint8 [N, 112, 112, 3]


def extract_video(
    video: DatasetVideo,
    spatial: SpatialFeatures | None,
    *,
    unit: Unit = "frame",
    phase_size: int = 48,
    detector: Detector | None = None,
    problems: Problems | None = None,
    progress: Callable[[int], object] = silent,
    made_with: Mapping[str, Any] | None = None,
) -> CachedVideo:
    """Compute what the cache holds of one video.

    What is wrong with single images or lines is left out and added to `problems`.

    Args:
        video: of the data set.
        spatial: computes the features; None for none (``[T, 0]``).
        unit: what one label is of.
        phase_size: height and width of the grey faces.
        detector: finds the faces where `video` has no aligned ones.
        problems: told what is wrong; without it that is an error.
        progress: called with the number of faces done.
        made_with: what the cache's manifest says of weights and settings.

    Raises:
        InputError: the video cannot be used: no face, no label where there should be one, labels
            without header, images numbered twice, or features that are not finite in float16.
    """
    told = problems or Problems(strict=True)
    before = len(told.lines)
    # First of all, so that a change while it is worked on is found the next time.
    stamped, announced = stamp(video), announced_frames(video, told)
    contents = fingerprint(video, announced)
    annotations = None if video.read_labels is None else video.read_labels(told)
    if annotations is not None and np.isnan(annotations).any(axis=1).all():
        raise InputError(f"{video.labels}: no frame is annotated; {video.name} is not used")
    faces: _Folder | _Film
    if video.source.is_dir():
        if all(name.startswith(".") for name in os.listdir(video.source)):
            raise NoFaceError(video)
        faces = _Folder(video.source, video.film, announced, told)
    else:
        faces = _Film(video.source, video.side, detector, told)
    numbers: list[int] = []
    width = spatial.backbone.feature_dim if spatial else 0
    features = [torch.empty(0, width, dtype=torch.float16)]
    frames = [np.empty((0, phase_size, phase_size), np.uint8)]
    for batch, crops in ahead(faces.batches()):
        numbers += batch
        computed = spatial(crops) if spatial else torch.empty(len(batch), 0)
        features.append(computed.half())
        if not features[-1].isfinite().all():
            raise InputError(
                f"backbone: features of {video.source} are not finite in float16; expected trained "
                "or calibrated weights"
            )
        frames.append(phase_frames(crops, phase_size))
        progress(len(numbers))
    if not numbers and isinstance(faces, _Folder):
        raise InputError(f"{video.source}: no image can be read; {video.name} is not used")
    if not numbers:
        raise NoFaceError(video)
    if annotations is not None and unit == "frame":
        check_length(video.labels or video.source, annotations, faces.frame_count, faces.last, told)
    cached = CachedVideo(
        name=video.name,
        subset=video.subset,
        features=torch.cat(features),
        frames=torch.from_numpy(np.concatenate(frames)),
        numbers=torch.tensor(numbers, dtype=torch.int32),
        annotations=torch.from_numpy(
            np.empty((0, 2), np.float32) if annotations is None else annotations
        ),
        frame_count=max(faces.frame_count, max(numbers)),
        counted=faces.counted,
        unit=unit,
        source=str(video.source.resolve()),
        problems=tuple(told.lines[before:]),
        fingerprint=contents,
        stamp=stamped,
        made_with=made_with or {},
    )
    if annotations is not None and not cached.annotated_frames:
        raise InputError(f"{video.labels}: no frame with a face is annotated; not used")
    return cached


class NoFaceError(InputError):
    """A video has no face in it, and nothing else is wrong."""

    def __init__(self, video: DatasetVideo) -> None:
        super().__init__(f"{video.source}: no face in it; {video.name} is not used")


class _Folder:
    """Aligned faces, read by several threads; an image that cannot be read is a problem."""

    def __init__(
        self, path: Path, film: Path | None, announced: int | None, problems: Problems
    ) -> None:
        self._folder = AlignedFolder(path)
        self._problems = problems
        highest = max(self._folder.images)
        self.last = f"{self._folder.images[highest]} is the last image"
        self.frame_count, self.counted = highest, False
        if announced is not None:
            if announced < highest:
                problems.add(
                    f"{self._folder.images[highest]}: is numbered beyond the {announced} frames "
                    f"of {film}"
                )
            else:
                self.frame_count, self.counted = announced, True
                self.last = f"so many has {film}"

    def batches(self) -> Batches:
        with ThreadPoolExecutor(_READERS) as pool:
            numbers = iter(sorted(self._folder.images))
            while batch := list(islice(numbers, _READ_AHEAD)):
                read = zip(batch, pool.map(self._read, batch), strict=True)
                whole = [(number, crop) for number, crop in read if self._is_whole(crop)]
                if whole:
                    good, crops = zip(*whole, strict=True)
                    yield list(good), np.stack(crops)
        for line in self._folder.warnings:
            self._problems.add(line)

    def _read(self, number: int) -> np.ndarray | InputError:
        try:
            return self._folder.read(number)
        except InputError as error:
            return error

    def _is_whole(self, crop: np.ndarray | InputError) -> bool:
        if isinstance(crop, InputError):
            self._problems.add(f"{crop}; left out")
            return False
        return True


class _Film:
    """A video whose main face, or that on one side, is found, followed and aligned."""

    def __init__(
        self, path: Path, side: Side | None, detector: Detector | None, problems: Problems
    ) -> None:
        self._reader, self._side = VideoReader(path), side
        self._detector, self._problems = detector, problems
        self.frame_count, self.counted = 0, True
        self.last = ""

    def batches(self) -> Batches:
        numbers: list[int] = []
        crops: list[np.ndarray] = []
        for face in observe_faces(self._reader, self._detector, side=self._side):
            self.frame_count = face.index + 1
            if face.crop is not None:
                numbers.append(face.index + 1)
                crops.append(face.crop)
            if len(crops) == _READ_AHEAD:
                yield numbers, np.stack(crops)
                numbers, crops = [], []
        if crops:
            yield numbers, np.stack(crops)
        self.last = f"so many could be decoded of {self._reader.path}"
        for line in self._reader.warnings:
            self._problems.add(line)
