"""A film's sound, taken over into another film as that one is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer

from mimamo.progress import Report
from mimamo.video.container import open_film, read_packets, start_of
from mimamo.video.decoding import AHEAD, BACK

_COPIED = ("aac", "mp3", "mp3float", "opus", "libopus", "flac")  # what browsers play in an MP4
_RATE = 48000  # samples a second of what is encoded again

Packets = Iterator[tuple[float, av.Packet]]  # with the seconds at which they are due, in order


class Sound:
    """The first sound of a film, as a stream of `output`; a context manager.

    What browsers play in an MP4 is copied, all else is encoded as AAC. It is read as it is
    written, so little of it is in memory. Nothing is done without a film, or for a silent one;
    `warn` is called with a line where a film's sound, or the rest of it, has to be left out.
    """

    def __init__(self, film: Path | None, output: OutputContainer, warn: Report) -> None:
        self._film, self._output, self._warn = film, output, warn
        self._stack = ExitStack()
        self._packets: Packets = iter(())
        self._next: tuple[float, av.Packet] | None = None

    def __enter__(self) -> Sound:
        if self._film is None:
            return self
        container = self._stack.enter_context(open_film(self._film))
        streams = [x for x in container.streams.audio if x.codec_context is not None]
        if streams:
            self._packets = _packets(container, streams[0], self._output)
            self._advance()
        elif container.streams.audio:
            self._leave_out("no decoder for its codec")
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def mux(self, until: float) -> None:
        """Write what is due up to a time in seconds."""
        while self._next is not None and self._next[0] <= until:
            try:
                self._output.mux(self._next[1])
            except av.FFmpegError as error:
                self._leave_out(error.strerror)
            else:
                self._advance()

    def _advance(self) -> None:
        try:
            self._next = next(self._packets, None)
        except (av.FFmpegError, OSError, ValueError) as error:
            self._leave_out(getattr(error, "strerror", None) or error)

    def _leave_out(self, reason: object) -> None:
        at = "" if self._next is None else f" from {self._next[0]:.1f} s on"
        self._next = None
        self._warn(f"{self._film}: its sound is left out{at}: {reason}")


def _packets(container: InputContainer, sound: AudioStream, output: OutputContainer) -> Packets:
    """Add a stream for `sound` to `output`, and give its packets, counted from the film's start."""
    shift = round(start_of(container) / sound.time_base) if sound.time_base else 0
    read = read_packets(container, sound, lambda: None)
    stamps = _Stamps(shift, sound.time_base or Fraction(1))
    if sound.codec_context.name in _COPIED:
        return _copied(read, stamps, output.add_stream_from_template(sound))
    layout = "mono" if sound.codec_context.channels == 1 else "stereo"
    return _encoded(read, stamps, sound, output.add_stream("aac", _RATE, layout=layout))


class _Stamps:
    """Stamps less `shift`, as far as they increase, in units of so many seconds.

    Where another recording follows, they go on, as those of its pictures do (`Decoding`).
    """

    def __init__(self, shift: int, unit: Fraction) -> None:
        self._shift, self._unit = shift, unit
        self._last: int | None = None
        self._next = 0

    def __call__(self, stamp: int | None, duration: int | None) -> int | None:
        """What becomes of a stamp; None of one that does not increase."""
        if stamp is None:
            return None
        stamp -= self._shift
        if self._last is not None:
            step = float((stamp - self._last) * self._unit)
            if not -BACK <= step <= AHEAD:
                self._shift += stamp - self._next
                stamp = self._next
            if stamp <= self._last:
                return None
        self._last, self._next = stamp, stamp + max(duration or 0, 1)
        return stamp


def _copied(packets: Iterator[av.Packet], stamps: _Stamps, stream: AudioStream) -> Packets:
    for packet in packets:
        due = None if packet.is_corrupt else stamps(packet.dts, packet.duration)
        if due is None or packet.dts is None:
            continue
        later = 0 if packet.pts is None else max(packet.pts - packet.dts, 0)
        packet.dts, packet.pts = due, due + later
        packet.stream = stream
        yield float(packet.dts * packet.time_base), packet


def _encoded(
    packets: Iterator[av.Packet], stamps: _Stamps, sound: AudioStream, stream: AudioStream
) -> Packets:
    for packet in packets:
        try:
            frames = sound.codec_context.decode(packet)
        except av.FFmpegError:
            continue  # a damaged place is silent
        for frame in frames:
            due = stamps(frame.pts, frame.duration)
            if due is None:
                continue
            frame.pts = due
            yield from _due(stream.encode(frame))
    yield from _due(stream.encode(None))


def _due(packets: list[av.Packet]) -> Packets:
    for packet in packets:
        yield float((packet.dts or 0) * packet.time_base), packet
