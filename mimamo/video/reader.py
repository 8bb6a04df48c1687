"""Reading the frames of a video file, with their times, through FFmpeg."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from mimamo.errors import InputError
from mimamo.progress import counted
from mimamo.video.container import (
    codec_name,
    explained,
    is_cut_short,
    logged_errors,
    open_film,
)
from mimamo.video.decoding import Decoding, DoubtfulFilmError
from mimamo.video.folder import MOST_FRAMES
from mimamo.video.gaps import Gap, gaps_in_words
from mimamo.video.picture import Pictures, progressive

ASSUMED_FPS = 30.0
_HIGHEST_FPS = 500.0  # some containers state their clock (1000, 90000) instead of a frame rate


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """One frame: its number from 0, its time in seconds and its pixels, uint8 [H, W, 3] RGB."""

    index: int
    time: float
    image: np.ndarray


class VideoReader:
    """The frames of one video file, in order; iterate as often as needed.

    Pictures are as they are shown: upright, with square pixels, deinterlaced. Each has a size of
    its own, as it may change within a file. What cannot be decoded is skipped.

    Attributes:
        path, name: the file, and its name without folder and suffix.
        size: (width, height) in pixels of the first frame, as shown.
        fps: frames per second on average, as the file states it, 30 if it does not; after a whole
            pass, as its frames came.
        frame_count: how many frames the container announces, or None. Only a claim.
        gaps: the times of the frames before and after each place where frames are missing; 0 before
            the first frame, infinity after the last. Each is there when the frame after it comes.
        size_changes: after a whole pass, whether not all frames have the size, and the turn, of the
            first.
        warnings: one line for each other thing about the file that a user should know.

    Frame times are seconds from the container's start. They are the container's where they
    increase, otherwise they follow from `fps`.

    Args:
        path: the file.
        threads: of FFmpeg, that decode frames. What is read does not depend on it: where something
            is wrong with the film, one goes on alone.

    Raises InputError for a path that is missing, a folder, an empty file, something else than a
    video, or a video of which no frame can be decoded.
    """

    def __init__(self, path: str | os.PathLike[str], *, threads: int = 1) -> None:
        self.path = Path(path)
        self._threads = threads
        self.name = self.path.stem
        self.gaps: list[Gap] = []
        self.size_changes = False
        self.warnings: list[str] = []
        self._pass: Generator[VideoFrame, None, None] | None = None
        with open_film(self.path) as container:
            streams = [x for x in container.streams.video if not _is_cover(x)]
            if not streams:
                raise InputError(f"{self.path}: expected a video, found no pictures that move")
            known = [_Facts.of(x) for x in streams if x.codec_context is not None]
            if not known:
                names = ", ".join(codec_name(container, stream) for stream in streams)
                raise InputError(f"{self.path}: FFmpeg has no decoder here for its codec, {names}")
        for self._facts in known:
            self.fps, self.frame_count = self._facts.fps or ASSUMED_FPS, self._facts.frame_count
            with closing(self._frames()) as frames:
                first = next(frames, None)
            if first is not None:
                break
        else:
            raise InputError(f"{self.path}: expected a video with frames; none can be decoded")
        if len(streams) > 1:
            self._warn(
                f"has {counted(len(streams), 'video stream')}; the first that decodes is used"
            )
        self.size = (first.image.shape[1], first.image.shape[0])

    @property
    def missing(self) -> str | None:
        """After a whole pass, where frames are missing, in one line; None if none are."""
        return f"{self.path}: frames missing {gaps_in_words(self.gaps)}" if self.gaps else None

    def __iter__(self) -> Iterator[VideoFrame]:
        """Read from the first frame on; a new iteration ends one that is still under way."""
        return self.taken(lambda time: True)

    def taken(self, wanted: Callable[[float], bool]) -> Iterator[VideoFrame]:
        """As iterating over it, but only frames whose time is `wanted`.

        It is asked of one frame after the other. The others are decoded and not made pictures of.
        """
        self.close()
        self._pass = self._frames(wanted, self._threads)
        return self._pass

    def close(self) -> None:
        """Let go of the file, which ends an iteration. The next one opens it again."""
        if self._pass is not None:
            self._pass.close()
            self._pass = None

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _frames(
        self, wanted: Callable[[float], bool] = lambda time: True, threads: int = 1
    ) -> Generator[VideoFrame, None, None]:
        self._passed = 0
        try:
            for count in (threads, 1):
                before = logged_errors()
                with open_film(self.path) as container, suppress(DoubtfulFilmError):
                    found = logged_errors() > before, is_cut_short(before)
                    yield from self._decoded(container, *found, wanted, count)
                    return
        except av.FFmpegError as error:
            raise InputError(f"{self.path}: FFmpeg fails: {explained(error, before)}") from error

    def _decoded(
        self,
        container: InputContainer,
        doubtful: bool,
        cut: bool,
        wanted: Callable[[float], bool],
        threads: int,
    ) -> Generator[VideoFrame, None, None]:
        stream = container.streams.video[self._facts.place]
        step = 1 / (self._facts.fps or ASSUMED_FPS)
        picture = Pictures(stream)
        times: list[float] = []  # of the first and the last
        shown: np.ndarray | None = None
        index, turned = -1, False
        with closing(Decoding(container, stream, step, doubtful, cut, threads)) as decoding:
            self.gaps = decoding.gaps
            for index, (decoded, time) in enumerate(progressive(decoding)):
                times[1:] = [time]
                is_new = index >= self._passed  # else several threads gave it
                self._passed = max(self._passed, index + 1)
                turned = picture.turn(decoded) or turned
                if is_new and not wanted(time):
                    continue
                image = picture(decoded)
                if shown is not None and (turned or image.shape != shown.shape):
                    self._warn_of_change(shown, image, time)
                shown, turned = image, False
                if is_new:
                    yield VideoFrame(index, time, image)
            if times:
                self._conclude(decoding, index, times[-1] - times[0])

    def _conclude(self, decoding: Decoding, steps: int, seconds: float) -> None:
        """What a whole pass has shown."""
        if decoding.filled and not self._facts.fps:
            self._warn(
                f"has frames without times and no frame rate; {ASSUMED_FPS:g} a second assumed"
            )
        elif steps:
            self.fps = steps / seconds

    def _warn_of_change(self, before: np.ndarray, after: np.ndarray, time: float) -> None:
        if self.size_changes:
            return
        self.size_changes = True
        was, now = (f"{image.shape[1]}x{image.shape[0]}" for image in (before, after))
        how = "turns" if was == now else f"size changes from {was} to {now}"
        self._warn(f"the picture {how} at {time:.1f} s")

    def _warn(self, message: str) -> None:
        line = f"{self.path}: {message}"
        if line not in self.warnings:
            self.warnings.append(line)


@dataclass(frozen=True)
class _Facts:
    """What a file states of a video stream: its place among them, its average rate, its length."""

    place: int
    fps: float | None
    frame_count: int | None

    @classmethod
    def of(cls, stream: VideoStream) -> _Facts:
        rates = (float(x) for x in (stream.average_rate, stream.guessed_rate) if x is not None)
        return cls(
            stream.container.streams.video.index(stream),
            next((rate for rate in rates if 0 < rate <= _HIGHEST_FPS), None),
            stream.frames if 0 < stream.frames <= MOST_FRAMES else None,
        )


def _is_cover(stream: VideoStream) -> bool:
    """Whether a stream is one picture, such as the cover of a record."""
    return bool(stream.disposition & Disposition.attached_pic)
