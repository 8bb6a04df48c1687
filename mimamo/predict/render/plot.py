"""The picture of one video's predictions: two trajectories over time, and their path in the plane.

Drawn with matplotlib's object interface on an Agg canvas: no pyplot, so no global state, no
window system, and nothing to close.
"""

from __future__ import annotations

import os
import warnings

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, FigureBase
from matplotlib.ticker import MaxNLocator

from mimamo.files import replacing
from mimamo.predict.outputs import SOFTWARE
from mimamo.predict.render.people import People, plot_colour_of
from mimamo.predict.table import Predictions, runs
from mimamo.progress import counted, shortened

# Okabe & Ito's colours, told apart with any form of colour vision.
VALENCE_COLOUR = "#0072B2"
AROUSAL_COLOUR = "#D55E00"
_TIME_COLOURS = "viridis"
_FAINT = "#8a8a8a"
_MISSING = "#e4e4e4"
_LEGEND = 6  # faces that are named
_MINUTES_FROM = 240.0  # seconds; longer videos have their time axis in minutes
_WIDTH, _HEIGHT, _DPI = 12.0, 5.4, 150  # inches, inches, dots per inch


def save_plot(
    path: str | os.PathLike[str], predictions: Predictions, name: str, *, people: bool = False
) -> None:
    """Write the plot of `predictions`, titled `name`, as a PNG of 1800x810 pixels.

    With `people`, several faces are each in a colour. Raises InputError if the file cannot be
    written.
    """
    save_figure(path, draw_plot(predictions, name, people=people))


def save_figure(path: str | os.PathLike[str], figure: Figure) -> None:
    """Write a figure as a PNG that says it is one of ours; InputError if it cannot be written."""
    with replacing(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # in a video's name
        figure.savefig(temporary, format="png", metadata={"Software": SOFTWARE})


def draw_plot(predictions: Predictions, name: str, *, people: bool = False) -> Figure:
    """The figure of `save_plot`: valence and arousal over time, and the path in the plane.

    Frames without a face are shaded; the value they hold is dotted, and frames before the first
    face have none; a dotted line across is where another face begins. Lines are broken where frames
    of the video are missing. With `people`, several faces are each in a colour, broken where a
    track has a gap as well, and no value is held. The axes span [-1, 1], or more where predictions
    lie outside it.
    """
    figure = Figure(figsize=(_WIDTH, _HEIGHT), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    upper = _place(figure, 0.82, 2.64, 5.6, 1.72)
    lower = _place(figure, 0.82, 0.62, 5.6, 1.72)
    lower.sharex(upper)
    upper.tick_params(labelbottom=False)
    plane = _place(figure, 7.2, 0.62, 3.74, 3.74)

    limit, people = predictions.axis_limit, people and len(predictions.numbers) > 1
    scale, unit = _time_scale(predictions)
    for axes, column, label, colour in (
        (upper, 0, "Valence", VALENCE_COLOUR),
        (lower, 1, "Arousal", AROUSAL_COLOUR),
    ):
        _shade_missing(axes, predictions, scale)
        if people:
            _draw_people(axes, predictions, scale, column)
        else:
            _draw_over_time(axes, predictions, column, colour, scale)
        _style(axes, limit)
        named = "black" if people else colour  # else it would be a face's colour
        axes.set_ylabel(label, color=named, fontsize=12, fontweight="bold")
    lower.set_xlabel(f"Time ({unit})", fontsize=12)
    if upper.get_legend_handles_labels()[0]:
        columns = _LEGEND + 1 if people else 2
        upper.legend(
            loc="lower left", bbox_to_anchor=(-0.01, 0.99), ncols=columns, frameon=False,
            columnspacing=1.2,
        )  # fmt: skip
    _draw_plane(plane, predictions, limit, None if people else (scale, f"Time ({unit})"))
    if not predictions.found.any():
        for axes in (upper, lower, plane):
            axes.text(0.5, 0.62, "no face found", transform=axes.transAxes, ha="center")
    left, title = 0.82 / _WIDTH, shortened(name, 72)
    figure.text(left, 1 - 0.4 / _HEIGHT, title, fontsize=14, fontweight="bold", parse_math=False)
    figure.text(left, 1 - 0.65 / _HEIGHT, _summary(predictions), fontsize=11)
    return figure


def _place(figure: FigureBase, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes at a place given in inches from the lower left corner."""
    return figure.add_axes((left / _WIDTH, bottom / _HEIGHT, width / _WIDTH, height / _HEIGHT))


def _shade_missing(axes: Axes, predictions: Predictions, scale: float) -> None:
    times = predictions.times * scale
    step = _frame_time(predictions) * scale
    if missing := runs(~predictions.found):
        spans = [(times[a] - step / 2, times[b - 1] - times[a] + step) for a, b in missing]
        high = axes.get_xaxis_transform()
        axes.broken_barh(spans, (0, 1), transform=high, color=_MISSING, label="no face found")
    if len(times):
        axes.set_xlim(times[0] - step / 2, times[-1] + step / 2)
    if predictions.frame_count == 1:
        axes.set_xticks(times[:1])


def _draw_people(
    axes: Axes, predictions: Predictions, scale: float, column: int | None = None
) -> None:
    """Each face in its colour: a column over time, or without one the path in the plane."""
    width, named = 1.6 if len(predictions) < 3000 else 0.9, set[int]()
    for rows in People(predictions).stretches:
        number = int(predictions.face[rows[0]])
        label = f"face {number}" if number <= _LEGEND and number not in named else None
        named.add(number)
        values, times = predictions.values[rows], predictions.times[rows]
        x, y = values.T if column is None else (times * scale, values[:, column])
        axes.plot(
            x, y, ".-", linewidth=width, markersize=2 * width, color=plot_colour_of(number),
            label=label,
        )  # fmt: skip


def _draw_over_time(
    axes: Axes, predictions: Predictions, column: int, colour: str, scale: float
) -> None:
    times, step = predictions.times * scale, _frame_time(predictions) * scale
    values = predictions.values[:, column]
    width = 1.6 if len(predictions) < 3000 else 0.9
    # Held values join the last prediction before the gap, not the first after it.
    gaps = predictions.known & ~predictions.found
    held = np.where(gaps, values, np.nan)
    before = predictions.found & np.append(~predictions.found[1:], False)
    held[before] = values[before]
    label = "last prediction held" if gaps.any() else None
    parts = np.flatnonzero(np.diff(predictions.parts)) + 1
    times, held = (np.insert(x, parts, np.nan) for x in (times, held))
    axes.plot(times, held, linestyle=(0, (1, 1.6)), linewidth=width, color=colour, label=label)
    # The dots are seen where a frame is alone. Faces that follow each other are not joined.
    for parity in (1, 0):
        own = predictions.found & (predictions.face % 2 == parity)
        if own.any():
            shown = np.insert(np.where(own, values, np.nan), parts, np.nan)
            axes.plot(times, shown, ".-", linewidth=width, markersize=2 * width, color=colour)
    for seam in predictions.seams * scale:
        axes.axvline(seam - step / 2, color=_FAINT, linewidth=0.8, linestyle=(0, (1, 3)))


def _draw_plane(
    axes: Axes, predictions: Predictions, limit: float, time: tuple[float, str] | None
) -> None:
    """The path in the plane: in colours of its `time` (scale, label), or without each face's."""
    _style(axes, limit)
    axes.set_aspect("equal")
    axes.set_xlim(-limit, limit)
    axes.xaxis.set_major_locator(_value_ticks())
    axes.axvline(0, color=_FAINT, linewidth=0.8, zorder=1)
    across, up = (VALENCE_COLOUR, AROUSAL_COLOUR) if time else ("black", "black")
    axes.set_xlabel("Valence", fontsize=12, color=across, fontweight="bold")
    axes.set_ylabel("Arousal", fontsize=12, color=up, fontweight="bold")
    if not predictions.found.any():
        return
    if time is None:
        _draw_people(axes, predictions, 1.0)
        return

    scale, label = time
    times, found = predictions.times * scale, predictions.found
    valence, arousal = predictions.values[found].T
    points = axes.scatter(valence, arousal, s=6, c=times[found], cmap=_TIME_COLOURS, zorder=3)
    if found.sum() < 2:
        points.set_sizes([60])  # a lone one, of which there is no path to see
        return
    bar = axes.figure.colorbar(points, cax=_place(axes.figure, 11.08, 0.62, 0.1, 3.74))
    bar.set_label(label, fontsize=11)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=10, length=3, color=_FAINT)


def _style(axes: Axes, limit: float) -> None:
    axes.set_ylim(-limit, limit)
    axes.yaxis.set_major_locator(_value_ticks())
    axes.axhline(0, color=_FAINT, linewidth=0.8, zorder=1)
    axes.grid(color="#d9d9d9", linewidth=0.6, alpha=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=10, length=3, color=_FAINT)
    for side in axes.spines.values():
        side.set_color("#bdbdbd")


def _value_ticks() -> MaxNLocator:
    return MaxNLocator(5, steps=(1, 2, 5, 10))


def _time_scale(predictions: Predictions) -> tuple[float, str]:
    long = len(predictions) > 0 and predictions.times[-1] >= _MINUTES_FROM
    return (1 / 60, "min") if long else (1.0, "s")


def _frame_time(predictions: Predictions) -> float:
    """Seconds a frame lasts, on average; 1 for a single frame."""
    if predictions.frame_count < 2:
        return 1.0
    seconds = float(predictions.times[-1] - predictions.times[0])
    return seconds / (predictions.frame_count - 1) or 1.0


def _summary(predictions: Predictions) -> str:
    seconds = f"{predictions.times[-1]:.1f} s" if len(predictions) else "0 s"
    frames, count = counted(predictions.frame_count, "frame"), len(predictions.numbers)
    faces = f", {counted(count, 'face')}" if count > 1 else ""
    return f"{frames}, {seconds}, face found in {predictions.seen_frames}{faces}"
