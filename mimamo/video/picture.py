"""From decoded frames to pictures as they are shown: progressive, square pixels, upright."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

_LONGEST = 16384  # pixels of a side; what would make it longer is damaged
_SMALLEST = 4  # that can be deinterlaced
_UPRIGHT = 1, 0, 0, 1  # a display matrix


def progressive(frames: Iterable[tuple[VideoFrame, float]]) -> Iterator[tuple[VideoFrame, float]]:
    """Pass frames on with their times, one for one, those that are interlaced deinterlaced."""
    graph, kind = None, None
    times: deque[float] = deque()
    for frame, time in frames:
        wanted = (frame.width, frame.height, frame.format.name)
        if graph is not None and wanted != kind:
            yield from _drained(graph, times)
            graph = None
        small = min(frame.width, frame.height) < _SMALLEST
        if graph is None and (small or not frame.interlaced_frame):
            yield frame, time
            continue
        if graph is None:
            graph, kind = _deinterlacer(frame), wanted
        times.append(time)
        graph.vpush(frame)
        yield from _ready(graph, times)
    if graph is not None:
        yield from _drained(graph, times)


def _deinterlacer(frame: VideoFrame) -> Graph:
    graph = Graph()
    graph.threads = 1
    source = graph.add_buffer(
        width=frame.width,
        height=frame.height,
        format=frame.format,
        time_base=frame.time_base or Fraction(1, 1000),
    )
    # From then on every frame goes through, but progressive ones come out as they are.
    bwdif = graph.add("bwdif", "mode=send_frame:deint=interlaced")
    graph.link_nodes(source, bwdif, graph.add("buffersink")).configure()
    return graph


def _ready(graph: Graph, times: deque[float]) -> Iterator[tuple[VideoFrame, float]]:
    while times:
        try:
            frame = graph.vpull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        yield frame, times.popleft()


def _drained(graph: Graph, times: deque[float]) -> Iterator[tuple[VideoFrame, float]]:
    graph.vpush(None)
    yield from _ready(graph, times)


class Pictures:
    """Turns a stream's frames into uint8 [H, W, 3] RGB.

    Pixels that are not square are made so by stretching the picture, so that nothing is lost. Their
    shape is what the container says, until the codec says that it changes.
    """

    def __init__(self, stream: VideoStream) -> None:
        self._stream = stream
        self._coded: Fraction | None = None  # width of the first pixels by their height
        self._reformatter = VideoReformatter()  # it keeps its tables
        self._angle = 0
        self._matrix: tuple[int, int, int, int] | None = None

    def turn(self, frame: VideoFrame) -> bool:
        """Take the next frame, shown or not; whether it is turned otherwise than the one before.

        A codec may say it in key frames alone, of all up to the next one (H.264's messages).
        """
        angle, before = _angle(frame), self._matrix
        if before is None:
            self._coded = self._stream.codec_context.sample_aspect_ratio
        if before is None or (angle != self._angle and (angle or frame.key_frame)):
            # Looked at only where it changes: a frame whose side data were is not freed at once.
            self._angle, self._matrix = angle, _matrix(frame)
        return before is not None and self._matrix != before

    def __call__(self, frame: VideoFrame) -> np.ndarray:
        """The picture of the frame that was taken last."""
        coded = self._stream.codec_context.sample_aspect_ratio
        changed = coded and coded != self._coded
        pixel = (coded if changed else self._stream.sample_aspect_ratio) or 1
        width, height = frame.width, frame.height
        if pixel > 1:
            width = round(width * pixel)
        elif 0 < pixel < 1:
            height = round(height / pixel)
        if max(width, height) > _LONGEST:
            width, height = frame.width, frame.height
        # Not in several threads, which would take the cores from the networks.
        shown = self._reformatter.reformat(
            frame, width, height, "rgb24", interpolation="BICUBIC", threads=1
        )
        return self._turned(shown.to_ndarray())

    def _turned(self, image: np.ndarray) -> np.ndarray:
        """`image` as the display matrix asks, to the nearest right angle."""
        a, b, c, d = self._matrix or _UPRIGHT
        across, down = a, d
        if abs(a) + abs(d) < abs(b) + abs(c):
            image, across, down = cv2.transpose(image), c, b
        if across < 0 or down < 0:
            image = cv2.flip(image, -1 if across < 0 and down < 0 else int(across < 0))
        return np.ascontiguousarray(image)


def is_upright(frame: VideoFrame) -> bool:
    """Whether a frame is shown as it is stored, neither turned nor mirrored."""
    a, b, c, d = _matrix(frame)
    return a > 0 and d > 0 and b == c == 0


def _angle(frame: VideoFrame) -> int:
    """Degrees by which a frame is to be turned against the clock."""
    try:
        return frame.rotation
    except ValueError:  # a matrix of zeros
        return 0


def _matrix(frame: VideoFrame) -> tuple[int, int, int, int]:
    """(a, b, c, d) of a frame's display matrix: a point (x, y) is shown at (ax + cy, bx + dy)."""
    try:
        matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # there is something beside it that PyAV has no name for
        cos, sin = [(1, 0), (0, 1), (-1, 0), (0, -1)][round(_angle(frame) / 90) % 4]
        return cos, -sin, sin, cos
    if matrix is None:
        return _UPRIGHT
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
    return a, b, c, d
