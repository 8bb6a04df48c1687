"""Pictures of scores: folds side by side, and the spread over videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mimamo.evaluation.scores import Interval, Score, VideoScore
from mimamo.files import replacing
from mimamo.predictions.plot import AROUSAL_COLOUR, SOFTWARE, VALENCE_COLOUR
from mimamo.wording import counted

_DPI = 120
_DIMENSIONS = (("valence", VALENCE_COLOUR, -0.2), ("arousal", AROUSAL_COLOUR, 0.2))


def save_scores(
    path: Path,
    pooled: Score,
    interval: Interval,
    videos: Sequence[VideoScore],
    folds: Mapping[str, Score] | None = None,
) -> None:
    """Write a PNG: CCC of the folds and of all, and of every video alone.

    Args:
        path: the file.
        pooled, interval: over all videos.
        videos: each alone.
        folds: by title, those of a cross-validation.
    """
    figure = Figure(figsize=(11, 4.2), dpi=_DPI, facecolor="white", layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 4) if folds else (1, 3))
    _draw_bars(left, pooled, interval, dict(folds or {}))
    _draw_videos(right, videos)
    FigureCanvasAgg(figure)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": SOFTWARE})


def _draw_bars(axes: Axes, pooled: Score, interval: Interval, folds: dict[str, Score]) -> None:
    bars = [*folds.items(), ("all", pooled)]
    for name, colour, offset in _DIMENSIONS:
        heights = [getattr(score, name) for _, score in bars]
        drawn = axes.bar(
            np.arange(len(bars)) + offset, heights, 0.36, color=colour, alpha=0.55, label=name
        )
        drawn[-1].set_alpha(1.0)
        low, high = getattr(interval, name)
        at = len(bars) - 1 + offset
        axes.plot([at, at], [low, high], color="#222222", linewidth=1.6)
        for place, height in enumerate(heights):
            axes.annotate(
                f"{_rounded(height):.2f}", (place + offset, max(height, 0)), xytext=(0, 2),
                textcoords="offset points", ha="right" if place == len(bars) - 1 else "center",
                va="bottom", fontsize=8, color=colour,
            )  # fmt: skip
    axes.set_xticks(range(len(bars)), [title for title, _ in bars])
    axes.set(ylim=(min(0, *axes.get_ylim()), 1.08), ylabel="CCC")
    axes.axhline(0, color="#444444", linewidth=0.8)
    axes.set_title("Pooled, with its 95 % interval" if not folds else "Folds, and all out of fold")
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
