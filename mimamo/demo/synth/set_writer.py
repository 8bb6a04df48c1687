"""Writes videos of aligned faces and their annotations in the layout of Aff-Wild2."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
from PIL import Image

from mimamo.data.annotations import HEADER, NOT_ANNOTATED
from mimamo.files import output_folder, write_text, write_within
from mimamo.progress import silent
from mimamo.threads import pool_of

Counting = Callable[[int, int], object]  # called with the number done, and of all

# A video drawn with a generator: valence and arousal float64 [T, 2], and the face of a frame by its
# index, uint8 [112, 112, 3] RGB.
Drawn = tuple[np.ndarray, Callable[[int], np.ndarray]]


@dataclass(frozen=True)
class SyntheticVideo:
    """One video of a set: its name, its subset, the seed of all in it, and what draws it."""

    name: str
    subset: str
    seed: tuple[int, ...]
    draw: Callable[[np.random.Generator], Drawn]


def write_set(
    root: Path,
    videos: Sequence[SyntheticVideo],
    workers: int | None = None,
    progress: Counting = silent,
) -> int:
    """Write videos and return the number of faces in them.

    The same videos give the same files, whatever the number of `workers`, threads (None: the
    machine's cores). `progress` is called with the number of videos done and of all. Raises
    InputError if `root` cannot be written to.
    """
    done = count(1)

    def work(video: SyntheticVideo) -> int:
        faces = _write(root, video)
        progress(next(done), len(videos))
        return faces

    with pool_of(workers) as pool:
        return sum(pool.map(work, videos))


def gaps(rng: np.random.Generator, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw which frames have a face and which an annotation: bool [T] each.

    As in the real data: the face is lost for a moment, some videos begin without one, and some
    frames are not annotated.
    """
    found, annotated = np.ones(frames, bool), np.ones(frames, bool)
    lost = rng.integers(frames // 4, frames // 2)
    found[lost : lost + rng.integers(2, 9)] = False
    if rng.random() < 1 / 3:
        found[: rng.integers(2, 7)] = False
    if rng.random() < 1 / 2:
        skipped = rng.integers(frames // 2, frames)
        annotated[skipped : skipped + rng.integers(3, 13)] = False
    return found, annotated


def _write(root: Path, video: SyntheticVideo) -> int:
    rng = np.random.default_rng(video.seed)
    values, face = video.draw(rng)
    found, annotated = gaps(rng, len(values))
    folder = output_folder(root / "cropped_aligned" / video.name)
    for index in np.flatnonzero(found).tolist():
        picture = io.BytesIO()  # into a file of a full disk Pillow writes what fits and is content
        Image.fromarray(face(index)).save(picture, "jpeg", quality=95)
        write_within(folder / f"{index + 1:05d}.jpg", picture.getvalue())
    lines = [
        f"{valence:.4f},{arousal:.4f}" if known else f"{NOT_ANNOTATED},{NOT_ANNOTATED}"
        for known, (valence, arousal) in zip(annotated, values, strict=True)
    ]
    folder = output_folder(root / "annotations" / video.subset)
    write_text(folder / f"{video.name}.txt", "\n".join([HEADER, *lines]) + "\n")
    return int(found.sum())
