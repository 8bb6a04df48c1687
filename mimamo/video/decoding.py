"""The frames of a film's video stream with their times, and where frames are missing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from mimamo.files import MOST_PIXELS
from mimamo.video.container import logged_errors, read_packets, start_of

_GAP = 1.5  # frames' durations from one frame to the next, beyond which one may be missing
_REORDERED = 8  # frames that a decoder may hold back, as good as ever
_APART = 1e-6  # seconds that two times have between them at least, as tables have six decimals
BACK = 1.0  # seconds back, from which on another recording follows
AHEAD = 3600.0  # seconds ahead that no film has nothing for
_PROBED = 5_000_000  # bytes that FFmpeg reads at most to find out what a film is


class DoubtfulFilmError(Exception):
    """Something is wrong with a film that several threads decode; one alone can tell where."""


class Decoding:
    """One pass over a video stream: iterating gives each frame that decodes, and its time.

    Times are seconds since the container's start, as the container states them where they
    increase; others follow from the rate. What FFmpeg cannot decode is skipped.

    A rate alone proves no frame missing: rates may vary, and a header may announce anything. Only
    around a place where something is wrong a longer step in time is taken for a gap.

    Args:
        container, stream: what to decode.
        step: seconds from one frame to the next, on average.
        doubtful: whether FFmpeg reported errors when it opened the container.
        cut: whether one was that the file ends too soon.
        threads: that decode frames. More than one give the same frames, but where something is
            wrong they do not tell where: then iterating raises DoubtfulFilmError. To be closed.

    Attributes:
        gaps: the times of the frames before and after each place where frames are missing; 0.0
            before the first frame, infinity after the last. Complete after the pass.
        filled: whether a time was missing or did not increase.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        step: float,
        doubtful: bool,
        cut: bool = False,
        threads: int = 1,
    ) -> None:
        self.gaps: list[tuple[float, float]] = []
        self.filled = False
        self._container, self._stream = container, stream
        self._step = self._shortest = step
        self._doubtful_start = doubtful
        self._origin = start_of(container)
        self._time = -math.inf
        self._unstamped = True  # whether no frame had a stamp so far
        self._stamp = -math.inf  # of the last frame, in the stream's units, as all stamps
        self._read = -math.inf  # the highest of a packet so far
        # Stamps, and whether that frame is lost for sure; what the end of the file would have had.
        self._lost: list[tuple[float, bool]] = [(math.inf, False)] if cut else []
        self._doubtful = 0  # for how many more frames a long step means a gap
        self._place = -1  # in the file, of the packet furthest on, and when that is decoded
        self._due = -math.inf
        self._is_guessed: bool | None = None  # whether stamps follow from the order of decoding
        self._torn = False  # whether the last packet is not whole
        self._several = threads > 1
        self._errors = logged_errors()
        if self._several:
            stream.codec_context.thread_type = "FRAME"
        stream.codec_context.thread_count = threads
        stream.codec_context.options = {"max_pixels": str(MOST_PIXELS)}

    def __iter__(self) -> Iterator[tuple[VideoFrame, float]]:
        packets = read_packets(self._container, self._stream, self._failed)
        for packet in chain(packets, [None]):
            frames = self._decoded(packet)
            if self._several and self._is_doubtful():
                raise DoubtfulFilmError
            for frame in frames:
                yield frame, self._next_time(frame)
        if self._is_cut() or any(stamp > self._stamp for stamp, _ in self._lost):
            self.gaps.append((max(self._time, 0.0), math.inf))

    def close(self) -> None:
        """Wait for FFmpeg's threads; no frame follows.

        One that had an error to report while the decoder is freed would wait for Python's lock, and
        who frees it, with the lock, for the thread.
        """
        if self._several:
            self._stream.codec_context.flush_buffers()

    def _decoded(self, packet: av.Packet | None) -> list[VideoFrame]:
        """The frames that a packet completes; None for those that are left."""
        stamps = () if packet is None else (packet.pts, packet.dts)
        known = [float(stamp) for stamp in stamps if stamp is not None]
        stamp = known[0] if known else self._read
        self._read = max(self._read, *known) if known else self._read
        before = logged_errors()
        frames: list[VideoFrame] = []
        try:
            frames = self._stream.codec_context.decode(packet)
        except av.FFmpegError:
            self._lost.append((stamp, True))
        if packet is not None:
            if self._is_guessed is None:
                self._is_guessed = _is_guessed(packet, self._stream.start_time)
            if (packet.pos or -1) >= self._place:
                self._place = packet.pos or -1
                self._due = self._due if packet.dts is None else packet.dts
            self._torn = packet.is_corrupt
            if self._torn:
                self._lost.append((stamp, False))
            if self._doubtful_start and (packet.pos or 0) < _PROBED:
                self._doubtful = max(self._doubtful, 1)
        if logged_errors() != before:
            self._doubtful = _REORDERED
        return frames

    def _is_doubtful(self) -> bool:
        return bool(self._lost) or self._doubtful_start or logged_errors() != self._errors

    def _failed(self) -> None:
        """The container cannot be read after the last packet."""
        self._lost.append((self._read + 0.5, False))
        self._doubtful = _REORDERED

    def _next_time(self, frame: VideoFrame) -> float:
        last_stamp, last = self._stamp, self._time
        stamp = frame.dts if self._is_guessed else self.stamp(frame)
        if stamp is not None:
            self._stamp = stamp
        self._time = self._increasing(stamp)
        step = self._time - max(last, 0.0) if last >= 0 else self._time
        passed = [(lost, sure) for lost, sure in self._lost if lost < self._stamp]
        self._lost = [(lost, sure) for lost, sure in self._lost if lost > self._stamp]
        sure = any(sure and lost > last_stamp for lost, sure in passed)
        doubtful = bool(passed) or self._doubtful > 0
        self._doubtful -= 1
        if step > _GAP * (self._shortest if sure else self._step) and (sure or doubtful):
            self.gaps.append((max(last, 0.0), self._time))
            self._doubtful = 0
        elif last >= 0:
            self._shortest = min(self._shortest, step)
        return self._time

    @staticmethod
    def stamp(frame: VideoFrame) -> int | None:
        """When a frame is due, in the stream's units; some containers do not say."""
        return frame.pts if frame.pts is not None else frame.dts

    def _increasing(self, stamp: int | None) -> float:
        """The time of a frame, later than that of the last."""
        begins = self._time < 0
        due = 0.0 if begins else self._time + self._step
        if stamp is None or self._stream.time_base is None:
            self.filled = True
            return due
        if begins and self._is_guessed:  # so many later than the first packet
            self._origin += float((stamp - (self._stream.start_time or 0)) * self._stream.time_base)
        time = float(stamp * self._stream.time_base)
        first, self._unstamped = self._unstamped, False
        if first and self._container.start_time is None:  # a raw stream counts from anywhere
            self._origin = time
        time -= self._origin
        if time > self._time + _APART and 0 <= time <= max(self._time, 0.0) + AHEAD:
            return time
        if first or self._time - time > BACK or time > self._time:
            self._origin += time - due  # what follows is counted from here
        self.filled = self.filled or not begins
        return due

    def _is_cut(self) -> bool:
        """Whether the last packet is torn, or the file's own index names others after it.

        What it names at the last one's time is no frame: FLV says so that H.264 ends.
        """
        return self._torn or any(
            (entry.pos > self._place >= 0 and entry.timestamp > self._due)
            or entry.timestamp > self._read
            for entry in self._stream.index_entries
        )


def _is_guessed(first: av.Packet, start: int | None) -> bool:
    """Whether a stream's packets have no times of when to show them, by its first.

    As in AVI. Then FFmpeg takes the order of decoding for that of showing, which is wrong for
    frames that wait for others; that of the packet by which a frame comes is right.
    """
    if start is None or first.pts is None:
        return False
    return first.dts == start and first.pts > start
