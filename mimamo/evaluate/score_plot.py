"""Pictures of scores: folds side by side, and the spread over videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mimamo.evaluate.scores import Interval, Score, VideoScore
from mimamo.plurals import counted
from mimamo.predict.render.plot import AROUSAL_COLOUR, VALENCE_COLOUR, save_figure

_DPI = 120
_DIMENSIONS = (("valence", VALENCE_COLOUR, -0.2), ("arousal", AROUSAL_COLOUR, 0.2))


def save_scores(
    path: Path,
    pooled: Score,
    interval: Interval,
    videos: Sequence[VideoScore],
    folds: Mapping[str, tuple[Score, Interval]] | None = None,
) -> None:
    """Write a PNG: CCC of the folds and of all, and of every video alone.

    Args:
        path: the file.
        pooled, interval: over all videos.
        videos: each alone.
        folds: by title, those of a cross-validation; of one subject there is no interval.
    """
    bars = dict(folds or {}) | {"all": (pooled, interval)}
    left_width, right_width = (max(4.7, 0.5 + 0.95 * len(bars)), 6.3) if folds else (2.75, 8.25)
    figure = Figure(
        figsize=(left_width + right_width, 4.2), dpi=_DPI, facecolor="white", layout="constrained"
    )
    left, right = figure.subplots(1, 2, width_ratios=(left_width, right_width))
    _draw_bars(left, bars)
    _draw_videos(right, videos)
    save_figure(path, figure)


def _draw_bars(axes: Axes, bars: Mapping[str, tuple[Score, Interval]]) -> None:
    """A pair of bars each, with interval and, above both, number; the last one stands out."""
    for name, colour, offset in _DIMENSIONS:
        heights = [getattr(score, name) for score, _ in bars.values()]
        drawn = axes.bar(
            np.arange(len(bars)) + offset, heights, 0.36, color=colour, alpha=0.55, label=name
        )
        drawn[-1].set_alpha(1.0)
        for place, (score, interval) in enumerate(bars.values()):
            height, at = getattr(score, name), place + offset
            top = max(height, 0)
            if interval.subjects > 1:  # of one there is nothing to draw
                low, high = getattr(interval, name)
                axes.plot([at, at], [low, high], color="#222222", linewidth=1.6)
                top = max(top, high)
            axes.annotate(
                f"{_rounded(height):.2f}", (at, top), xytext=(0, 2), textcoords="offset points",
                ha="center", va="bottom", fontsize=8, color=colour,
            )  # fmt: skip
    axes.set_xticks(range(len(bars)), list(bars))
    axes.set(ylim=(min(0, *axes.get_ylim()), 1.25), ylabel="CCC")
    axes.set_yticks([tick for tick in axes.get_yticks() if axes.get_ylim()[0] <= tick <= 1])
    axes.axhline(0, color="#444444", linewidth=0.8)
    folds = len(bars) > 1
    axes.set_title(
        "Folds, and all out of fold, with 95 % intervals" if folds else "Pooled, with 95 % interval"
    )
    axes.legend(loc="upper left", ncols=2, frameon=False, fontsize=9)
    _tidy(axes)


def _draw_videos(axes: Axes, videos: Sequence[VideoScore]) -> None:
    for name, colour, _ in _DIMENSIONS:
        values = np.sort([getattr(video.score, name) for video in videos])
        axes.plot(
            (np.arange(len(values)) + 0.5) / len(values) * 100, values, "o-", color=colour,
            markersize=3.5, linewidth=1.2,
            label=f"{name}, median {_rounded(np.median(values)):.2f}",
        )  # fmt: skip
    axes.axhline(0, color="#444444", linewidth=0.8)
    axes.set(xlim=(0, 100), ylim=(min(-0.05, *axes.get_ylim()), 1.08))
    axes.set(xlabel="% of videos at or below", ylabel="CCC of a video alone")
    axes.set_title(f"{counted(len(videos), 'video')}, each alone, in order")
    axes.legend(loc="upper left", frameon=False, fontsize=9)
    _tidy(axes)


def _rounded(value: float) -> float:
    return round(float(value), 2) + 0.0  # no "-0.00"


def _tidy(axes: Axes) -> None:
    axes.grid(axis="y", color="#e8e8e8", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
