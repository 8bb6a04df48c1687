"""Reading a film as `mimamo predict` does: beside OpenCV's reader, and what takes the time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2

from benchmarks.paired_timing import Outcome, Side, compared, paired_timing
from benchmarks.rows import Row
from benchmarks.suites import Settings
from mimamo.video import VideoFrame, VideoReader
from mimamo.video.container import open_film

WORK = "a film's frames with their times, as RGB"
BEFORE = "OpenCV's reader, with FFmpeg's threads, times by the rate (before PyAV)"
ONE = "by one thread, as beside networks on a CPU"
DECODED = "the same, with pictures made of what is decoded"
THREADS = (2, 4)


class OpenCVFilm:
    """A film as it was read before PyAV: all that `mimamo.predict.pipeline.observe` asks for."""

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, path.stem
        self.warnings: list[str] = []
        self.missing, self.frame_count = None, None
        self.gaps: list[tuple[float, float]] = []

    def __iter__(self) -> Iterator[VideoFrame]:
        capture = cv2.VideoCapture(str(self.path))
        step, index = 1 / capture.get(cv2.CAP_PROP_FPS), 0
        while (decoded := capture.read())[0]:
            image = cv2.cvtColor(decoded[1], cv2.COLOR_BGR2RGB)
            yield VideoFrame(index, index * step, image)
            index += 1
        capture.release()


def rows(settings: Settings, video: Path, frames: int) -> list[Row]:
    """The rows of one film of so many frames."""
    settings.tell("predict: reading the film alone")
    sides = {
        "ours": Side(_pass(lambda: VideoReader(video))),
        "opencv": Side(_pass(lambda: OpenCVFilm(video))),
        "decoded": Side(lambda: _decoded(video)),
        **{
            f"threads{count}": Side(_pass(lambda n=count: VideoReader(video, threads=n)))
            for count in THREADS
        },
    }
    found = paired_timing(sides, settings.threads, settings.slow_budget)
    size = f"{frames} frames"

    def row(name: str, peer: str, **options: str) -> Row:
        rate = frames / _median(found[name])
        beside = frames / _median(found[peer])
        note = f"{options['work']}: {rate:.0f} frames/s, {options['against']}: {beside:.0f}"
        return compared(found[name], found[peer], size=size, note=note, **options)

    decoding = {"id": "predict/reading/decoding", "work": "decoding a film"}
    found_rows = [
        row("ours", "opencv", id="predict/reading", work=WORK, against=BEFORE),
        row("decoded", "ours", against=DECODED, **decoding),
    ]
    for count in THREADS:
        work, name = f"{WORK}, decoded by {count} threads", f"predict/reading/threads-{count}"
        found_rows.append(row(f"threads{count}", "ours", id=name, work=work, against=ONE))
    return found_rows


def repeated(film: Path, path: Path, times: int) -> None:
    """Write a film that is `film` so many times over, as it is encoded."""
    with av.open(str(path), "w") as output:
        stream = None
        for number in range(times):
            with av.open(str(film)) as container:
                video = container.streams.video[0]
                stream = stream or output.add_stream_from_template(video)
                shift = number * video.duration
                for packet in container.demux(video):
                    if packet.dts is None:
                        continue
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = stream
                    output.mux(packet)


def _pass(film: Callable[[], VideoReader | OpenCVFilm]) -> Callable[[], int]:
    return lambda: sum(1 for _ in film())


def _decoded(path: Path) -> int:
    with open_film(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        return sum(1 for _ in container.decode(stream))


def _median(outcome: Outcome) -> float:
    assert outcome.measured
    return outcome.measured.median
