"""The pictures of a film that are magnified, and where motion cannot be followed from one on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mimamo.faces.likeness import CutDetector, thumbnail
from mimamo.video import VideoReader
from mimamo.video.gaps import LostFrames
from mimamo.video.letterbox import letterbox

if TYPE_CHECKING:
    from mimamo.faces import Detector

_FACE_SIDE, _FACE_MARGIN = 256, 24  # pixels of the stabilised face, and around its 112 x 112 crop


class Picture(NamedTuple):
    """A picture to magnify.

    Attributes:
        image: uint8 ``[H, W, 3]`` RGB.
        time: in seconds; None of the last one once more, in the place of one that is missing.
        part: number of the part of the film that it belongs to, from 0.
    """

    image: np.ndarray
    time: float | None
    part: int


class FilmParts:
    """A film's frames, or its main face, in parts that are magnified each by itself.

    Iterating, once, gives a `Picture` each, all of one size. A part ends at a cut, where another's
    face follows, and at a long gap: more than `most` frames that the film has lost, or that have no
    face. A shorter one is bridged by the frame before, so that a filter counts time right.

    Args:
        film: what to read.
        faces: whether to cut out the main face and hold it still.
        detector: finds it; CenterFace if None.
        most: frames that may be missing within a part. Bridging is nearer to the truth than what
            filters make of the ends of parts while a gap is no longer than the shortest period.

    Attributes:
        cuts, gaps: the times of the frames that begin a part, after a cut and after a long gap.
        held: the times of the frames after a short gap.
        times: of all frames that were there.
        steps: seconds between two that follow one another.
    """

    def __init__(
        self, film: VideoReader, faces: bool, detector: Detector | None, most: float
    ) -> None:
        self._film, self._most = film, most
        self._frames = _faces(film, detector) if faces else _frames(film)
        self.cuts: list[float] = []
        self.gaps: list[float] = []
        self.held: list[float] = []
        self.times: list[float] = []
        self.steps: list[float] = []

    def __iter__(self) -> Iterator[Picture]:
        lost, is_cut = LostFrames(self._film), CutDetector()
        last: _Frame | None = None
        for frame in self._frames:
            missing, cut = lost.before(frame.time), is_cut(thumbnail(frame.image))
            if last is not None:
                missing += frame.number - last.number - 1
                another = frame.face != last.face
                if missing > self._most or (missing and another):
                    self.gaps.append(frame.time)
                elif cut or another:
                    self.cuts.append(frame.time)
                elif missing:
                    self.held.append(frame.time)
                    yield from [Picture(last.image, None, self._part)] * missing
                else:
                    self.steps.append(frame.time - last.time)
            self.times.append(frame.time)
            yield Picture(frame.image, frame.time, self._part)
            last = frame

    @property
    def _part(self) -> int:
        return len(self.cuts) + len(self.gaps)


class _Frame(NamedTuple):
    number: int
    time: float
    image: np.ndarray
    face: int = 0


def _frames(film: VideoReader) -> Iterator[_Frame]:
    """Frames of the size of the first."""
    width, height = film.size
    for frame in film:
        image = frame.image
        if image.shape[:2] != (height, width):
            panel = np.zeros((height, width, 3), np.uint8)
            letterbox(panel, image)
            image = panel
        yield _Frame(frame.index, frame.time, image)


def _faces(film: VideoReader, detector: Detector | None) -> Iterator[_Frame]:
    """The main face of every frame that has one, held still."""
    from mimamo.faces import CenterFace
    from mimamo.faces.alignment import crop_transform, warp
    from mimamo.faces.observe import observe_faces

    scale = _FACE_SIDE / (112 + 2 * _FACE_MARGIN)
    for face in observe_faces(film, detector or CenterFace()):
        if face.landmarks is not None and face.image is not None:
            transform = scale * crop_transform(face.landmarks, _FACE_MARGIN)
            image = warp(face.image, transform, _FACE_SIDE)
            yield _Frame(face.index, face.time, image, face.face)
