"""From a video to the face of every frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from mimamo.faces.alignment import align_face
from mimamo.faces.detection import Detector
from mimamo.faces.tracking import FaceTracker
from mimamo.video.folder import AlignedFolder

if TYPE_CHECKING:
    from mimamo.video import Film, VideoFrame


@dataclass(frozen=True, eq=False)
class FaceObservation:
    """The main face of one frame, or that there is none (`crop`, `box`, `landmarks` None, score 0).

    Attributes:
        index: the frame's number, from 0.
        time: seconds.
        image: the frame, uint8 [H, W, 3] RGB; None for a folder of aligned faces.
        crop: the aligned face, uint8 [112, 112, 3] RGB.
        box, landmarks, score: as in `Detection`; for aligned faces None, None, 1.
    """

    index: int
    time: float
    image: np.ndarray | None
    crop: np.ndarray | None = None
    box: np.ndarray | None = None
    landmarks: np.ndarray | None = None
    score: float = 0.0


@dataclass(frozen=True, eq=False)
class Faces:
    """Where the face is in every frame of a video; NaN where none was found.

    Also NaN where only the aligned face is known.

    Attributes:
        boxes: float32 ``[T, 4]``, x0, y0, x1, y1 in pixels of the video.
        landmarks: float32 ``[T, 5, 2]``, x, y in pixels of the video.
    """

    boxes: np.ndarray
    landmarks: np.ndarray


def observe_faces(
    source: Film,
    detector: Detector | None,
    *,
    steady: bool = True,
    search_every: int = 1,
    side: Literal["left", "right"] | None = None,
    read: Callable[[Iterable], Iterable] = iter,
) -> Iterator[FaceObservation]:
    """Yield one observation for every frame of the video, in order, holding one frame at a time.

    Args:
        source: a video, whose main face is found, followed and aligned (`FaceTracker`), or a
            folder of aligned faces, given as they are.
        detector: finds the faces of a video; not used for a folder.
        steady: smooth the landmarks over time, so that the crop does not tremble.
        search_every, side: as for `FaceTracker`.
        read: how the source is gone through; gives what iterating over it gives.

    Raises ValueError for a video without a detector, and what `source` raises.
    """
    if isinstance(source, AlignedFolder):
        return _from_folder(source, read(source))
    if detector is None:
        raise ValueError("detector: expected one for a video, got None")
    tracker = FaceTracker(detector, steady=steady, search_every=search_every, side=side)
    return _from_video(read(source), tracker)


def _from_video(frames: Iterable[VideoFrame], tracker: FaceTracker) -> Iterator[FaceObservation]:
    for frame in frames:
        face = tracker(frame.image, frame.time)
        if face is None:
            yield FaceObservation(frame.index, frame.time, frame.image)
            continue
        yield FaceObservation(
            index=frame.index,
            time=frame.time,
            image=frame.image,
            crop=align_face(frame.image, face.landmarks),
            box=face.box,
            landmarks=face.landmarks,
            score=face.score,
        )


def _from_folder(
    folder: AlignedFolder, images: Iterable[tuple[int, np.ndarray]]
) -> Iterator[FaceObservation]:
    following = 0
    for index, crop in images:
        for missing in range(following, index):
            yield FaceObservation(missing, missing / folder.fps, None)
        yield FaceObservation(index, index / folder.fps, None, crop=crop, score=1.0)
        following = index + 1
    for missing in range(following, folder.frame_count):
        yield FaceObservation(missing, missing / folder.fps, None)
