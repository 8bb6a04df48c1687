"""A film that browsers play: the file itself where they do, or a copy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mimamo.progress import Report, silent
from mimamo.video import AlignedFolder, VideoReader, VideoWriter
from mimamo.video.container import open_film, start_of
from mimamo.video.letterbox import letterbox
from mimamo.video.picture import is_upright

if TYPE_CHECKING:
    from av.container import InputContainer

    from mimamo.video import Film

_LARGEST_FILE = 64 << 20  # bytes that are embedded as they are
_LONGEST_SIDE = 960  # pixels of a copy
_UNEVEN = 2.0  # times the usual step from frame to frame, beyond which one is long
_LATE = 1e-3  # seconds after 0 at which a film may begin: browsers count them, the tables do not
# What browsers play everywhere: by container, the codecs of picture and sound.
_PLAYED = {
    "mp4": ({"h264"}, {"aac", "mp3"}),
    "webm": ({"vp8", "vp9", "libvpx", "libvpx-vp9"}, {"opus", "vorbis"}),
}


@dataclass(frozen=True, eq=False)
class PlayableFilm:
    """A film for a page.

    Attributes:
        path: a file that browsers play.
        size: its (width, height) in pixels.
        scale, shift: float64 ``[T, 2]``, along x and y: what is at ``p`` in a frame of the video is
            shown at ``scale * p + shift``.
    """

    path: Path
    size: tuple[int, int]
    scale: np.ndarray
    shift: np.ndarray


def write_playable(
    copy: Path, video: Film, times: np.ndarray, warn: Report = silent
) -> PlayableFilm:
    """Return the film of `video` for a page: its own file, or `copy`, which is written then.

    A copy is H.264 with the frames' `times` and the sound, its longer side 960 pixels at most. One
    is made of pictures in a folder, of a thinned film, whose frames stay until the next that is
    taken, of what not all browsers play as it is shown here (other codecs, turned, interlaced,
    transparent or damaged films, pixels that are not square, stamps that do not begin at 0,
    reordered frames that come unevenly), of pictures of several sizes, and of files above 64 MiB.
    Where the size changes, pictures are fitted into the first one's, with black beside them. A
    frame without an aligned face is grey.

    `video` has been read to its end. Raises InputError if the film can no longer be read, or
    `copy`, an ``.mp4``, not be written.
    """
    scale, shift = np.ones((len(times), 2)), np.zeros((len(times), 2))
    if (
        isinstance(video, VideoReader)
        and not (video.missing or video.size_changes)
        and _is_played(video.path, times)
    ):
        return PlayableFilm(video.path, video.size, scale, shift)
    sound = video.path if video.path.is_file() else None
    width, height = _shrunk(*video.size)
    with VideoWriter(copy, video.fps, sound=sound, warn=warn) as writer:
        for index, (image, time) in enumerate(_pictures(video, times)):
            shown = np.zeros((height, width, 3), np.uint8)
            scale[index], shift[index] = letterbox(shown, image)
            writer.write(shown, time)
    return PlayableFilm(copy, (width + width % 2, height + height % 2), scale, shift)


def _is_played(path: Path, times: np.ndarray) -> bool:
    kind = path.suffix.lower().removeprefix(".")
    codecs = _PLAYED.get(kind)
    if codecs is None or os.stat(path).st_size > _LARGEST_FILE:
        return False
    with open_film(path) as container:
        streams = container.streams
        return (
            kind in container.format.name.split(",")  # not by its name alone
            and len(streams.video) == 1
            and all(x.codec_context and x.codec_context.name in codecs[0] for x in streams.video)
            and all(x.codec_context and x.codec_context.name in codecs[1] for x in streams.audio)
            and start_of(container) < _LATE
            and _is_shown_as_stored(container)
            and not (streams.video[0].codec_context.has_b_frames and _is_uneven(times))
        )


def _is_shown_as_stored(container: InputContainer) -> bool:
    """Whether the first picture is neither turned, stretched, interlaced, nor of another depth.

    Nor transparent, which FFmpeg's own decoders of VP8 and VP9 pass over.
    """
    stream = container.streams.video[0]
    frame = next(container.decode(stream), None)
    return (
        frame is not None
        and stream.metadata.get("alpha_mode", "0") == "0"
        and stream.sample_aspect_ratio in (None, 1)
        and not frame.interlaced_frame
        and is_upright(frame)
        and frame.format.name in ("yuv420p", "yuvj420p")
    )


def _is_uneven(times: np.ndarray) -> bool:
    """Whether some frames are shown much longer than most.

    Where frames are not stored in the order they are shown in, an MP4 gives such a time to another
    frame, and Chromium, going to one after it, shows that instead.
    """
    steps = np.diff(times)
    return len(steps) > 0 and bool(steps.max() > _UNEVEN * np.median(steps))


def _shrunk(width: int, height: int) -> tuple[int, int]:
    scale = min(1.0, _LONGEST_SIDE / max(width, height))
    return max(round(width * scale), 1), max(round(height * scale), 1)


def _pictures(video: Film, times: np.ndarray) -> Iterator[tuple[np.ndarray, float]]:
    """Every frame's picture and time."""
    if not isinstance(video, AlignedFolder):
        # strict=False: a file that grew since its first reading ends with its predictions.
        for frame, time in zip(video, times, strict=False):
            yield frame.image, float(time)
        return
    grey = np.full((*video.size[::-1], 3), 128, np.uint8)
    for index, time in enumerate(times):
        yield (video.read(index + 1) if index + 1 in video.images else grey), float(time)
