"""Writes videos of aligned faces and their annotations in the layout of Aff-Wild2."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
from PIL import Image

from mimamo.data.annotations import HEADER, NOT_ANNOTATED
from mimamo.files import output_folder, write_text, write_within
from mimamo.progress import silent
from mimamo.threads import pool_of
from mimamo.video import VideoWriter

FPS = 30.0
Counting = Callable[[int, int], object]  # called with the number done, and of all

# A video drawn with a generator: valence and arousal float64 [T, 2], and the face of a frame by its
# index, uint8 [112, 112, 3] RGB.
Drawn = tuple[np.ndarray, Callable[[int], np.ndarray]]


@dataclass(frozen=True)
class SyntheticVideo:
    """One video of a set: its name, its subset, the seed of all in it, and what draws it.

    Also where its parts lie in the set: the folder of its folder of faces, that of its annotations
    (None for none), and that of its film (empty for none).
    """

    name: str
    subset: str
    seed: tuple[int, ...]
    draw: Callable[[np.random.Generator], Drawn]
    faces: str = "cropped_aligned"
    labels: str | None = "annotations/{subset}"
    films: str = ""


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
    folder = output_folder(root / video.faces / video.name)
    with ExitStack() as stack:
        film = None
        if video.films:
            path = output_folder(root / video.films) / f"{video.name}.mp4"
            film = stack.enter_context(VideoWriter(path, FPS))
        for index in range(len(values)) if film else np.flatnonzero(found).tolist():
            drawn = face(index)
            if film:
                film.write(drawn)
            if not found[index]:
                continue
            picture = io.BytesIO()  # into a full disk's file Pillow writes what fits and is content
            Image.fromarray(drawn).save(picture, "jpeg", quality=95)
            write_within(folder / f"{index + 1:05d}.jpg", picture.getvalue())
    if video.labels is None:
        return int(found.sum())
    lines = [
        f"{valence:.4f},{arousal:.4f}" if known else f"{NOT_ANNOTATED},{NOT_ANNOTATED}"
        for known, (valence, arousal) in zip(annotated, values, strict=True)
    ]
    folder = output_folder(root / video.labels.format(subset=video.subset))
    write_text(folder / f"{video.name}.txt", "\n".join([HEADER, *lines]) + "\n")
    return int(found.sum())
