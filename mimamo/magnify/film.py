"""A film with its small motion made large: read, magnified, written."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import torch

from mimamo.errors import InputError
from mimamo.faces.likeness import CutDetector, thumbnail
from mimamo.files import expect_free
from mimamo.magnify.frames import magnified
from mimamo.magnify.space_time import Slice, save_slices
from mimamo.progress import Progress, Report, counted, silent
from mimamo.video import VideoReader, VideoWriter
from mimamo.video.letterbox import letterbox

if TYPE_CHECKING:
    from mimamo.faces import Detector

_UNEVEN = 0.25  # of a frame's duration, by which a step in time differs
_PERIODS = 2  # of the lowest frequency, from which on the factor is nearly what is asked
_OFTEN = 0.05  # the share of such steps that is said
_FACE_SIDE, _FACE_MARGIN = 256, 24  # pixels of the stabilised face, and around its 112 x 112 crop


@dataclass(frozen=True)
class MagnifySettings:
    """How a film is magnified.

    Attributes:
        factor, low, high, temporal, nbands, height, bands_per_octave, smoothing, attenuate, limit:
            as for `phasenet.magnify_motion`.
        side_by_side: write the film as it was beside it.
        faces: magnify the main face alone, cut out and held still. Frames without one are left out.
        slice: also draw how the pixels of a column or a row change in time.
        device: where it is computed.
        overwrite: replace files in the way.
    """

    factor: float
    low: float
    high: float
    temporal: Literal["fir", "iir"] = "fir"
    nbands: int = 8
    height: int | None = None
    bands_per_octave: int = 2
    smoothing: float = 2.0
    attenuate: bool = False
    limit: float | None = None
    side_by_side: bool = False
    faces: bool = False
    slice: Slice | None = None
    device: torch.device | str = "cpu"
    overwrite: bool = False


class MagnifiedFilm(NamedTuple):
    """The files that were written, and where frames of the film are missing, in one line."""

    files: list[Path]
    missing: str | None


def magnify_film(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    settings: MagnifySettings,
    *,
    detector: Detector | None = None,
    progress: Progress = silent,
    warn: Report = silent,
) -> MagnifiedFilm:
    """Write a film with its motion magnified, with the times and the sound of `source`.

    Args:
        source: a video file.
        out: the MP4 to write; the picture of a slice is put beside it, ``<name>.slice.png``.
        settings: see there.
        detector: finds the faces; CenterFace if None.
        progress: is called as frames are magnified.
        warn: is called with a line for each thing about the film that a user should know.

    Raises:
        InputError: a film that cannot be read or has no face, a file in the way, or an option that
            the film or `phasenet.magnify_motion` does not take.
    """
    film, target = VideoReader(source), Path(out)
    if os.path.realpath(target) == os.path.realpath(film.path):
        raise InputError(f"{target}: is the input and would be written to; give another --out")
    files = [target]
    if settings.slice is not None:
        files.append(target.with_name(f"{target.stem}.slice.png"))
    for file in files:
        expect_free(file, settings.overwrite)
    read: deque[tuple[float, np.ndarray]] = deque()  # frames that did not come back yet
    times: list[float] = []
    slices: list[tuple[np.ndarray, np.ndarray]] = []
    cuts: list[float] = []
    lengths: list[int] = []  # of the scenes
    is_cut = CutDetector()

    def pictures() -> Iterator[np.ndarray]:
        for frame in _faces(film, detector) if settings.faces else _frames(film):
            read.append(frame)
            yield frame[1]

    def scene(image: np.ndarray) -> int:
        if is_cut(thumbnail(image)):
            cuts.append(read[-1][0])
        return len(cuts)

    def moved(frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        before = sum(lengths)
        lengths.append(0)

        def told(done: float) -> None:
            progress("magnifying", before + int(done), film.frame_count)

        return _magnified(frames, settings, film.fps, told)

    with VideoWriter(target, film.fps, sound=film.path, warn=warn) as writer:
        scenes = (frames for _, frames in groupby(pictures(), scene))
        for image in chain.from_iterable(map(moved, scenes)):
            time, original = read.popleft()
            times.append(time)
            lengths[-1] += 1
            if settings.slice is not None:
                slices.append((settings.slice.of(original), settings.slice.of(image)))
            shown = np.concatenate([original, image], 1) if settings.side_by_side else image
            writer.write(shown, time)
        if not times:
            raise InputError(f"{film.path}: no face found; nothing to magnify")
    if settings.slice is not None:
        save_slices(files[1], slices, times, settings.slice, settings.factor)
    for line in (*film.warnings, *_remarks(film, times, cuts, lengths, settings)):
        warn(line)
    return MagnifiedFilm(files, film.missing)


def _remarks(
    film: VideoReader,
    times: Sequence[float],
    cuts: Sequence[float],
    lengths: Sequence[int],
    settings: MagnifySettings,
) -> Iterator[str]:
    if cuts:
        yield (
            f"{film.path}: {counted(len(cuts), 'cut')}, the first at {cuts[0]:.1f} s; each scene "
            "is magnified by itself"
        )
    steps = np.diff(times)
    if len(steps) and np.mean(np.abs(steps * film.fps - 1) > _UNEVEN) > _OFTEN:
        yield (
            f"{film.path}: its frames are {steps.min():.3f} to {steps.max():.3f} s apart, so "
            f"frequencies are those of --band only where it has {film.fps:.4g} a second"
        )
    least = _PERIODS * film.fps / settings.low if settings.low > 0 else 0
    if short := [length for length in lengths if length < least]:
        yield (
            f"{film.path}: {counted(len(short), 'scene')} shorter than {_PERIODS} periods of "
            f"{settings.low:g} Hz, which are {_PERIODS / settings.low:.3g} s; there motion does "
            f"not become {settings.factor:g} times as large"
        )


def _magnified(
    pictures: Iterator[np.ndarray],
    settings: MagnifySettings,
    fps: float,
    progress: Callable[[float], object],
) -> Iterator[np.ndarray]:
    try:
        yield from magnified(
            pictures,
            settings.factor,
            fps=fps,
            low=settings.low,
            high=settings.high,
            temporal=settings.temporal,
            device=settings.device,
            progress=progress,
            nbands=settings.nbands,
            height=settings.height,
            bands_per_octave=settings.bands_per_octave,
            smoothing=settings.smoothing,
            attenuate=settings.attenuate,
            limit=settings.limit,
        )
    except (TypeError, ValueError) as error:
        raise InputError(str(error)) from error


def _frames(film: VideoReader) -> Iterator[tuple[float, np.ndarray]]:
    """Frames of the size of the first, with their times."""
    width, height = film.size
    for frame in film:
        image = frame.image
        if image.shape[:2] != (height, width):
            panel = np.zeros((height, width, 3), np.uint8)
            letterbox(panel, image)
            image = panel
        yield frame.time, image


def _faces(film: VideoReader, detector: Detector | None) -> Iterator[tuple[float, np.ndarray]]:
    """The main face of every frame that has one, held still."""
    from mimamo.faces import CenterFace
    from mimamo.faces.alignment import crop_transform, warp
    from mimamo.faces.observe import observe_faces

    scale = _FACE_SIDE / (112 + 2 * _FACE_MARGIN)
    for face in observe_faces(film, detector or CenterFace()):
        if face.landmarks is not None and face.image is not None:
            transform = scale * crop_transform(face.landmarks, _FACE_MARGIN)
            yield face.time, warp(face.image, transform, _FACE_SIDE)
