"""Reading the frames of a video file, with their times, through OpenCV."""

from __future__ import annotations

import math
import os
import string
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mimamo.errors import InputError
from mimamo.files import open_file
from mimamo.video.folder import MOST_FRAMES
from mimamo.video.quiet import quiet_opencv

ASSUMED_FPS = 30.0
_HIGHEST_FPS = 500.0  # some containers state their clock (1000, 90000) instead of a frame rate
_SUFFIXES = (
    *(".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4"),
    *(".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".webm", ".wmv"),
)
_TEXT = frozenset(string.printable.encode()) | {0x1B} | set(range(0x80, 0x100))


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """One frame: its number from 0, its time in seconds and its pixels, uint8 [H, W, 3] RGB."""

    index: int
    time: float
    image: np.ndarray


class VideoReader:
    """The frames of one video file, in order; iterate as often as needed.

    Attributes:
        path, name: the file, and its name without folder and suffix.
        size: (width, height) in pixels as shown, that is after the rotation the file asks for.
        fps: frames per second; 30 with a warning where the file states no usable rate.
        frame_count: how many frames the container announces, or None. Only a claim.
        truncated: after a whole pass, whether the file is known to end too early.
        warnings: one line for each thing about the file that a user should know.

    Frame times are the container's where they increase, otherwise they follow from `fps`. A
    truncated file yields what can be decoded.

    Raises InputError for a path that is missing, a folder, an empty file, something else than a
    video, or a video of which no frame can be decoded.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.name = self.path.stem
        self.truncated = False
        self.warnings: list[str] = []
        self._capture: cv2.VideoCapture | None = None

        capture = self._open()
        with quiet_opencv():
            decoded, image = capture.read()
        if not decoded:
            self.close()
            raise self._refusal()
        self.size = (image.shape[1], image.shape[0])
        count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.frame_count = int(count) if 0 < count <= MOST_FRAMES else None
        self.fps = capture.get(cv2.CAP_PROP_FPS)
        if not 0 < self.fps <= _HIGHEST_FPS:
            self._warn(f"no usable frame rate ({self.fps:g}); {ASSUMED_FPS:g} frames/s assumed")
            self.fps = ASSUMED_FPS
        self.close()

    def __iter__(self) -> Iterator[VideoFrame]:
        """Read from the first frame on; a new iteration ends one that is still under way."""
        self.close()
        capture = self._open()
        index, time = 0, -1 / self.fps
        while True:
            with quiet_opencv():
                decoded, image = capture.read()
            if not decoded:
                break
            stamp = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            sane = math.isfinite(stamp) and stamp > max(time, -1e-9)
            time = stamp if sane else time + 1 / self.fps
            yield VideoFrame(index, time, cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
            index += 1
        if self._capture is capture:  # neither closed nor started again in the meantime
            self._check_end(index)
            self.close()

    def close(self) -> None:
        """Let go of the file, which ends an iteration. The next one opens it again."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> cv2.VideoCapture:
        _check_is_media_file(self.path)
        # An absolute path cannot be mistaken for a protocol or an option, and naming the backend
        # keeps OpenCV from trying its image-sequence reader on names with digits.
        with quiet_opencv():
            capture = cv2.VideoCapture(str(self.path.absolute()), cv2.CAP_FFMPEG)
        if not capture.isOpened():
            raise self._refusal()
        self._capture = capture
        return capture

    def _refusal(self) -> InputError:
        reason = "damaged, without frames, or something else"
        if _ends_inside_a_box(self.path):
            reason = "truncated"
        return InputError(f"{self.path}: expected a video with frames; it is {reason}")

    def _check_end(self, decoded: int) -> None:
        announced = self.frame_count or 0
        found = f"{decoded} frames decoded"
        if announced > decoded:
            found += f" of the {announced} it announces"
        # Outside MP4 the count is often computed from the duration, hence inexact.
        short = announced - decoded > max(2, announced // 100)
        self.truncated = _ends_inside_a_box(self.path) or (short and not _is_mp4(self.path))
        if self.truncated:
            self._warn(f"the file is truncated; {found}")
        elif short:
            self._warn(f"{found}; it is damaged, or was cut without encoding it again")

    def _warn(self, message: str) -> None:
        line = f"{self.path}: {message}"
        if line not in self.warnings:
            self.warnings.append(line)


def is_video(path: Path) -> bool:
    """Whether `path` is named like a video file, and is no folder."""
    return path.suffix.lower() in _SUFFIXES and not path.is_dir()


def _check_is_media_file(path: Path) -> None:
    with open_file(path, None, "a video file") as file:
        head = file.read(4096)
    if not head:
        raise InputError(f"{path}: expected a video, but the file is empty")
    # FFmpeg would render text as a film of a terminal, and follow the links of a playlist.
    if _TEXT.issuperset(head):
        raise InputError(f"{path}: expected a video, got a text file")


def _is_mp4(path: Path) -> bool:
    with open_file(path, None, "a video file") as file:
        return file.read(8)[4:] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")


def _ends_inside_a_box(path: Path) -> bool:
    """Whether an MP4 or MOV file ends before its last box does (ISO/IEC 14496-12, 4.2)."""
    if not _is_mp4(path):
        return False
    offset = 0
    with open_file(path, None, "a video file") as file:
        length = os.fstat(file.fileno()).st_size
        while offset + 8 <= length:
            file.seek(offset)
            header = file.read(16).ljust(16, b"\0")
            size = struct.unpack(">I", header[:4])[0]
            if size == 1:  # a 64-bit size follows
                size = struct.unpack(">Q", header[8:])[0]
            if size < 8:  # 0: up to the end of the file; otherwise not a box
                return False
            offset += size
    return offset > length
