"""A film with its small motion made large: read, magnified, written."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import torch

from mimamo.errors import InputError
from mimamo.files import expect_free
from mimamo.magnify.frames import magnified
from mimamo.magnify.pictures import FilmParts, Picture
from mimamo.magnify.space_time import Slice, save_slices
from mimamo.progress import Progress, Report, counted, silent
from mimamo.video import VideoReader, VideoWriter

if TYPE_CHECKING:
    from mimamo.faces import Detector

_UNEVEN = 0.25  # of a frame's duration, by which a step in time differs
_PERIODS = 2  # of the lowest frequency, from which on the factor is nearly what is asked
_OFTEN = 0.05  # the share of such steps that is said


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
    fps = film.fps  # as stated; after the pass it is another where frames are missing
    most = fps / settings.high if settings.high > 0 else 0  # one period
    parts = FilmParts(film, settings.faces, detector, most)
    read: deque[Picture] = deque()  # that did not come back yet
    slices: list[tuple[np.ndarray, np.ndarray]] = []
    lengths: list[int] = []  # of the parts

    def images(part: Iterator[Picture]) -> Iterator[np.ndarray]:
        for picture in part:
            read.append(picture)
            yield picture.image

    def moved(part: Iterator[Picture]) -> Iterator[np.ndarray]:
        before = sum(lengths)
        lengths.append(0)

        def told(done: float) -> None:
            progress("magnifying", before + int(done), film.frame_count)

        return _magnified(images(part), settings, fps, told)

    with VideoWriter(target, fps, sound=film.path, warn=warn) as writer:
        by_part = (part for _, part in groupby(parts, attrgetter("part")))
        for image in chain.from_iterable(map(moved, by_part)):
            original, time, _ = read.popleft()
            lengths[-1] += 1
            if time is None:
                continue
            if settings.slice is not None:
                slices.append((settings.slice.of(original), settings.slice.of(image)))
            shown = np.concatenate([original, image], 1) if settings.side_by_side else image
            writer.write(shown, time)
        if not parts.times:
            raise InputError(f"{film.path}: no face found; nothing to magnify")
    if settings.slice is not None:
        save_slices(files[1], slices, parts.times, settings.slice, settings.factor)
    for line in (*film.warnings, *_remarks(film.path, fps, parts, lengths, settings)):
        warn(line)
    return MagnifiedFilm(files, film.missing)


def _remarks(
    path: Path, fps: float, parts: FilmParts, lengths: Sequence[int], settings: MagnifySettings
) -> Iterator[str]:
    for places, noun, at, what in (
        (parts.cuts, "cut", "at", "each scene is magnified by itself"),
        (parts.gaps, "long gap", "up to", "each part is magnified by itself"),
        (parts.held, "short gap", "up to", "bridged by the frame before"),
    ):
        if places:
            yield f"{path}: {counted(len(places), noun)}, the first {at} {places[0]:.1f} s; {what}"
    steps = np.array(parts.steps)
    if len(steps) and np.mean(np.abs(steps * fps - 1) > _UNEVEN) > _OFTEN:
        yield (
            f"{path}: its frames are {steps.min():.3f} to {steps.max():.3f} s apart, so "
            f"frequencies are those of --band only where it has {fps:.4g} a second"
        )
    least = _PERIODS * fps / settings.low if settings.low > 0 else 0
    if short := [length for length in lengths if length < least]:
        yield (
            f"{path}: {counted(len(short), 'scene')} shorter than {_PERIODS} periods of "
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
