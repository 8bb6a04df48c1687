"""How the pixels along a line change in time, before and after magnification, as a picture."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mimamo.errors import InputError

_MOST_COLUMNS = 1 << 16  # of the picture


@dataclass(frozen=True)
class Slice:
    """A column (``x``) or a row (``y``) of pixels."""

    axis: Literal["x", "y"]
    place: int

    @classmethod
    def parsed(cls, text: str) -> Slice:
        """Of ``x=120`` or ``y=80``; InputError for anything else."""
        found = re.fullmatch(r"([xy])=(\d{1,6})", text)
        if found is None:
            raise InputError(f"--slice: expected x=COLUMN or y=ROW, got {text!r}")
        axis: Literal["x", "y"] = "x" if found[1] == "x" else "y"
        return cls(axis, int(found[2]))

    def of(self, image: np.ndarray) -> np.ndarray:
        """The line's pixels, uint8 ``[L, 3]``; InputError if the image has no such line."""
        count = image.shape[1 if self.axis == "x" else 0]
        if self.place >= count:
            raise InputError(
                f"--slice: expected {self.axis} from 0 to {count - 1}, got {self.place}"
            )
        return (image[:, self.place] if self.axis == "x" else image[self.place]).copy()


def save_slices(
    path: str | os.PathLike[str],
    slices: Sequence[tuple[np.ndarray, np.ndarray]],
    times: Sequence[float],
    line: Slice,
    factor: float,
) -> None:
    """Write the line's pixels over time, before and after, one picture above the other, as a PNG.

    Raises InputError if the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from mimamo.predict.render.plot import save_figure

    figure = Figure(figsize=(10, 7), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    titles = ("as it was", f"motion {factor:g} times as large")
    shown = _shown(np.asarray(times))
    for row, axes in enumerate(figure.subplots(2, 1, sharex=True)):
        picture = np.stack([slices[number][row] for number in shown], axis=1)
        extent = (times[0], max(times[-1], times[0] + 1e-3), len(picture), 0)
        axes.imshow(picture, aspect="auto", extent=extent, interpolation="nearest")
        axes.set_title(f"{line.axis} = {line.place}, {titles[row]}", loc="left", fontsize=10)
        axes.set_ylabel("y in pixels" if line.axis == "x" else "x in pixels")
    axes.set_xlabel("seconds")
    save_figure(path, figure)


def _shown(times: np.ndarray) -> np.ndarray:
    """The numbers of the frames that are shown at evenly spaced times, from first to last.

    Frames may come unevenly, or be missing; the one before is shown until the next comes.
    """
    if len(times) < 2:
        return np.zeros(len(times), int)
    count = min(round((times[-1] - times[0]) / np.median(np.diff(times))) + 1, _MOST_COLUMNS)
    even = np.linspace(times[0], times[-1], count)
    return np.searchsorted(times, even + 1e-3 * (even[1] - even[0]), "right") - 1
