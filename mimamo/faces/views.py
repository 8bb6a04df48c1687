"""What the tracker asks of a frame, and where it comes from: one frame, or a batch of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from mimamo.faces.alignment import align_face
from mimamo.faces.detection import Detection, Detector
from mimamo.faces.likeness import appearance, thumbnail
from mimamo.faces.tracking import look_closer

if TYPE_CHECKING:
    from torch import Tensor


class FrameView:
    """A frame, of which everything is found out when it is asked for.

    Args:
        image: uint8 [H, W, 3] RGB.
        detector: finds the faces of images.
    """

    def __init__(self, image: np.ndarray, detector: Detector) -> None:
        self.image = image
        self._detector = detector

    def thumbnail(self) -> np.ndarray:
        """The small grey picture in which cuts are seen, float32 [27, 48]."""
        return thumbnail(self.image)

    def faces(self) -> list[Detection]:
        """The faces of the frame, the most certain first."""
        return self._detector(self.image)

    def appearance(self, face: Detection) -> np.ndarray:
        """What a face looks like, float32 [256], see `mimamo.faces.likeness.appearance`."""
        return appearance(self.image, face.landmarks)

    def look_closer(self, face: Detection) -> Detection | None:
        """A face as a closer look shows it, see `mimamo.faces.tracking.look_closer`."""
        return look_closer(self._detector, self.image, face)


class FrameBatch(Protocol):
    """Frames that are looked at together."""

    @property
    def views(self) -> Sequence[FrameView]:
        """The frames, in order."""
        ...

    def align(
        self, numbers: Sequence[int], faces: Sequence[Detection]
    ) -> Sequence[np.ndarray] | Tensor:
        """The aligned crops, uint8 [112, 112, 3], of faces in the frames of these numbers.

        A tensor of them is on the detector's device, for its current stream.
        """
        ...


@runtime_checkable
class BatchDetector(Detector, Protocol):
    """A detector that looks at several frames at once."""

    def batch(
        self,
        images: Sequence[np.ndarray],
        most: int | None,
        search: Sequence[bool],
        seen: Sequence[Detection],
    ) -> FrameBatch:
        """Look at frames.

        Args:
            images: uint8 [H, W, 3] RGB, all of one size.
            most: at how many faces of each, the most prominent ones, to look closer beforehand;
                None for all.
            search: of which of the frames all faces will be asked for in any case; of the others
                until there is a face to follow.
            seen: faces that are followed, as they were last seen.
        """
        ...

    def frames_at_once(self, shape: tuple[int, ...]) -> int:
        """How many frames of a shape to give at once."""
        ...


class SingleFrame:
    """A batch of one frame, for a detector that takes no more."""

    def __init__(self, image: np.ndarray, detector: Detector) -> None:
        self.views = [FrameView(image, detector)]

    def align(self, numbers: Sequence[int], faces: Sequence[Detection]) -> list[np.ndarray]:
        return [
            align_face(self.views[n].image, x.landmarks)
            for n, x in zip(numbers, faces, strict=True)
        ]
