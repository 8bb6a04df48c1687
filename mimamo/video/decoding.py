"""The frames of a film's video stream with their times, and where frames are missing."""

from __future__ import annotations

import math
from collections.abc import Iterator

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from mimamo.video.container import logged_errors, read_packets, start_of

_GAP = 1.5  # frames' durations from one frame to the next, beyond which one may be missing
_REORDERED = 16  # frames that a decoder may hold back
_BACK = 1.0  # seconds back, from which on another recording follows
_AHEAD = 30 * 3600.0  # seconds ahead that no film has nothing for


class Decoding:
    """One pass over a video stream: iterating gives each frame that decodes, and its time.

    Times are seconds since the container's start, as the container states them where they
    increase; others follow from the rate. What FFmpeg cannot decode is skipped.

    A rate alone proves no frame missing: rates may vary, and a header may announce anything. Only
    around a place where something is wrong a longer step in time is taken for a gap.

    Args:
        container, stream: what to decode.
        step: seconds from one frame to the next, on average.

    Attributes:
        gaps: the times of the frames before and after each place where frames are missing; 0.0
            before the first frame, infinity after the last. Complete after the pass.
        filled: whether a time was missing or did not increase.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, step: float) -> None:
        self.gaps: list[tuple[float, float]] = []
        self.filled = False
        self._container, self._stream, self._step = container, stream, step
        self._origin = start_of(container)
        self._time = -math.inf
        self._stamp = -math.inf  # of the last frame, in the stream's units, as all stamps
        self._read = -math.inf  # the highest of a packet so far
        self._lost: list[tuple[float, bool]] = []  # stamps, and whether that frame is lost for sure
        self._doubtful = 0  # for how many more frames a long step means a gap
        # One thread: a film takes little beside the networks, and decodes alike on every machine.
        stream.codec_context.thread_count = 1

    def __iter__(self) -> Iterator[tuple[VideoFrame, float]]:
        context = self._stream.codec_context
        packets = read_packets(self._container, self._stream, self._failed)
        ended = False
        while not ended:
            packet = next(packets, None)
            ended = packet is None
            before = logged_errors()
            try:
                frames = context.decode(packet)
            except av.FFmpegError:
                frames = []
                self._lost.append((self._stamp_of(packet), True))
            else:
                if packet is not None and packet.is_corrupt:
                    self._lost.append((self._stamp_of(packet), False))
            if logged_errors() != before:
                self._doubtful = _REORDERED
            if packet is not None:
                self._read = max(self._read, self._stamp_of(packet))
            for frame in frames:
                yield frame, self._next_time(frame)
        if self._is_cut() or any(stamp > self._stamp for stamp, _ in self._lost):
            self.gaps.append((max(self._time, 0.0), math.inf))

    def _failed(self) -> None:
        """The container cannot be read after the last packet."""
        self._lost.append((self._read + 0.5, False))
        self._doubtful = _REORDERED

    def _stamp_of(self, packet: av.Packet | None) -> float:
        if packet is None:
            return self._read
        return next((x for x in (packet.pts, packet.dts) if x is not None), self._read)

    def _next_time(self, frame: VideoFrame) -> float:
        last_stamp, last = self._stamp, self._time
        stamp = frame.pts if frame.pts is not None else frame.dts
        if stamp is not None:
            self._stamp = stamp
        self._time = self._increasing(stamp)
        step = self._time - max(last, 0.0) if last >= 0 else self._time
        passed = [(lost, sure) for lost, sure in self._lost if lost < self._stamp]
        self._lost = [(lost, sure) for lost, sure in self._lost if lost > self._stamp]
        sure = any(sure and lost > last_stamp for lost, sure in passed)
        doubtful = bool(passed) or self._doubtful > 0
        if sure or (doubtful and step > _GAP * self._step):
            self.gaps.append((max(last, 0.0), self._time))
        self._doubtful -= 1
        return self._time

    def _increasing(self, stamp: int | None) -> float:
        """The time of a frame, later than that of the last."""
        due = self._time + self._step if self._time >= 0 else 0.0
        if stamp is None or self._stream.time_base is None:
            self.filled = True
            return due
        time = float(stamp * self._stream.time_base) - self._origin
        first = self._time < 0
        if time > self._time and 0 <= time <= max(self._time, 0.0) + _AHEAD:
            return time
        if first or self._time - time > _BACK or time > self._time:
            self._origin += time - due  # what follows is counted from here
        self.filled = self.filled or not first
        return due

    def _is_cut(self) -> bool:
        """Whether the file's own index names places beyond its end."""
        size = self._container.size
        return any(entry.pos + entry.size > size for entry in self._stream.index_entries)
