"""The documents' picture: how far each row is from its target."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from benchmarks import table
from benchmarks.rows import Row
from mimamo.files import output_folder, replacing

_REACHED, _MISSED = "#2a9d5c", "#c8473d"
_LABEL = 100  # characters


def draw(rows: Sequence[Row], title: str, path: Path) -> None:
    """Write a PNG of the rows that have a target: beyond 1 it is reached, by so many times.

    Where less is better that is the target over the ratio. The ratio itself stands at the bar.
    """
    aimed = [row for row in rows if row.target and row.ratio]
    margins = [
        row.ratio / row.target if row.more_is_better else row.target / row.ratio for row in aimed
    ]
    figure = Figure(figsize=(11, 1.2 + 0.22 * len(aimed)), layout="constrained")
    axes = figure.subplots()
    colours = [_REACHED if row.reached else _MISSED for row in aimed]
    bars = axes.barh(range(len(aimed)), margins, left=0, color=colours)
    axes.bar_label(bars, [table.number(row.ratio, row.kind) for row in aimed], padding=3, size=7)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_yticks(range(len(aimed)), [_label(row) for row in aimed], fontsize=7)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.margins(x=0.15, y=0.01)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("times the target (red: missed)", fontsize=8)
    figure.suptitle(title, fontsize=10)
    output_folder(path.parent)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _label(row: Row) -> str:
    text = f"{row.work}, {row.size} / {row.against}"
    return text if len(text) <= _LABEL else f"{text[: _LABEL - 1]}…"
