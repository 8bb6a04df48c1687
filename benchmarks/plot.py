"""Bars of ratios with their targets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from benchmarks import table
from benchmarks.rows import Row
from mimamo.files import replacing

# Of cosines the table tells: their bars would all look alike.
PANELS = {
    "speedup": "times faster than (more is better)",
    "cost": "times the time or memory of (less is better)",
    "share": "share of (less is better)",
}
_COLOURS = {True: "#2a9d5c", False: "#c8473d", None: "#8a94a0"}
_LABEL = 68  # characters a line


def draw(rows: Sequence[Row], title: str, path: Path) -> None:
    """Write a PNG with one panel per kind of ratio; a diamond marks the target."""
    panels = {kind: [row for row in rows if row.kind == kind] for kind in PANELS}
    panels = {kind: own for kind, own in panels.items() if own}
    heights = [len(own) + 1.2 for own in panels.values()]
    figure = Figure(figsize=(11, 1.0 + 0.32 * sum(heights)), layout="constrained")
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    for ax, (kind, own) in zip(axes, panels.items(), strict=True):
        _panel(ax, own, PANELS[kind])
    figure.suptitle(f"{title}\nred: target (diamond) missed, grey: no target", fontsize=10)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _panel(ax: Axes, rows: Sequence[Row], title: str) -> None:
    places = np.arange(len(rows))
    known = [value for row in rows for value in (row.ratio, row.target) if value]
    left, right = min([*known, 1.0]) / 2, max([*known, 1.0]) * 4
    for place, row in zip(places, rows, strict=True):
        if row.ratio is None:
            ax.text(left * 1.05, place, f"gap: {row.gap}", va="center", fontsize=7, style="italic")
        else:
            ax.barh(place, row.ratio, color=_COLOURS[row.reached], height=0.7)
            ax.plot([row.ratio_low, row.ratio_high], [place, place], color="black", linewidth=1)
            end = max(row.ratio, row.ratio_high, row.target or 0)
            ax.text(
                1.15 * max(end, left),
                place,
                table.number(row.ratio, row.kind),
                va="center",
                fontsize=7,
            )
        if row.target is not None:
            ax.plot(row.target, place, "D", color="black", markersize=4)
    ax.set_xscale("log")
    ax.set_xlim(left, right)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_yticks(places, [_label(row) for row in rows], fontsize=7)
    ax.invert_yaxis()
    ax.grid(axis="x", alpha=0.3)
    ax.set_title(title, fontsize=9, loc="left")


def _label(row: Row) -> str:
    lines = (row.against, f"{row.work}, {row.size}")
    return "\n".join(x if len(x) <= _LABEL else f"{x[: _LABEL - 1]}…" for x in lines)
