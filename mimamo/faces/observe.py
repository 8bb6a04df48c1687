"""From a video to the faces of every frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mimamo.faces.detection import Detector
from mimamo.faces.tracks import PATIENCE, FaceChoice, FaceTracks
from mimamo.faces.views import BatchDetector
from mimamo.video.folder import AlignedFolder
from mimamo.video.gaps import LostFrames

if TYPE_CHECKING:
    from torch import Tensor

    from mimamo.video import Film, VideoFrame


@dataclass(frozen=True, eq=False)
class FaceObservation:
    """A face of one frame, or that there is none (`crop`, `box`, `landmarks` None, the rest 0).

    Attributes:
        index: the frame's number, from 0.
        time: seconds.
        image: the frame, uint8 [H, W, 3] RGB; None for a folder of aligned faces.
        crop: the aligned face, uint8 [112, 112, 3] RGB; a tensor on the detector's device where it
            aligned it (`BatchDetector`).
        box, landmarks, score: as in `Detection`; for aligned faces None, None, 1.
        face: number of its track, from 1.
        others: how many more faces were found in the frame, and not chosen.
    """

    index: int
    time: float
    image: np.ndarray | None
    crop: np.ndarray | Tensor | None = None
    box: np.ndarray | None = None
    landmarks: np.ndarray | None = None
    score: float = 0.0
    face: int = 0
    others: int = 0


@dataclass(frozen=True, eq=False)
class Faces:
    """Where the faces of a video are, in T rows; NaN where there is none.

    Also NaN where only the aligned face is known.

    Attributes:
        boxes: float32 ``[T, 4]``, x0, y0, x1, y1 in pixels of the video.
        landmarks: float32 ``[T, 5, 2]``, x, y in pixels of the video.
        scores: float32 ``[T]``, the detector's confidence, 0 to 1; 0 where there is no face.
    """

    boxes: np.ndarray
    landmarks: np.ndarray
    scores: np.ndarray


def observe_faces(
    source: Film,
    detector: Detector | None,
    faces: FaceChoice = "main",
    *,
    steady: bool = True,
    patience: int = PATIENCE,
    search_every: int = 1,
    read: Callable[[Iterable], Iterable] = iter,
) -> Iterator[FaceObservation]:
    """Yield one observation for every frame of the video, in order.

    One frame is held at a time, or as many as the detector takes at once (`BatchDetector`).
    With "all" faces, a frame that has several gives one observation for each.

    Args:
        source: a video, whose faces are found, followed and aligned (`FaceTracks`), or a folder of
            aligned faces, given as they are, of which a gap ends a track as well.
        detector: finds the faces of a video; not used for a folder.
        steady: smooth the landmarks over time, so that the crop does not tremble.
        faces, patience, search_every: as for `FaceTracks`.
        read: how the source's images, or a video's frames in batches, are gone through; gives what
            iterating over its argument gives.

    Raises ValueError for a video without a detector, and what `source` raises.
    """
    if isinstance(source, AlignedFolder):
        return _from_folder(source, read(source), patience)
    if detector is None:
        raise ValueError("detector: expected one for a video, got None")
    tracks = FaceTracks(
        detector, faces, steady=steady, patience=patience, search_every=search_every
    )
    return _from_video(read(_batches(source, detector)), tracks, LostFrames(source))


def _from_video(
    batches: Iterable[Sequence[VideoFrame]], tracks: FaceTracks, lost: LostFrames
) -> Iterator[FaceObservation]:
    for some in batches:
        batch = tracks.prepare([frame.image for frame in some])
        found, others = [], []
        for frame, view in zip(some, batch.views, strict=True):
            found.append(tracks.follow(view, frame.time, lost.before(frame.time)))
            others.append(tracks.others)
        numbers = [number for number, faces in enumerate(found) for _ in faces]
        crops = iter(batch.align(numbers, [face for faces in found for _, face in faces]))
        for frame, faces, rest in zip(some, found, others, strict=True):
            if not faces:
                yield FaceObservation(frame.index, frame.time, frame.image, others=rest)
            for number, face in faces:
                yield FaceObservation(
                    index=frame.index,
                    time=frame.time,
                    image=frame.image,
                    crop=next(crops),
                    box=face.box,
                    landmarks=face.landmarks,
                    score=face.score,
                    face=number,
                    others=rest,
                )


def _batches(frames: Iterable[VideoFrame], detector: Detector) -> Iterator[list[VideoFrame]]:
    """Frames in order, as many of one size at once as the detector takes."""
    batch: list[VideoFrame] = []
    for frame in frames:
        shape = frame.image.shape
        if batch and shape != batch[0].image.shape:
            yield batch
            batch = []
        batch.append(frame)
        most = detector.frames_at_once(shape) if isinstance(detector, BatchDetector) else 1
        if len(batch) == most:
            yield batch
            batch = []
    if batch:
        yield batch


def _from_folder(
    folder: AlignedFolder, images: Iterable[tuple[int, np.ndarray]], patience: int
) -> Iterator[FaceObservation]:
    following, face = 0, 1
    for index, crop in images:
        for missing in range(following, index):
            yield FaceObservation(missing, missing / folder.fps, None)
        face += 0 < following <= index - patience
        yield FaceObservation(index, index / folder.fps, None, crop=crop, score=1.0, face=face)
        following = index + 1
