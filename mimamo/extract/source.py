"""What a cached video was made of, and whether it has changed since.

Contents decide (`fingerprint`), but are read again only where a file looks different than it did
(`stamp`).
"""

from __future__ import annotations

import errno
import hashlib
import os
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

from mimamo.data.cached_video import CachedVideo
from mimamo.data.dataset import DatasetVideo, Problems
from mimamo.errors import InputError
from mimamo.extract.feature_files import files_at
from mimamo.files import MOST_TEXT, file_hash, read_bytes, unreadable
from mimamo.threads import pool_of
from mimamo.video import VideoReader, is_numbered_image

_READERS = 4  # threads that read images
_FAILING = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT)  # what a disk or a server says
_TICK = 0.05  # seconds, more than one of a file system's clock
_PATIENCE = 20  # ticks to wait for a folder in which files still change


def announced_frames(video: DatasetVideo, problems: Problems | None = None) -> int | None:
    """How many frames the video announces that aligned faces were cut from; None if unknown.

    A video that cannot be read is a problem; the faces are there without it.
    """
    if video.recording is None or not video.source.is_dir():
        return None
    try:
        return VideoReader(video.recording).frame_count
    except InputError as error:
        if problems is not None:
            problems.add(f"{error}; the last image of {video.source} counts as its last frame")
        return None


def stamp(video: DatasetVideo) -> str:
    """SHA-256 over the labels' text and each file's name, size and times of change.

    One of these times no program can set, so that equal stamps mean equal contents. Raises
    InputError if labels or folder cannot be read.
    """
    beside = [str(video.recording)] if video.recording is not None and video.source.is_dir() else []
    for _ in range(_PATIENCE):
        digest, newest = hashlib.sha256(_labels(video)), 0.0
        for path in _files(video) + beside:
            times, changed = times_of(path)
            digest.update(os.fsencode(f"\n{os.path.basename(path)} {times}"))
            newest = max(newest, changed)
        # A file that changes twice within a tick of the file system's clock has one time for both.
        if not 0 <= time.time() - newest < _TICK:
            break
        time.sleep(_TICK)
    return digest.hexdigest()


def fingerprint(video: DatasetVideo, announced: int | None, *, sure: bool = False) -> str:
    """SHA-256 over the labels' text and names and contents of images or video and features.

    Also over `announced`, what `announced_frames` says. Raises InputError if labels or folder
    cannot be read; with `sure` also if a disk fails to read one of the others, which may be the
    same as ever.
    """
    digest = hashlib.sha256(_labels(video))
    files = _files(video)
    with pool_of(_READERS) as pool:
        contents = pool.map(partial(_content, sure=sure), files)
        for path, content in zip(files, contents, strict=True):
            digest.update(os.fsencode(f"\n{os.path.basename(path)} ") + content)
    digest.update(f"\n{announced} frames".encode())
    return digest.hexdigest()


def as_it_is_now(cached: CachedVideo, video: DatasetVideo) -> CachedVideo | None:
    """`cached` with place and stamp of what `video` is now; None if that would make another one.

    Raises InputError if something cannot be read.
    """
    now = stamp(video)  # before contents are read: a change in between is found the next time
    if cached.stamp != now:
        if cached.fingerprint != fingerprint(video, announced_frames(video), sure=True):
            return None
    elif cached.source == str(video.source.resolve()):
        return cached
    return replace(cached, stamp=now, source=str(video.source.resolve()))


def _files(video: DatasetVideo) -> list[str]:
    """The images, by name, or the video; then features by others."""
    given = [str(path) for place in video.features for path in files_at(place)]
    if not video.source.is_dir():
        return [str(video.source), *given]
    try:
        names = sorted(name for name in os.listdir(video.source) if is_numbered_image(name))
    except OSError as error:
        raise unreadable(video.source, error) from error
    return [os.path.join(video.source, name) for name in names] + given


def _labels(video: DatasetVideo) -> bytes:
    """The labels' text, and how faces are read if that is not as usual."""
    refused = b"refuse" if video.crop == "refuse" and video.source.is_dir() else b""
    if video.row is not None:
        return refused + video.row.encode()
    files = () if video.labels is None else (video.labels, *video.more_labels)
    return refused + b"\n\n".join(read_bytes(path, MOST_TEXT) for path in files)


def times_of(path: str | Path) -> tuple[str, float]:
    """Size and times of a file, as text, and when it was changed last."""
    try:
        found = os.stat(path)
    except OSError as error:  # as in `_content`
        return error.strerror or "cannot be read", 0.0
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}", found.st_ctime


def _content(path: str, *, sure: bool) -> bytes:
    if not os.path.isfile(path):
        return b"no file"
    try:
        return bytes.fromhex(file_hash(path, None))
    except InputError as error:
        cause = error.__cause__
        if sure and isinstance(cause, OSError) and cause.errno in _FAILING:
            raise
        # Reading the image or video will tell.
        return (getattr(cause, "strerror", None) or str(error)).encode()
