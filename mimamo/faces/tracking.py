"""Following one face through a video."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import cv2
import numpy as np

from mimamo.faces.alignment import TEMPLATE, crop_transform, warp
from mimamo.faces.detection import Detection, Detector
from mimamo.video.folder import CROP_SIZE

_VIEW_MARGIN = 24  # around the crop, so that the detector sees a whole head
_VIEW_PASSES = 2
_NEAR = 0.7  # how far a face may be from where it was expected, in face sizes
_GROWTH = 2.0  # by what factor its size may differ


class FaceTracker:
    """Finds the main face of each frame of a video, the frames being given in order.

    The main face is the one of greatest area times score. From then on the face nearest to it is
    taken, if it is within 0.7 face sizes and of at least half and at most twice the size. If no
    detection is, the face is looked for where it was last. After `patience` frames without it, the
    main face is chosen again.

    With a `side`, another face is followed in the same way: of the two main faces the one further
    to this side of the picture, or a lone one if it is in this half.

    Each face found is looked at again, cut out upright and at a fixed size, as that is where
    landmarks are most exact (`look_closer`). With `steady`, landmarks are then smoothed over time
    (`LandmarkFilter`). On a real talking face (640x360, 30 frames/s) these bring the trembling of
    the aligned crop against the head, root mean square between frames, from 1.07 pixels of the
    crop to 0.76 and to 0.60; the smoothing moves it by 0.6 pixels at most.

    Searching the whole picture is half of the work. With `search_every` N above 1 it is searched
    only in every Nth frame, and wherever the face is not found in a view around its last place; a
    nearer face that appears between is not seen.
    """

    def __init__(
        self,
        detector: Detector,
        *,
        steady: bool = True,
        patience: int = 5,
        search_every: int = 1,
        side: Literal["left", "right"] | None = None,
    ) -> None:
        if search_every < 1:
            raise ValueError(f"search_every: expected at least 1, got {search_every}")
        self._detector, self._side = detector, side
        self._search_every = search_every
        self._since_search = 0
        self._filter = LandmarkFilter() if steady else None
        self._patience = patience
        self._last: Detection | None = None
        self._missed = 0
        self._shape: tuple[int, ...] = ()

    def __call__(self, image: np.ndarray, time: float) -> Detection | None:
        """Return the main face of the next frame, uint8 [H, W, 3] RGB, at `time` in seconds.

        Where the frames' size changes, the main face is chosen again.
        """
        if image.shape != self._shape:
            self._last, self._shape = None, image.shape  # its place was in other pixels
            if self._filter is not None:
                self._filter.reset()
        found = self._find(image)
        if found is None:
            self._missed += 1
            if self._missed >= self._patience:
                self._last = None
            if self._filter is not None:
                self._filter.reset()
            return None
        self._missed = 0
        self._last = found
        if self._filter is None:
            return found
        return replace(found, landmarks=self._filter(found.landmarks, time))

    def _find(self, image: np.ndarray) -> Detection | None:
        self._since_search += 1
        if self._last is not None and self._since_search < self._search_every:
            followed = look_closer(self._detector, image, self._last)
            if followed is not None:
                return followed
        self._since_search = 0
        detections = self._detector(image)
        if self._last is None:
            chosen = self._first(detections, image.shape[1] / 2)
        else:
            near = [face for face in detections if _is_near(face, self._last)]
            last = self._last.centre
            chosen = min(near, key=lambda face: math.dist(face.centre, last), default=None)
        if chosen is not None:
            return look_closer(self._detector, image, chosen) or chosen
        return None if self._last is None else look_closer(self._detector, image, self._last)

    def _first(self, detections: Sequence[Detection], middle: float) -> Detection | None:
        """The face to follow from now on; `middle` is that of the picture, in pixels."""
        main = sorted(detections, key=lambda face: -(face.size**2) * face.score)[:2]
        if self._side is None or not main:
            return main[0] if main else None
        if len(main) == 1:
            is_left = main[0].centre[0] < middle
            return main[0] if is_left == (self._side == "left") else None
        outermost = min if self._side == "left" else max
        return outermost(main, key=lambda face: face.centre[0])


def look_closer(detector: Detector, image: np.ndarray, face: Detection) -> Detection | None:
    """Detect a face again in an upright view of fixed size around its (supposed) landmarks.

    The error of a detector depends on the size, the roll and the sub-pixel position of a face. In
    this view these are nearly the same in every frame, and with them the error: what remains of
    it is a constant, not jitter. The second of two passes starts from the landmarks of the first.

    Returns the face in the image's coordinates, or None if the view shows none near its middle.
    """
    found = None
    for _ in range(_VIEW_PASSES):
        to_view = crop_transform(face.landmarks, _VIEW_MARGIN)
        size = CROP_SIZE + 2 * _VIEW_MARGIN
        middle = TEMPLATE.mean(axis=0) + _VIEW_MARGIN
        candidates = [
            (math.dist(seen.landmarks.mean(axis=0), middle) / max(seen.size, 1), seen)
            for seen in detector(warp(image, to_view, size))
        ]
        distance, seen = min(candidates, key=lambda pair: pair[0], default=(math.inf, None))
        if seen is None or distance > _NEAR:
            break
        face = found = _out_of_view(seen, to_view)
    return found


class LandmarkFilter:
    """The One Euro filter (Casiez, Roussel and Vogel, CHI 2012) for a face's landmarks.

    A first-order low-pass filter whose cut-off rises with the speed of the motion: it calms a face
    at rest and does not lag behind a moving one. All landmarks share the cut-off, so their shape
    is kept. It uses the past only. Unlike the original, it takes the speed from the last step
    alone, so a sudden motion is followed at once.

    Args:
        rest: cut-off frequency at rest, in hertz.
        gain: hertz added for each face radius (root mean square of the landmarks about their
            mean) moved per second.
    """

    def __init__(self, rest: float = 3.0, gain: float = 6.0) -> None:
        self._rest = rest
        self._gain = gain
        self.reset()

    def reset(self) -> None:
        """Forget the past: the next landmarks are taken as they are."""
        self._value: np.ndarray | None = None
        self._time = 0.0

    def __call__(self, landmarks: np.ndarray, time: float) -> np.ndarray:
        """Return landmarks [5, 2] at `time`, in seconds and increasing, smoothed."""
        passed = time - self._time
        self._time = time
        if self._value is None:
            self._value = landmarks
            return landmarks
        radius = np.sqrt(((landmarks - landmarks.mean(axis=0)) ** 2).sum(axis=1).mean())
        moved = np.linalg.norm((landmarks - self._value).mean(axis=0))
        cutoff_times_passed = self._rest * passed + self._gain * moved / radius
        weight = 1 / (1 + 1 / (2 * math.pi * cutoff_times_passed))
        self._value = (self._value + weight * (landmarks - self._value)).astype(np.float32)
        return self._value


def _is_near(face: Detection, last: Detection) -> bool:
    near = math.dist(face.centre, last.centre) <= _NEAR * last.size
    return near and last.size / _GROWTH <= face.size <= last.size * _GROWTH


def _out_of_view(seen: Detection, to_view: np.ndarray) -> Detection:
    to_image = cv2.invertAffineTransform(to_view)
    scale = math.hypot(to_image[0, 0], to_image[1, 0])
    centre = to_image[:, :2] @ seen.centre + to_image[:, 2]
    half = scale * (seen.box[2:] - seen.box[:2]) / 2  # the box stays upright
    return Detection(
        box=np.concatenate([centre - half, centre + half]).astype(np.float32),
        landmarks=(seen.landmarks @ to_image[:, :2].T + to_image[:, 2]).astype(np.float32),
        score=seen.score,
    )
