"""Writing frames to an MP4 file that browsers play: H.264, with a film's sound if wanted."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
import cv2
import numpy as np
from av.container import OutputContainer
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from mimamo.errors import InputError
from mimamo.files import open_unnamed, replacing
from mimamo.progress import Report, silent
from mimamo.video.container import FilmFile, explained, logged_errors
from mimamo.video.sound import Sound

_CLOCK = 90000  # at least so many units of time a second
_BT709, _LIMITED = 1, 1  # FFmpeg's numbers of the colours that players assume
# Frames are stored in the order they are shown in: the last one's duration is else another's.
# Without the macroblock tree: with it the same pictures gave another file about 14 times in 4600,
# even with one thread, and without it never in 2700.
_OPTIONS = {"preset": "veryfast", "crf": "20", "bf": "0", "x264-params": "mbtree=0"}


class VideoWriter:
    """An MP4 file (H.264) that appears under its name once it is complete.

    Use it as a context manager and `write` the frames; all have the size of the first. The codec
    needs even sides, so an odd side is extended by repeating its last row or column. If the block
    ends by an exception, nothing is left behind.

    Args:
        path: the file.
        fps: frames per second, of frames that are written without a time.
        sound: a film whose sound goes in as well, if it has any.
        warn: called with a line where the sound cannot be taken over.

    Raises InputError if `path` does not end in .mp4 or cannot be written to (a full disk);
    ValueError for a frame rate that is not positive, frames of another kind, or no frames at all.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        fps: float,
        *,
        sound: Path | None = None,
        warn: Report = silent,
    ) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() != ".mp4":
            raise InputError(f"{self.path}: expected a name that ends in .mp4")
        if self.path.is_dir():
            raise InputError(f"{self.path}: expected a file to write, got a folder")
        if not 0 < fps < float("inf"):
            raise ValueError(f"fps: expected a positive number, got {fps}")
        self.fps = float(fps)
        self._rate = max(Fraction(self.fps).limit_denominator(1001), Fraction(1, 1001))
        per_second = self._rate.numerator
        self._unit = Fraction(1, per_second * -(-_CLOCK // per_second))  # divides a frame's time
        self._sound_of, self._warn = sound, warn
        self._stack = ExitStack()
        self._output: OutputContainer | None = None
        self._shape: tuple[int, ...] = ()
        self._count = 0
        self._stamp = -1
        self._colours = VideoReformatter()

    def __enter__(self) -> VideoWriter:
        self._temporary = self._stack.enter_context(replacing(self.path))
        return self

    def write(self, image: np.ndarray, time: float | None = None) -> None:
        """Append a frame, uint8 [H, W, 3] RGB, to be shown from `time` on, in seconds.

        Without a time it follows from how many frames were written. Times increase.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ValueError(
                f"image: expected uint8 [H, W, 3], got {image.dtype} {list(image.shape)}"
            )
        if self._output is None:
            self._shape = image.shape
            self._output = self._open()
        if image.shape != self._shape:
            raise ValueError(
                f"image: expected {list(self._shape)}, as the first frame, got {list(image.shape)}"
            )
        height, width = image.shape[:2]
        if height % 2 or width % 2:
            image = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image))
        time = self._count / self.fps if time is None else time
        self._stamp = max(self._stamp + 1, round(time / self._unit))
        frame.pts, frame.time_base = self._stamp, self._unit
        frame.duration = round(1 / self.fps / self._unit)  # counts for the last alone
        self._encode(self._output, frame)
        self._count += 1

    def __exit__(self, *error: Any) -> None:
        if error[0] is not None:
            self._stack.__exit__(*error)
            return
        with self._stack:
            if self._output is None:
                raise ValueError("no frame was written")
            self._encode(self._output, None)
            self._sound.mux(math.inf)
            with self._failures():
                self._output.close()

    def _open(self) -> OutputContainer:
        height, width = self._shape[:2]
        # FFmpeg is given an open file, so that any name will do.
        file = self._stack.enter_context(open_unnamed(self._temporary))

        # To put the index in front.
        def read_again(*_: object, signals_wait: bool = True) -> BinaryIO:
            file.flush()
            return open_unnamed(self._temporary)

        options = {"movflags": "+faststart"}
        output = av.open(FilmFile(file), "w", "mp4", container_options=options, io_open=read_again)
        self._stack.callback(_abandon, output)
        with self._failures():
            stream = output.add_stream("libx264", self._rate, _OPTIONS)
            stream.width, stream.height = width + width % 2, height + height % 2
            stream.pix_fmt = "yuv420p"
            context = stream.codec_context
            context.time_base = stream.time_base = self._unit
            context.colorspace = context.color_primaries = context.color_trc = _BT709
            context.color_range = _LIMITED
            context.open()
        self._stream = stream
        self._sound = self._stack.enter_context(Sound(self._sound_of, output, self._warn))
        return output

    def _encode(self, output: OutputContainer, frame: av.VideoFrame | None) -> None:
        if frame is not None:
            frame = self._colours.reformat(
                frame,
                format="yuv420p",
                dst_colorspace=Colorspace.ITU709,
                dst_color_range=ColorRange.MPEG,
                threads=1,
            )
        with self._failures():
            for packet in self._stream.encode(frame):
                self._sound.mux(float((packet.dts or 0) * self._unit))
                output.mux(packet)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Name the file where FFmpeg, or the system that it writes by, fails."""
        before = logged_errors()
        try:
            yield
        except av.FFmpegError as error:
            reason = explained(error, before)
            raise InputError(f"{self.path}: cannot be written: {reason}") from error


def _abandon(output: OutputContainer) -> None:
    """End what was not ended; its file is thrown away."""
    with suppress(Exception):
        output.close()
