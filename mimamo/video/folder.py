"""Reading a folder of aligned faces, as Aff-Wild2's `cropped_aligned` has them or as OpenFace's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from mimamo.errors import InputError
from mimamo.progress import counted
from mimamo.video.gaps import Gap
from mimamo.video.image import read_image
from mimamo.video.names import face_and_number

CROP_SIZE = 112
MOST_MISSING = 100_000  # frames without a face on end, each of which is predicted like any other
MOST_FRAMES = 10_000_000  # of a video; at 30 a second they take four days
FOLDER_FPS = 30.0
CROPS = ("centre", "refuse")  # what becomes of faces that are not square


class AlignedFolder:
    """The aligned faces of one video, numbered from 1 by frame.

    They are named as in Aff-Wild2, `00001.jpg`, or as by OpenFace, `frame_det_00_000001.bmp`, whose
    first number is the face's: of several the one with the most images is taken. A number without
    an image is a frame in which no face was found. Iterating gives `(index, crop)` for the images
    there are, in order: index from 0, crop uint8 [112, 112, 3] RGB.

    Attributes:
        path, name: the folder, and its last component.
        size: (112, 112).
        fps: as given; such a folder does not say.
        images: the image files by number.
        frame_count: the highest number.
        gaps, missing: none, as every frame up to the last is there, with a face or without.
        warnings: one line for each thing about the folder that a user should know.

    Args:
        path: the folder.
        fps: frame rate.
        crop: what becomes of an image that is not square: "centre" cuts out its middle square,
            "refuse" says that it cannot be read.

    Raises InputError if `path` is not a folder, holds no numbered image, or numbers one twice or
    0; while iterating, for an image that cannot be read in full.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, fps: float = FOLDER_FPS, crop: str = "refuse"
    ) -> None:
        if crop not in CROPS:
            raise InputError(f"crop: expected {' or '.join(CROPS)}, got {crop!r}")
        self.path = Path(path)
        self.name = Path(os.path.realpath(self.path)).name
        self.size = (CROP_SIZE, CROP_SIZE)
        self.fps = fps
        self.gaps: list[Gap] = []
        self.missing: str | None = None
        self.warnings: list[str] = []
        self._crop = crop
        self._resized = False
        if not 0 < fps < float("inf"):
            raise ValueError(f"fps: expected a positive number, got {fps}")

        self.images = self._numbered_images()
        self.frame_count = max(self.images)

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        for number in sorted(self.images):
            yield number - 1, self.read(number)

    def read(self, number: int) -> np.ndarray:
        """Read one image, uint8 [112, 112, 3] RGB; InputError if it cannot be read in full."""
        path = self.images[number]
        image = read_image(path)
        height, width = image.shape[:2]
        if (height, width) != (CROP_SIZE, CROP_SIZE):
            image = _to_crop_size(path, image, self._crop)
            self._warn_resized(path, width, height)
        return image

    def _numbered_images(self) -> dict[int, Path]:
        faces: dict[int, dict[int, Path]] = {}
        for path in listed(self.path):
            if (found := face_and_number(path.name)) is None:
                continue
            face, number = found
            images = faces.setdefault(face, {})
            if number == 0:
                raise InputError(f"{path}: expected images numbered from 1, got 0")
            if number in images:
                raise InputError(f"{path}: {images[number].name} has the same number")
            images[number] = path
        if not faces:
            raise InputError(
                f"{self.path}: expected images named by number (00001.jpg, ...), found none"
            )
        main = min(faces, key=lambda face: (-len(faces[face]), face))
        if len(faces) > 1:
            self.warnings.append(
                f"{self.path}: holds {counted(len(faces), 'face')}; that of most images is used,"
                f" {next(iter(faces[main].values())).name} and so on"
            )
        _check_numbers(faces[main])
        return faces[main]

    def _warn_resized(self, path: Path, width: int, height: int) -> None:
        if not self._resized:  # one line, not one for each image
            self._resized = True
            cut = "" if width == height else "the middle square "
            self.warnings.append(
                f"{path}: {width}x{height} pixels instead of {CROP_SIZE}x{CROP_SIZE}; {cut}resized,"
                " like any other such image of the folder"
            )


def listed(folder: Path) -> list[Path]:
    """What is in a folder, sorted by name; InputError if it cannot be read."""
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"{folder}: cannot be read as a folder: {error.strerror}") from error


def _check_numbers(images: dict[int, Path]) -> None:
    before = 0
    for number in sorted(images):
        if number - before > MOST_MISSING or number > MOST_FRAMES:
            highest = min(before + MOST_MISSING, MOST_FRAMES)
            raise InputError(f"{images[number]}: expected at most {highest} after {before}")
        before = number


def _to_crop_size(path: Path, image: np.ndarray, crop: str) -> np.ndarray:
    height, width = image.shape[:2]
    if height != width and crop == "refuse":
        raise InputError(
            f"{path}: expected an aligned face, {CROP_SIZE}x{CROP_SIZE}, got {width}x{height}"
        )
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    image = image[top : top + side, left : left + side]
    method = cv2.INTER_AREA if side > CROP_SIZE else cv2.INTER_CUBIC
    return cv2.resize(image, (CROP_SIZE, CROP_SIZE), interpolation=method)
