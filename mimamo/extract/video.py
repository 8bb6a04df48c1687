"""One video: from its faces to its arrays in the cache."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mimamo.data.annotations import check_length
from mimamo.data.cached_video import CachedVideo
from mimamo.data.dataset import TEST, DatasetVideo, Problems, Unit
from mimamo.errors import InputError
from mimamo.extract.feature_files import GivenVideos, side_by_side
from mimamo.extract.source import announced_frames, fingerprint, stamp
from mimamo.faces import Detector, observe_faces
from mimamo.faces.small_grey import small_grey, stacked
from mimamo.files import unreadable
from mimamo.model.features import SpatialFeatures
from mimamo.progress import counted, silent
from mimamo.threads import ahead, pool_of
from mimamo.video import AlignedFolder, VideoReader

_READ_AHEAD = 256  # faces in memory at a time
_READERS = 4  # threads that decode images; Pillow lets go of Python's lock meanwhile

# Frame numbers from 1, aligned faces uint8 [112, 112, 3].
Faces = Iterator[tuple[int, np.ndarray | torch.Tensor]]


def extract_video(
    video: DatasetVideo,
    spatial: SpatialFeatures | GivenVideos | None,
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
        spatial: computes the features, or reads those that others computed; None for none
            (``[T, 0]``).
        unit: what one label is of.
        phase_size: height and width of the grey faces.
        detector: finds the faces where `video` has no aligned ones.
        problems: told what is wrong; without it that is an error.
        progress: called with the number of faces done.
        made_with: what the cache's manifest says of weights and settings.

    Raises:
        InputError: the video cannot be used: no face, no label where there should be one, labels
            without header, images numbered twice, or features that are not there, do not fit the
            faces, or are not finite in float16.
    """
    told = problems or Problems(strict=True)
    before = len(told.lines)
    # First of all, so that a change while it is worked on is found the next time.
    stamped, announced = stamp(video), announced_frames(video, told)
    contents = fingerprint(video, announced)
    annotations = None if video.read_labels is None else video.read_labels(told)
    if annotations is not None and np.isnan(annotations).any(axis=1).all():
        if video.subset != TEST:  # whose annotations may be handed out empty
            raise InputError(f"{video.labels}: no frame is annotated; {video.name} is not used")
        annotations = None
    aligned = video.source.is_dir()
    try:
        if aligned and all(name.startswith(".") for name in os.listdir(video.source)):
            raise NoFaceError(video)
    except OSError as error:
        raise unreadable(video.source, error) from error
    # After that, as nobody has features of no face.
    given = spatial.read(video) if isinstance(spatial, GivenVideos) else None
    length = _Length()
    if aligned:
        faces = _aligned_faces(video, announced, length, told)
    else:
        faces = _found_faces(video, detector, length, told)
    compute = spatial if isinstance(spatial, SpatialFeatures) else None
    seen, values, small = _computed(faces, compute, video.source, phase_size, progress)
    if not len(seen) and aligned:
        raise InputError(f"{video.source}: no image can be read; {video.name} is not used")
    if not len(seen):
        raise NoFaceError(video)
    if annotations is not None and unit == "frame":
        check_length(video.labels or video.source, annotations, length.frames, length.last, told)
    frame_count = max(length.frames, int(seen.max()))
    if given is not None:
        values, kept = side_by_side(given, seen, frame_count, told)
        small, seen = small[kept], seen[kept]
    cached = CachedVideo(
        name=video.name,
        subset=video.subset,
        features=values,
        frames=torch.from_numpy(small),
        numbers=torch.from_numpy(seen),
        annotations=torch.from_numpy(
            np.empty((0, 2), np.float32) if annotations is None else annotations
        ),
        frame_count=frame_count,
        counted=length.counted,
        unit=unit,
        source=str(video.source.resolve()),
        problems=tuple(told.lines[before:]),
        fingerprint=contents,
        stamp=stamped,
        made_with=made_with or {},
    )
    if annotations is not None and not cached.annotated_frames and video.subset != TEST:
        raise InputError(f"{video.labels}: no frame with a face is annotated; not used")
    return cached


def _computed(
    faces: Faces,
    compute: SpatialFeatures | None,
    source: Path,
    phase_size: int,
    progress: Callable[[int], object],
) -> tuple[np.ndarray, torch.Tensor, np.ndarray]:
    """Frame numbers int32 ``[T]``, features float16 ``[T, D]`` and grey faces ``[T, h, w]``.

    Raises InputError if features are not finite.
    """
    numbers: list[int] = []
    width = compute.backbone.feature_dim if compute else 0
    features = [torch.empty(0, width, dtype=torch.float16)]
    frames = [np.empty((0, phase_size, phase_size), np.uint8)]
    for batch in ahead(iter(lambda: list(islice(faces, _READ_AHEAD)), [])):
        numbers += [number for number, _ in batch]
        crops = stacked([crop for _, crop in batch])
        computed = compute(crops) if compute else torch.empty(len(batch), 0)
        features.append(computed.half())
        if not features[-1].isfinite().all():
            raise InputError(
                f"backbone: features of {source} are not finite in float16; expected trained or "
                "calibrated weights"
            )
        frames.append(small_grey(crops, phase_size).cpu().numpy())
        progress(len(numbers))
    return np.array(numbers, np.int32), torch.cat(features), np.concatenate(frames)


class NoFaceError(InputError):
    """A video has no face in it, and nothing else is wrong."""

    def __init__(self, video: DatasetVideo) -> None:
        super().__init__(f"{video.source}: no face in it; {video.name} is not used")


@dataclass
class _Length:
    """How many frames a video has, whether that is its own count, and what the last one is."""

    frames: int = 0
    counted: bool = True
    last: str = ""


def _aligned_faces(
    video: DatasetVideo, announced: int | None, length: _Length, problems: Problems
) -> Faces:
    """Faces read by several threads; an image that cannot be read is a problem."""
    folder = AlignedFolder(video.source, crop=video.crop)
    numbers = sorted(folder.images)
    highest = folder.images[numbers[-1]]
    length.frames, length.counted = numbers[-1], False
    length.last = f"{highest} is the last image"
    if announced is not None and announced < length.frames:
        problems.add(
            f"{highest}: is numbered beyond the {counted(announced, 'frame')} of {video.recording}"
        )
    elif announced is not None:
        length.frames, length.counted = announced, True
        length.last = f"as in {video.recording}"

    def read(number: int) -> np.ndarray | InputError:
        try:
            return folder.read(number)
        except InputError as error:
            return error

    def faces() -> Faces:
        with pool_of(_READERS) as pool:
            for start in range(0, len(numbers), _READ_AHEAD):  # `map` would read all at once
                some = numbers[start : start + _READ_AHEAD]
                for number, crop in zip(some, pool.map(read, some), strict=True):
                    if isinstance(crop, InputError):
                        problems.add(f"{crop}; left out")
                    else:
                        yield number, crop
        for line in folder.warnings:
            problems.add(line)

    return faces()


def _found_faces(
    video: DatasetVideo, detector: Detector | None, length: _Length, problems: Problems
) -> Faces:
    """A film's main face, or that on one side, found, followed and aligned."""
    reader = VideoReader(video.source)

    def faces() -> Faces:
        for face in observe_faces(reader, detector, video.side or "main"):
            length.frames = face.index + 1
            if face.crop is not None:
                yield face.index + 1, face.crop
        length.last = f"those decoded of {reader.path}"
        for line in (*reader.warnings, *([reader.missing] if reader.missing else [])):
            problems.add(line)

    return faces()
