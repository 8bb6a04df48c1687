"""The page of one video: the film with each face's box and curves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mimamo.faces.observe import Faces
from mimamo.files import temporary_folder
from mimamo.page import Curves, PageVideo, write_page
from mimamo.page.film import PlayableFilm, write_playable
from mimamo.predict.render.people import css_colour_of, plot_colour_of
from mimamo.predict.table import Predictions
from mimamo.progress import Report, silent

if TYPE_CHECKING:
    from mimamo.video import Film


def save_page(
    path: str | os.PathLike[str],
    video: Film,
    predictions: Predictions,
    faces: Faces,
    warn: Report = silent,
) -> None:
    """Write the page of a video, see `mimamo.page`.

    Args:
        path: the HTML file, whose name is the title.
        video: is read once more where browsers do not play it as it is.
        predictions: of every frame of `video`.
        faces: where they are, in the rows of `predictions`.
        warn: is called with a line where the sound cannot be taken over.

    Raises InputError if `video` can no longer be read, or `path` cannot be written.
    """
    firsts = [rows[0] for rows in predictions.rows_of_frames()]
    times, breaks = (
        predictions.times[firsts],
        np.flatnonzero(np.diff(predictions.parts[firsts])) + 1,
    )
    with temporary_folder() as folder:
        film = write_playable(folder / "film.mp4", video, times, warn)
        people = list(_people(predictions, faces, film))
        name = Path(path).stem
        page = PageVideo(name, times, people, film.path, film.size, breaks=breaks.tolist())
        write_page(path, name, [page])


def _people(predictions: Predictions, faces: Faces, film: PlayableFilm) -> Iterator[Curves]:
    """Each face's curves and its boxes in `film`; what is held in a gap is of the face before."""
    count, frames, known = len(film.scale), predictions.frames, predictions.known
    latest = np.maximum.accumulate(np.where(predictions.found, np.arange(len(frames)), 0))
    owner = np.where(known, predictions.face[latest], 0)
    numbers = predictions.numbers
    for number in numbers:
        own, seen = owner == number, predictions.face == number
        values, boxes = np.full((count, 2), np.nan), np.full((count, 4), np.nan)
        found = np.zeros(count, bool)
        values[frames[own]] = predictions.values[own]
        place = frames[seen]
        corners = faces.boxes[seen].reshape(-1, 2, 2) * film.scale[place, None]
        boxes[place] = (corners + film.shift[place, None]).reshape(-1, 4)
        found[place] = True
        name = f"face {number}" if len(numbers) > 1 else "face"
        colours = plot_colour_of(number), css_colour_of(number)
        yield Curves(name, values, found, boxes, colours=colours)
