"""Films in the layout of the first Aff-Wild (2017), which has no aligned faces.

::

    videos/{train,test}/<number>.mp4
    annotations/train/{valence,arousal}/<number>.txt    a number a line, without a header
    bboxes/{train,test}/<number>/<frame>.pts            the face's corners; not read

They show the animated photograph, because a detector has to find the face: drawn ones it does not.
"""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

import numpy as np

from mimamo.demo.synth.motion import perform
from mimamo.demo.synth.photo_face import render
from mimamo.demo.synth.set_writer import FPS, Counting
from mimamo.errors import InputError
from mimamo.files import new_folder, output_folder, write_text, write_within
from mimamo.progress import counted, silent
from mimamo.threads import pool_of
from mimamo.video import VideoWriter

YEAR = 2017
_SIZE = (320, 240)  # of the films, pixels
_MARGIN = 0.6  # of a box, by which it reaches beyond eyes, nose and mouth


def write_first_edition(
    root: str | os.PathLike[str],
    *,
    films: int = 72,
    frames: int = 192,
    seed: int = 0,
    workers: int | None = None,
    progress: Counting = silent,
) -> list[str]:
    """Render the films; the same arguments give the same files, whatever the `workers`.

    One in four is of the test set, which has no annotations, at least one. There is no validation
    set.

    Args:
        root: their folder, new or empty, made if need be.
        films: how many, at least 3.
        frames: of each, at 30 a second, at least 16.
        seed: of everything random.
        workers: threads; the machine's number of cores if None.
        progress: called with the number of films done and of all.

    Returns:
        What to tell of it, line by line.

    Raises:
        InputError: `root` holds something or cannot be written to, or a number is too small.
    """
    for name, value, least in (("films", films, 3), ("frames", frames, 16)):
        if value < least:
            raise InputError(f"{name}: expected at least {least}, got {value}")
    test, done = max(1, films // 4), count(1)
    with new_folder(root) as folder:

        def work(number: int) -> None:
            _write(folder, number, number > films - test, frames, seed)
            progress(next(done), films)

        with pool_of(workers) as pool:
            list(pool.map(work, range(1, films + 1)))
    return [
        f"train: {counted(films - test, 'film')} with annotations",
        f"test: {counted(test, 'film')}",
        f"{root}: films of one photograph, without aligned faces, in the layout of Aff-Wild {YEAR}",
    ]


def _write(root: Path, number: int, is_test: bool, frames: int, seed: int) -> None:
    rng = np.random.default_rng([seed, 9, number])
    subset = "test" if is_test else "train"
    played = perform(rng, np.arange(frames) / FPS, size=_SIZE)
    boxes = output_folder(root / "bboxes" / subset / str(number))
    path = output_folder(root / "videos" / subset) / f"{number}.mp4"
    with VideoWriter(path, FPS) as writer:
        for index, scene in enumerate(played.scenes, start=1):
            image, points = render(*scene, rng)
            writer.write(image)
            write_within(boxes / f"{index}.pts", _corners(points).encode())
    for column, label in enumerate(() if is_test else ("valence", "arousal")):
        lines = "".join(f"{value:.4f}\n" for value in played.values[:, column])
        write_text(output_folder(root / "annotations/train" / label) / f"{number}.txt", lines)


def _corners(points: np.ndarray) -> str:
    """The corners of a face's box, from its landmarks, as a file of points has them."""
    low, high = points.min(axis=0), points.max(axis=0)
    reach = _MARGIN * (high - low)
    (left, top), (right, bottom) = low - reach, high + reach
    corners = ((left, top), (left, bottom), (right, bottom), (right, top))
    lines = "".join(f"{x:.3f} {y:.3f}\n" for x, y in corners)
    return f"version: 1\nn_points: 4\n{{\n{lines}}}\n"
