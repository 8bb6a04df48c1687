"""A film's sound, taken over into another film as that one is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer

from mimamo.progress import Report
from mimamo.video.container import open_film, read_packets, start_of

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
    if sound.codec_context.name in _COPIED:
        stream = output.add_stream_from_template(sound)
        return _copied(read, shift, stream)
    layout = "mono" if sound.codec_context.channels == 1 else "stereo"
    return _encoded(read, shift, sound, output.add_stream("aac", _RATE, layout=layout))


def _copied(packets: Iterator[av.Packet], shift: int, stream: AudioStream) -> Packets:
    last = None
    for packet in packets:
        if packet.is_corrupt or packet.dts is None or (last is not None and packet.dts <= last):
            continue
        last = packet.dts
        pts = packet.dts if packet.pts is None else packet.pts
        packet.dts -= shift
        packet.pts = max(pts - shift, packet.dts)
        packet.stream = stream
        yield float(packet.dts * packet.time_base), packet


def _encoded(
    packets: Iterator[av.Packet], shift: int, sound: AudioStream, stream: AudioStream
) -> Packets:
    last = None
    for packet in packets:
        try:
            frames = sound.codec_context.decode(packet)
        except av.FFmpegError:
            continue  # a damaged place is silent
        for frame in frames:
            if frame.pts is None or (last is not None and frame.pts <= last):
                continue
            last = frame.pts
            frame.pts -= shift
            yield from _due(stream.encode(frame))
    yield from _due(stream.encode(None))


def _due(packets: list[av.Packet]) -> Packets:
    for packet in packets:
        yield float((packet.dts or 0) * packet.time_base), packet
