"""The YuNet detector (Wu, Peng and Yu, 2023), run by OpenCV from a file the user has."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

from mimamo.errors import OUT_OF_MEMORY, InputError, is_out_of_memory
from mimamo.faces.detection import Detection, detect_at_sizes
from mimamo.files import MOST_MODEL, read_bytes
from mimamo.video.quiet import quiet_opencv

_THRESHOLD, _OVERLAP = 0.6, 0.3  # least score of a face; most intersection over union of two


class YuNet:
    """Finds faces and five landmarks of each; a callable of the kind `Detector`.

    Args:
        model: the ONNX file of a YuNet that `cv2.FaceDetectorYN` runs, such as
            face_detection_yunet_2023mar.onnx.

    Raises InputError if the model is missing or is not a YuNet network.
    """

    def __init__(self, model: str | os.PathLike[str]) -> None:
        path = Path(model)
        if not path.is_file():
            raise InputError(f"{path}: expected a YuNet ONNX file, found none")
        self.model = path
        try:
            with quiet_opencv():
                content = np.frombuffer(read_bytes(path, MOST_MODEL), np.uint8)
                self._network = cv2.FaceDetectorYN.create(
                    "onnx", content, np.empty(0, np.uint8), (320, 320), _THRESHOLD, _OVERLAP
                )
                self._detect(np.zeros((192, 320, 3), np.uint8))
        except cv2.error as error:
            if is_out_of_memory(error):
                raise MemoryError(OUT_OF_MEMORY) from error
            raise InputError(f"{path}: expected a YuNet ONNX file: not usable") from error

    def __call__(self, image: np.ndarray) -> list[Detection]:
        """Return the faces of an image, uint8 [H, W, 3] RGB, the most certain first."""
        return detect_at_sizes(self._detect, image)

    def _detect(self, image: np.ndarray) -> list[Detection]:
        self._network.setInputSize((image.shape[1], image.shape[0]))
        _, rows = self._network.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        if rows is None:
            return []
        rows = rows[np.argsort(-rows[:, 14], kind="stable")]
        return [_detection(row) for row in rows]


def _detection(row: np.ndarray) -> Detection:
    """A row is x, y, width, height, five (x, y) in `Detection`'s order, score."""
    box = np.concatenate([row[:2], row[:2] + row[2:4]])
    return Detection(box, row[4:14].reshape(5, 2), float(row[14]))
