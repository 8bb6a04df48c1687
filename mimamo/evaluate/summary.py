"""What predictions came to, as numbers, as text, and as files: tables and a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mimamo.data.cached_video import CachedVideo
from mimamo.evaluate.rules import Rules
from mimamo.evaluate.scores import (
    COLUMNS,
    Interval,
    Pairs,
    Score,
    VideoScore,
    block_bootstrap,
    bootstrap,
    cells,
    face_pairs,
    frame_pairs,
    score,
)
from mimamo.files import write_csv, write_json
from mimamo.predict.render.plot import AROUSAL_COLOUR, VALENCE_COLOUR, save_figure
from mimamo.progress import counted

SUMMARY, TABLE = "summary.json", "videos.csv"
REPORTED = {"valence": 0.415, "arousal": 0.511}  # on a validation set of its own selection
_DPI = 120
_DIMENSIONS = (("valence", VALENCE_COLOUR, -0.2), ("arousal", AROUSAL_COLOUR, 0.2))


@dataclass(frozen=True)
class Summary:
    """Scores of some videos.

    Attributes:
        unit: what was counted, "frame" or "utterance".
        faces: over all annotated frames with a face, as the technical report has it.
        frames: over all annotated frames; those without a face as in a submission.
        interval: of `faces`.
        videos: each video alone, by its faces, with an interval of its own where it is of frames.
        beyond: annotated lines after the last frames of the videos, which are neither written nor
            scored.
    """

    unit: str
    faces: Score
    frames: Score
    interval: Interval
    videos: tuple[VideoScore, ...]
    beyond: int = 0

    def lines(self) -> list[str]:
        """A small table."""
        unit = f"{self.unit}s"
        lines = [
            f"{'CCC':<34} {unit:>9}  valence  arousal     mean",
            row(f"annotated {unit} with a face", self.faces),
        ]
        ends = (("valence", self.interval.valence), ("arousal", self.interval.arousal))
        known = [f"{name} {pair[0]:.3f} to {pair[1]:.3f}" for name, pair in ends if pair]
        if known:
            subjects = f"{counted(self.interval.subjects, 'subject')} resampled"
            lines.append(f"  95 % interval, {subjects}: {', '.join(known)}")
        if self.frames.count != self.faces.count:
            lines.append(row("all, without a face as submitted", self.frames))
        if self.beyond:
            after = f"{self.beyond} annotated after a video's last frame"
            lines.append(f"  {after}: not submitted, so not scored")
        return lines


def summary_of(
    videos: Sequence[CachedVideo], values: Mapping[str, np.ndarray], rules: Rules
) -> Summary:
    """Score what the rules made of predictions, ``[T, 2]`` by video name.

    At least one video, all annotated.
    """
    faces = {video.name: face_pairs(video, values[video.name]) for video in videos}
    frames = score([frame_pairs(video, values[video.name], rules) for video in videos])
    annotated = [int((~video.annotations.isnan()).all(dim=1).sum()) for video in videos]
    return Summary(
        unit=videos[0].unit,
        faces=score(list(faces.values())),
        frames=frames,
        interval=interval_by_subject(videos, faces),
        beyond=sum(annotated) - frames.count,
        videos=tuple(
            VideoScore(video.name, video.subset, score([pairs]), block_bootstrap(pairs))
            for video, pairs in ((video, faces[video.name]) for video in videos)
        ),
    )


def interval_by_subject(videos: Sequence[CachedVideo], pairs: Mapping[str, Pairs]) -> Interval:
    """The interval of some videos' pooled CCC, subjects drawn (`bootstrap`); pairs by video."""
    by_subject: dict[str, list[Pairs]] = {}
    for video in videos:
        by_subject.setdefault(video.subject, []).append(pairs[video.name])
    return bootstrap(by_subject)


def summary_files(folder: Path, name: str) -> list[Path]:
    """What `write_summary` writes."""
    return [folder / file for file in (SUMMARY, TABLE, f"{name}.png")]


def write_summary(
    folder: Path,
    summary: Summary,
    name: str,
    settings: Mapping[str, Any],
    folds: Mapping[str, tuple[Score, Interval]] | None = None,
) -> list[Path]:
    """Write ``summary.json``, ``videos.csv`` and ``<name>.png``; return their paths.

    `folds` are shown in the picture, by their titles. Raises InputError if one cannot be written.
    """
    numbers, table, plot = summary_files(folder, name)
    content = {
        "unit": summary.unit,
        "settings": dict(settings),
        "annotated_with_face": asdict(summary.faces),
        "all_annotated": asdict(summary.frames),
        "interval_95": asdict(summary.interval),
    }
    write_json(numbers, content)
    header = ["video", "subset", f"{summary.unit}s", *COLUMNS]
    rows = ([v.name, v.subset, *cells(v.score, v.interval)] for v in summary.videos)
    write_csv(table, [header, *rows])
    save_scores(plot, {**(folds or {}), "all": (summary.faces, summary.interval)}, summary.videos)
    return [numbers, table, plot]


def against_report(scores: Mapping[str, Score]) -> str:
    """Which scores reach what the technical report (I-Hsuan Li, arXiv 2105.01502) gives."""
    met = []
    for title, reached in scores.items():
        names = [name for name, least in REPORTED.items() if getattr(reached, name) >= least]
        met.append(f"{title} meets {' and '.join(names) or 'neither'}")
    goals = ", ".join(f"{name} {least}" for name, least in REPORTED.items())
    return f"technical report's {goals}: {'; '.join(met)}"


def row(title: str, score: Score) -> str:
    """A line of the small table."""
    return (
        f"{title:<34} {score.count:>9}  {score.valence:7.3f}  {score.arousal:7.3f}  "
        f"{score.mean:7.3f}"
    )


def save_scores(
    path: Path, bars: Mapping[str, tuple[Score, Interval]], videos: Sequence[VideoScore]
) -> None:
    """Write a PNG: CCC of the folds and of all, and of every video alone.

    Args:
        path: the file.
        bars: by title, the folds of a cross-validation if it is of one, then all videos together;
            of one subject there is no interval.
        videos: each alone.
    """
    folds = len(bars) > 1
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
        for place, (pooled, interval) in enumerate(bars.values()):
            height, at = getattr(pooled, name), place + offset
            top = max(height, 0)
            if ends := getattr(interval, name):
                low, high = ends
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
