"""Several faces in one picture: each in its colour, each line only as far as its track goes."""

from __future__ import annotations

import numpy as np

from mimamo.predict.render.canvas import FACE, Axes, Colour, line
from mimamo.predict.table import Predictions

# Okabe & Ito's colours, lighter for a dark ground, and as they are for a white one.
_ON_DARK: tuple[Colour, ...] = (
    FACE, (86, 180, 233), (230, 140, 190), (60, 200, 150), (240, 130, 60), (200, 200, 200),
)  # fmt: skip
_ON_WHITE = ("#B58900", "#0072B2", "#CC79A7", "#009E73", "#D55E00", "#555555")


def colour_of(number: int) -> Colour:
    """The colour of a face on a dark ground, by its number from 1; after six they come again."""
    return _ON_DARK[(number - 1) % len(_ON_DARK)]


def plot_colour_of(number: int) -> str:
    """The colour of a face on a white ground."""
    return _ON_WHITE[(number - 1) % len(_ON_WHITE)]


def css_colour_of(number: int) -> str:
    """The colour of a face on a dark ground, as HTML has it."""
    return "#{:02x}{:02x}{:02x}".format(*colour_of(number))


class People:
    """The faces of a video's predictions, as stretches of frames of which none is missing."""

    def __init__(self, predictions: Predictions) -> None:
        self._predictions = predictions
        face, frames, parts = predictions.face, predictions.frames, predictions.parts
        order = np.lexsort((frames, face))
        order = order[face[order] > 0]
        breaks = np.diff([face[order], parts[order]]).any(axis=0) | (np.diff(frames[order]) > 1)
        #: The rows of each stretch, int arrays.
        self.stretches = np.split(order, np.flatnonzero(breaks) + 1) if len(order) else []
        self._starts = np.array([frames[rows[0]] for rows in self.stretches])
        self._ends = np.array([frames[rows[-1]] for rows in self.stretches])

    def between(self, first: int, last: int) -> list[np.ndarray]:
        """The rows of stretches, as far as they lie in the frames from `first` to `last`."""
        some = np.flatnonzero((self._starts <= last) & (self._ends >= first))
        frames = self._predictions.frames
        cut = []
        for rows in (self.stretches[index] for index in some):
            own = frames[rows]
            cut.append(rows[np.searchsorted(own, first) : np.searchsorted(own, last, "right")])
        return cut

    def draw(self, panel: np.ndarray, axes: Axes, first: int, last: int) -> None:
        """Draw valence (thick) and arousal (thin) over time into `panel`, of a range of frames."""
        for rows in self.between(first, last):
            colour = colour_of(int(self._predictions.face[rows[0]]))
            for column, width in ((0, 2), (1, 1)):
                values = self._predictions.values[rows, column]
                line(panel, axes.pixels(self._predictions.times[rows], values), colour, width)
