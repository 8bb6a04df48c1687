"""What following a face takes: a closer look at it, and landmarks smoothed over time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from mimamo.faces.alignment import TEMPLATE, crop_transform, warp
from mimamo.faces.detection import Detection, Detector
from mimamo.video.folder import CROP_SIZE

_VIEW_MARGIN = 24  # around the crop, so that the detector sees a whole head
VIEW_SIZE = CROP_SIZE + 2 * _VIEW_MARGIN
_VIEW_PASSES = 2
NEAR = 0.7  # how far a face may be from where it was expected, in face sizes
# The landmarks' cut-off frequency: in hertz at rest, and what each face radius (root mean square
# of the landmarks about their mean) moved per second adds.
_REST, _GAIN = 3.0, 6.0


def look_closer(detector: Detector, image: np.ndarray, face: Detection) -> Detection | None:
    """Detect a face again in an upright view of fixed size around its (supposed) landmarks.

    The error of a detector depends on the size, the roll and the sub-pixel position of a face. In
    this view these are nearly the same in every frame, and with them the error: what remains of
    it is a constant, not jitter. The second of two passes starts from the landmarks of the first.

    Returns the face in the image's coordinates, or None if the view shows none near its middle.
    """

    def detect(_: Sequence[int], transforms: np.ndarray) -> list[list[Detection]]:
        return [detector(warp(image, to_view, VIEW_SIZE)) for to_view in transforms]

    return look_closer_at([face], detect)[0]


def look_closer_at(
    faces: Sequence[Detection],
    detect: Callable[[Sequence[int], np.ndarray], Sequence[Sequence[Detection]]],
    passes: int = _VIEW_PASSES,
) -> list[Detection | None]:
    """As `look_closer`, at several faces at once.

    Args:
        faces: as they were found, each in an image of its own or of others.
        detect: called with numbers of faces and transforms [N, 2, 3] from their images to their
            views, once a pass; gives what is found in each view of `VIEW_SIZE`.
        passes: how many; one finds a face, and not yet as exactly as it can be.
    """
    found: list[Detection | None] = [None] * len(faces)
    left = dict(enumerate(faces))
    for _ in range(passes):
        if not left:
            break
        transforms = crop_transform(np.stack([x.landmarks for x in left.values()]), _VIEW_MARGIN)
        numbers, left = list(left), {}
        seen = detect(numbers, transforms)
        for number, to_view, candidates in zip(numbers, transforms, seen, strict=True):
            middle = _in_the_middle(candidates)
            if middle is not None:
                found[number] = left[number] = _out_of_view(middle, to_view)
    return found


def _in_the_middle(faces: Sequence[Detection]) -> Detection | None:
    """The face nearest to the middle of a view, if one is near."""
    middle = TEMPLATE.mean(axis=0) + _VIEW_MARGIN
    candidates = [
        (math.dist(seen.landmarks.mean(axis=0), middle) / max(seen.size, 1), seen) for seen in faces
    ]
    distance, face = min(candidates, key=lambda pair: pair[0], default=(math.inf, None))
    return face if distance <= NEAR else None


class LandmarkFilter:
    """The One Euro filter (Casiez, Roussel and Vogel, CHI 2012) for a face's landmarks.

    A first-order low-pass filter whose cut-off rises with the speed of the motion: it calms a face
    at rest and does not lag behind a moving one. All landmarks share the cut-off, so their shape
    is kept. It uses the past only. Unlike the original, it takes the speed from the last step
    alone, so a sudden motion is followed at once.
    """

    def __init__(self) -> None:
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
        cutoff_times_passed = _REST * passed + _GAIN * moved / radius
        weight = 1 / (1 + 1 / (2 * math.pi * cutoff_times_passed))
        self._value = (self._value + weight * (landmarks - self._value)).astype(np.float32)
        return self._value


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
