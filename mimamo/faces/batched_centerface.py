"""CenterFace on many frames at once, with all that the tracker asks of them, on one device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice, pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mimamo.device import move
from mimamo.faces.alignment import crop_transform
from mimamo.faces.centerface import (
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

    Raises InputError if the bundled model is missing.
    """

    def __init__(self, device: torch.device | str) -> None:
        self._device = torch.device(device)
        self._network = move(CenterFaceNetwork(bundled_model()), self._device)
        self._stream = None
        if self._device.type == "cuda":
            self._stream = torch.cuda.Stream(self._device)
            self._stream.wait_stream(torch.cuda.current_stream(self._device))  # for the weights

    def __call__(self, image: np.ndarray) -> list[Detection]:
        """Return the faces of an image, uint8 [H, W, 3] RGB, the most certain first."""
        with self.computing():
            return self.search(self.upload([image]))[0]

    def batch(
        self,
        images: Sequence[np.ndarray],
        most: int | None,
        search: Sequence[bool],
        seen: Sequence[Detection],
    ) -> FaceBatch:
        """Look at frames, see `BatchDetector`."""
        return FaceBatch(self, images, most, search, seen)

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

    def handed_over(self, result: Tensor) -> Tensor:
        """A result of the detector's stream, for who computes on the device's current one."""
        if self._stream is not None:
            current = torch.cuda.current_stream(self._device)
            current.wait_stream(self._stream)
            with torch.inference_mode():  # as it was made
                result.record_stream(current)  # its memory is not used again before
        return result

    def search(self, frames: Tensor, numbers: Sequence[int] | None = None) -> list[list[Detection]]:
        """The faces of frames on the device, at the first of the sizes that shows some.

        `numbers` says of which; None of all.
        """
        count, height, width, _ = frames.shape
        left = list(range(count) if numbers is None else numbers)
        found: dict[int, list[Detection]] = {number: [] for number in left}
        for shape in search_sizes((width, height)):
            if not left:
                break
            small = shrink(frames if len(left) == count else frames[left], shape)
            for number, faces in zip(left, self.detect(small), strict=True):
                found[number] = [enlarged(face, shape, (width, height)) for face in faces]
            left = [number for number in left if not found[number]]
        return list(found.values())

    def detect(self, pictures: Tensor) -> list[list[Detection]]:
        """The faces of pictures [N, 3, H, W], 0 to 255, on the device, at that size."""
        height, width = pictures.shape[2:]
        padded = F.pad(pictures, (0, padding(width), 0, padding(height)))
        padded = padded.contiguous(memory_format=torch.channels_last)
        at_once = max(1, _MOST_INPUT // padded[0, 0].numel())
        return [found for some in padded.split(at_once) for found in self._pass(some)]

    def _pass(self, pictures: Tensor) -> list[list[Detection]]:
        outputs = self._network(pictures)
        cells = (outputs[:, 0] >= THRESHOLD).nonzero()  # [M, 3], picture by picture
        number, row, column = cells.unbind(1)
        # Only what is seen is transferred.
        table = torch.cat([cells, outputs[number, :, row, column]], dim=1).cpu().numpy()
        boxes, landmarks, scores = decode(table[:, 1:3], table[:, 3:])
        edges = np.searchsorted(table[:, 0], np.arange(len(pictures) + 1))
        parts = [slice(*edge) for edge in pairwise(edges.tolist())]
        return [merged(boxes[x], landmarks[x], scores[x]) for x in parts]


def centerface(device: torch.device | str) -> Detector:
    """CenterFace where it is faster: in batches on a GPU, frame by frame by OpenCV on a CPU."""
    return CenterFace() if torch.device(device).type == "cpu" else BatchedCenterFace(device)


Pair = tuple[int, Detection]  # the number of a frame, and a face in it or in the one before


class FaceBatch:
    """Frames of one size that are looked at together, a `FrameBatch`.

    What the tracker will ask is found out beforehand in a few passes, and what else it asks when it
    does: all of it on the device, where the frames are.
    """

    def __init__(
        self,
        detector: BatchedCenterFace,
        images: Sequence[np.ndarray],
        most: int | None,
        search: Sequence[bool],
        seen: Sequence[Detection],
    ) -> None:
        self._detector = detector
        self._found: dict[int, list[Detection]] = {}
        self._looks: dict[Pair, np.ndarray] = {}
        self._closer: dict[Pair, Detection | None] = {}
        with detector.computing():
            self._frames = detector.upload(images)
            planes = shrink(self._frames, SMALL).permute(0, 2, 3, 1)
            thumbnails = grey(planes).cpu().numpy()
            self._search([number for number, asked in enumerate(search) if asked or not seen])
            asked_for = list(self._asked_for(search, bool(seen)))
            self._appear([(n, face) for n in asked_for for face in self._found[n]])
            near = {n: sorted(self._found[n], key=prominence)[:most] for n in asked_for}
            self._look_closer([(n, face) for n, faces in near.items() for face in faces])
            self._appear([(n, face) for (n, _), face in self._closer.items() if face is not None])
            self._follow(near, seen)
        self.views = [
            _BatchView(image, detector, self, number, thumbnails[number])
            for number, image in enumerate(images)
        ]

    def align(self, numbers: Sequence[int], faces: Sequence[Detection]) -> Tensor:
        """The aligned crops of faces in the frames of these numbers, on the device."""
        with self._detector.computing():
            crops = self._warp(list(zip(numbers, faces, strict=True)), 0, CROP_SIZE).byte()
        return self._detector.handed_over(crops)

    def faces(self, number: int) -> list[Detection]:
        """The faces of a frame."""
        if number not in self._found:
            with self._detector.computing():
                self._search([number])
        return self._found[number]

    def appearance(self, pair: Pair) -> np.ndarray:
        """What `mimamo.faces.likeness.appearance` gives of a face."""
        if pair not in self._looks:
            with self._detector.computing():
                self._appear([pair])
        return self._looks[pair]

    def look_closer(self, pair: Pair) -> Detection | None:
        """What `mimamo.faces.tracking.look_closer` gives of a face."""
        if pair not in self._closer:
            with self._detector.computing():
                self._look_closer([pair])
        return self._closer[pair]

    def _asked_for(self, search: Sequence[bool], following: bool) -> Iterator[int]:
        """The frames whose faces will be asked for, as all are until there is a face to follow."""
        for number, asked in enumerate(search):
            if asked or (not following and number in self._found):
                yield number
                following = bool(self._found[number])

    def _search(self, numbers: Sequence[int]) -> None:
        found = self._detector.search(self._frames, numbers)
        self._found.update(zip(numbers, found, strict=True))

    def _appear(self, pairs: Sequence[Pair]) -> None:
        inside = grey(self._warp(pairs, -BORDER, CROP_SIZE - 2 * BORDER))
        side = inside.shape[1] // SIDE
        squares = inside.reshape(len(pairs), SIDE, side, SIDE, side)
        looks = squares.mean(dim=(2, 4)).round_().cpu().numpy()
        self._looks.update(zip(pairs, map(normalised, looks), strict=True))

    def _look_closer(self, pairs: Sequence[Pair]) -> None:
        closer = look_closer_at([face for _, face in pairs], self._looking_for(pairs))
        self._closer.update(zip(pairs, closer, strict=True))

    def _looking_for(
        self, pairs: Sequence[Pair]
    ) -> Callable[[Sequence[int], np.ndarray], list[list[Detection]]]:
        """What detects the faces of pairs in views of their frames, see `look_closer_at`."""

        def detect(which: Sequence[int], transforms: np.ndarray) -> list[list[Detection]]:
            own, at_once = [pairs[x][0] for x in which], max(1, _MOST_INPUT // VIEW_SIZE**2)
            found: list[list[Detection]] = []
            for start in range(0, len(own), at_once):  # of a crowd, a pass at a time
                some = slice(start, start + at_once)
                views = warp_batch(self._frames, own[some], transforms[some], VIEW_SIZE)
                found += self._detector.detect(views.permute(0, 3, 1, 2))
            return found

        return detect

    def _follow(self, near: Mapping[int, Sequence[Detection]], seen: Sequence[Detection]) -> None:
        """Look for faces in the frames that are not searched.

        The tracker asks for a face from where it was in the frame before. A look at all of them
        from the last one searched, or from before this batch, finds these places, and so those
        from which to look again are known beforehand.
        """
        stretches: list[tuple[Sequence[Detection], list[int]]] = [(seen, [])]
        for number in range(len(self._frames)):
            if number in near:
                starts = [self._closer[number, face] or face for face in near[number]]
                stretches.append((starts, []))
            else:
                stretches[-1][1].append(number)
        chains = [(start, numbers) for starts, numbers in stretches for start in starts if numbers]
        asked = [(number, start) for start, numbers in chains for number in numbers]
        places = iter(look_closer_at([x for _, x in asked], self._looking_for(asked), passes=1))
        asked = []
        for start, numbers in chains:
            before = [start, *islice(places, len(numbers))][:-1]
            asked += [(number, x or start) for number, x in zip(numbers, before, strict=True)]
        closer = iter(look_closer_at([x for _, x in asked], self._looking_for(asked)))
        known: list[Pair] = []
        for start, numbers in chains:
            last: Detection | None = start
            for number, now in zip(numbers, islice(closer, len(numbers)), strict=True):
                if last is not None and now is not None:
                    self._closer[number, last] = now
                    known.append((number, now))
                last = last and now
        self._appear(known)

    def _warp(self, pairs: Sequence[Pair], margin: int, size: int) -> Tensor:
        landmarks = np.array([face.landmarks for _, face in pairs]).reshape(-1, 5, 2)
        numbers = [number for number, _ in pairs]
        return warp_batch(self._frames, numbers, crop_transform(landmarks, margin), size)


class _BatchView(FrameView):
    """A frame of a batch."""

    def __init__(
        self,
        image: np.ndarray,
        detector: BatchedCenterFace,
        batch: FaceBatch,
        number: int,
        small: np.ndarray,
    ) -> None:
        super().__init__(image, detector)
        self._batch, self._number, self._small = batch, number, small

    def thumbnail(self) -> np.ndarray:
        return self._small

    def faces(self) -> list[Detection]:
        return self._batch.faces(self._number)

    def appearance(self, face: Detection) -> np.ndarray:
        return self._batch.appearance((self._number, face))

    def look_closer(self, face: Detection) -> Detection | None:
        return self._batch.look_closer((self._number, face))
