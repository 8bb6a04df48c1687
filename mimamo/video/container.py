"""Opening films with FFmpeg: only files, only containers of films, and one line where it fails.

FFmpeg is given an open file, not a name: it can open nothing else, and any name a file can have
will do.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import av
import av.logging
from av.container import InputContainer
from av.stream import Discard, Stream

from mimamo.errors import InputError
from mimamo.files import MOST_PIXELS, open_file

# FFmpeg's names. It knows hundreds more, some of which follow links or render text.
_FORMATS = (
    "mov,mp4,matroska,webm,avi,mpegts,mpeg,mpegvideo,ogg,flv,asf,gif,mxf,yuv4mpegpipe,dv,ivf,nut,"
    "h264,hevc,m4v"  # raw streams, of cameras that write no container
)
_OPTIONS = {
    "format_whitelist": _FORMATS,
    "protocol_whitelist": "none",
    "max_pixels": str(MOST_PIXELS),
}
_MOST_FAILURES = 100  # on end, after which a file is taken to hold nothing more

# PyAV throws FFmpeg's messages away unless a level is set; at this one they are still not printed,
# but errors carry the last one, and are counted.
if av.logging.get_level() is None:
    av.logging.set_level(av.logging.PANIC)


@contextmanager
def open_film(path: str | os.PathLike[str]) -> Iterator[InputContainer]:
    """Open a film for reading.

    Raises InputError, naming the file, if it is none or cannot be read, be it here or in the block.
    """
    with open_file(path, None, "a video file") as file:
        if not os.fstat(file.fileno()).st_size:
            raise InputError(f"{path}: expected a video, but the file is empty")
        before = logged_errors()
        try:
            container = av.open(FilmFile(file), "r", options=_OPTIONS, metadata_errors="replace")
        except av.FFmpegError as error:
            raise InputError(
                f"{path}: expected a video, but it is damaged, cut short or something else"
                f" ({explained(error, before)})"
            ) from error
        with container:
            yield container


class FilmFile:
    """What FFmpeg is given of an open file: no name, and error numbers in the place of exceptions.

    Of a second exception in one of FFmpeg's calls PyAV prints the traceback.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.read, self.tell, self._seek, self._write = file.read, file.tell, file.seek, file.write

    def seek(self, offset: int, whence: int, *, signals_wait: bool = True) -> int:
        try:
            return self._seek(offset, whence)
        except (OSError, ValueError) as error:  # a full disk, or a senseless place
            return -(getattr(error, "errno", None) or errno.EINVAL)

    def write(self, data: bytes, *, signals_wait: bool = True) -> int:
        try:
            return self._write(data)
        except OSError as error:
            return -(error.errno or errno.EIO)


def read_packets(
    container: InputContainer, stream: Stream, failed: Callable[[], object]
) -> Iterator[av.Packet]:
    """Yield a stream's packets, going on after places that cannot be read; others are passed over.

    `failed` is called for each of those, and wherever FFmpeg reports an error though it goes on.
    """
    for other in container.streams:
        if other is not stream:
            other.discard = Discard.all
    failures = 0
    while failures < _MOST_FAILURES:
        before = logged_errors()
        try:
            for packet in container.demux(stream):
                if logged_errors() != before:
                    failed()
                if packet.size:  # an empty one would end the decoder
                    failures = 0
                    yield packet
                before = logged_errors()
            return
        except av.FFmpegError:
            failed()
            failures += 1
        except IndexError:  # of PyAV's at the end, where a stream appeared on the way
            return


def start_of(container: InputContainer) -> float:
    """The time, in seconds, that the container's stamps begin with."""
    return (container.start_time or 0) / av.time_base


def logged_errors() -> int:
    """How many errors FFmpeg has reported in this process so far."""
    return av.logging.get_last_error()[0]


def is_cut_short(before: int) -> bool:
    """Whether FFmpeg said since `before` that a Matroska file ends within an element.

    Of a short film it does so when it opens it, and not again when its packets are read.
    """
    count, last = av.logging.get_last_error()
    return count > before and last is not None and "ended prematurely" in last[2]


def explained(error: av.FFmpegError, before: int) -> str:
    """What an error means, in FFmpeg's words; `before` is what `logged_errors` gave before it."""
    log: Any = error.log  # level, part of FFmpeg, message
    said = " ".join(log[2].split()) if log and logged_errors() > before else ""
    if "whitelist" in said:
        return "a playlist, or another format that is not read"
    return said.rstrip(".") or error.strerror or str(error)


def codec_name(container: InputContainer, stream: Stream) -> str:
    """The name of a stream's codec, also of one that FFmpeg has no decoder for."""
    if stream.codec_context is not None:
        return stream.codec_context.name
    level = av.logging.get_level()
    av.logging.set_level(av.logging.INFO)  # what FFmpeg alone knows, it tells as a message
    try:
        with av.logging.Capture(local=False):
            listed = container.dumps_format()
    finally:
        av.logging.set_level(level)
    line = next((x for x in listed.splitlines() if f"Stream #0:{stream.index}" in x), "")
    name = line.partition("Video: ")[2].partition(",")[0].strip()
    if name.startswith("none"):  # FFmpeg has no name for it, but that in the file, if that has one
        name = name.removeprefix("none").strip(" ()").partition(" / ")[0]
    return name or "unknown"
