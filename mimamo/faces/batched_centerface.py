"""CenterFace on many frames at once, with all that the tracker asks of them, on one device."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mimamo.device import move
from mimamo.faces.alignment import crop_transform
from mimamo.faces.centerface import (
    OVERLAP,
    SIDES,
    THRESHOLD,
    CenterFace,
    bundled_model,
    decode,
    merged,
    padding,
)
from mimamo.faces.centerface_network import CenterFaceNetwork
from mimamo.faces.detection import Detection, Detector, enlarged, prominence, search_sizes
from mimamo.faces.likeness import BORDER, SIDE, SMALL, normalised
from mimamo.faces.resampling import grey, shrink, warp_batch
from mimamo.faces.tracking import VIEW_SIZE, look_closer_at
from mimamo.faces.views import FrameView
from mimamo.video.folder import CROP_SIZE

_FRAMES = 32  # looked at together, if they are not large
_MOST_PIXELS = 1 << 24  # of the frames together: as float32 with three channels 200 MB
_MOST_INPUT = 1 << 21  # pixels in a pass through the network, hundreds of bytes each


class BatchedCenterFace:
    """The detector of `CenterFace`, its network in torch; a `BatchDetector`.

    It finds what `CenterFace` finds. Of a batch of frames the search, both closer looks, the looks
    of faces and the crops are a few passes on the device, on a stream of its own; the frames go
    there once. It computes in float32, on a GPU with TensorFloat-32 in convolutions unless torch is
    told otherwise: bfloat16 would move boxes by more than half a pixel. Not safe to share between
    threads.

    Args:
        device: where it computes.
        model, sides, threshold, overlap: as for `CenterFace`.

    Raises InputError if the model is missing or is not a CenterFace network.
    """

    def __init__(
        self,
        device: torch.device | str,
        model: str | os.PathLike[str] | None = None,
        *,
        sides: Sequence[int] = SIDES,
        threshold: float = THRESHOLD,
        overlap: float = OVERLAP,
    ) -> None:
        self.sides, self.threshold, self.overlap = tuple(sides), threshold, overlap
        self._device = torch.device(device)
        path = bundled_model() if model is None else Path(model)
        self._network = move(CenterFaceNetwork(path), self._device)
        self._stream = None
        if self._device.type == "cuda":
            self._stream = torch.cuda.Stream(self._device)
            self._stream.wait_stream(torch.cuda.current_stream(self._device))  # for the weights

    def __call__(self, image: np.ndarray) -> list[Detection]:
        """Return the faces of an image, uint8 [H, W, 3] RGB, the most certain first."""
        with self.computing():
            return self.search(self.upload([image]))[0]

    def batch(self, images: Sequence[np.ndarray], most: int | None, search: bool) -> FaceBatch:
        """Look at frames, see `BatchDetector`."""
        return FaceBatch(self, images, most, search)

    def frames_at_once(self, shape: tuple[int, ...]) -> int:
        """How many frames of a shape to give at once."""
        return min(_FRAMES, max(1, _MOST_PIXELS // (shape[0] * shape[1])))

    @contextmanager
    def computing(self) -> Iterator[None]:
        """What is computed in the block is without gradients, and on the detector's stream."""
        with torch.inference_mode(), torch.cuda.stream(self._stream):
            yield

    def upload(self, images: Sequence[np.ndarray]) -> Tensor:
        """Frames of one size on the device: uint8 [N, H, W, 3]."""
        pinned = self._stream is not None  # so that the copy does not keep this thread waiting
        frames = torch.empty((len(images), *images[0].shape), dtype=torch.uint8, pin_memory=pinned)
        np.stack(images, out=frames.numpy())
        return frames.to(self._device, non_blocking=True)

    def search(self, frames: Tensor) -> list[list[Detection]]:
        """The faces of each of frames on the device, at the first of the sizes that shows some."""
        count, height, width, _ = frames.shape
        found: list[list[Detection]] = [[] for _ in range(count)]
        left = list(range(count))
        for shape in search_sizes((width, height), self.sides):
            small = shrink(frames if len(left) == count else frames[left], shape)
            for number, faces in zip(left, self.detect(small), strict=True):
                found[number] = [enlarged(face, shape, (width, height)) for face in faces]
            left = [number for number in left if not found[number]]
            if not left:
                break
        return found

    def detect(self, pictures: Tensor) -> list[list[Detection]]:
        """The faces of pictures [N, 3, H, W], 0 to 255, on the device, at that size."""
        height, width = pictures.shape[2:]
        padded = F.pad(pictures, (0, padding(width), 0, padding(height)))
        padded = padded.contiguous(memory_format=torch.channels_last)
        at_once = max(1, _MOST_INPUT // padded[0, 0].numel())
        return [found for some in padded.split(at_once) for found in self._pass(some)]

    def _pass(self, pictures: Tensor) -> list[list[Detection]]:
        outputs = self._network(pictures)
        cells = (outputs[:, 0] >= self.threshold).nonzero()  # [M, 3], picture by picture
        number, row, column = cells.unbind(1)
        # Only what is seen is transferred.
        table = torch.cat([cells, outputs[number, :, row, column]], dim=1).cpu().numpy()
        boxes, landmarks, scores = decode(table[:, 1:3], table[:, 3:])
        edges = np.searchsorted(table[:, 0], np.arange(len(pictures) + 1))
        parts = [slice(*edge) for edge in pairwise(edges.tolist())]
        return [merged(boxes[x], landmarks[x], scores[x], self.overlap) for x in parts]


def centerface(device: torch.device | str) -> Detector:
    """CenterFace where it is faster: in batches on a GPU, frame by frame by OpenCV on a CPU."""
    return CenterFace() if torch.device(device).type == "cpu" else BatchedCenterFace(device)


class FaceBatch:
    """Frames of one size that are looked at together, a `FrameBatch`."""

    def __init__(
        self,
        detector: BatchedCenterFace,
        images: Sequence[np.ndarray],
        most: int | None,
        search: bool,
    ) -> None:
        self._detector = detector
        with detector.computing():
            self._frames = detector.upload(images)
            planes = shrink(self._frames, SMALL).permute(0, 2, 3, 1)
            thumbnails = grey(planes).cpu().numpy()
            found = detector.search(self._frames) if search else None
            everything = _numbered(found or [])
            looks = self._appearances(*everything)
            near = _numbered([sorted(faces, key=prominence)[:most] for faces in found or []])
            closer = self._look_closer(*near)
        self.views = [
            _PreparedView(
                image,
                detector,
                thumbnails[number],
                None if found is None else found[number],
                dict(zip(everything[1], looks, strict=True)),
                dict(zip(near[1], closer, strict=True)),
            )
            for number, image in enumerate(images)
        ]

    def align(self, numbers: Sequence[int], faces: Sequence[Detection]) -> np.ndarray:
        """The aligned crops, uint8 [M, 112, 112, 3], of faces in the frames of these numbers."""
        with self._detector.computing():
            return self._warp(numbers, faces, 0, CROP_SIZE).byte().cpu().numpy()

    def _appearances(self, numbers: Sequence[int], faces: Sequence[Detection]) -> list[np.ndarray]:
        """What `mimamo.faces.likeness.appearance` gives of each face."""
        inside = grey(self._warp(numbers, faces, -BORDER, CROP_SIZE - 2 * BORDER))
        side = inside.shape[1] // SIDE
        squares = inside.reshape(len(faces), SIDE, side, SIDE, side)
        return [normalised(x) for x in squares.mean(dim=(2, 4)).round_().cpu().numpy()]

    def _look_closer(
        self, numbers: Sequence[int], faces: Sequence[Detection]
    ) -> list[Detection | None]:
        def detect(which: Sequence[int], transforms: np.ndarray) -> list[list[Detection]]:
            own, at_once = [numbers[x] for x in which], max(1, _MOST_INPUT // VIEW_SIZE**2)
            found: list[list[Detection]] = []
            for start in range(0, len(own), at_once):  # of a crowd, a pass at a time
                some = slice(start, start + at_once)
                views = warp_batch(self._frames, own[some], transforms[some], VIEW_SIZE)
                found += self._detector.detect(views.permute(0, 3, 1, 2))
            return found

        return look_closer_at(faces, detect)

    def _warp(
        self, numbers: Sequence[int], faces: Sequence[Detection], margin: int, size: int
    ) -> Tensor:
        landmarks = np.array([face.landmarks for face in faces]).reshape(-1, 5, 2)
        return warp_batch(self._frames, numbers, crop_transform(landmarks, margin), size)


def _numbered(found: Sequence[Sequence[Detection]]) -> tuple[list[int], list[Detection]]:
    """The faces of frames in one list, and the numbers of their frames."""
    pairs = [(number, face) for number, faces in enumerate(found) for face in faces]
    return [number for number, _ in pairs], [face for _, face in pairs]


class _PreparedView(FrameView):
    """A frame of which most of what will be asked is known."""

    def __init__(
        self,
        image: np.ndarray,
        detector: BatchedCenterFace,
        small: np.ndarray,
        faces: list[Detection] | None,
        looks: Mapping[Detection, np.ndarray],
        closer: Mapping[Detection, Detection | None],
    ) -> None:
        super().__init__(image, detector)
        self._small, self._faces, self._looks, self._closer = small, faces, looks, closer

    def thumbnail(self) -> np.ndarray:
        return self._small

    def faces(self) -> list[Detection]:
        return super().faces() if self._faces is None else self._faces

    def appearance(self, face: Detection) -> np.ndarray:
        known = self._looks.get(face)
        return super().appearance(face) if known is None else known

    def look_closer(self, face: Detection) -> Detection | None:
        return self._closer[face] if face in self._closer else super().look_closer(face)
