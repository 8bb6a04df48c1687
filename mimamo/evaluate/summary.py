"""What predictions came to, as numbers, as text, and as files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mimamo.data.cache import CachedVideo
from mimamo.evaluate.score_plot import save_scores
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

SUMMARY, TABLE = "summary.json", "videos.csv"


@dataclass(frozen=True)
class Summary:
    """Scores of some videos.

    Attributes:
        unit: what was counted, "frame" or "utterance".
        faces: over all annotated frames with a face, as the technical report has it.
        frames: over all annotated frames; those without a face as in a submission.
        interval: of `faces`.
        videos: each video alone, by its faces, with an interval of its own where it is of frames.
    """

    unit: str
    faces: Score
    frames: Score
    interval: Interval
    videos: tuple[VideoScore, ...]

    def lines(self) -> list[str]:
        """A small table."""
        unit = f"{self.unit}s"
        lines = [
            f"{'CCC':<34} {unit:>9}  valence  arousal     mean",
            _row(f"annotated {unit} with a face", self.faces),
        ]
        valence, arousal = self.interval.valence, self.interval.arousal
        if self.interval.subjects > 1:
            lines.append(
                f"  95 % interval, {self.interval.subjects} subjects resampled: "
                f"valence {valence[0]:.3f} to {valence[1]:.3f}, "
                f"arousal {arousal[0]:.3f} to {arousal[1]:.3f}"
            )
        if self.frames.count != self.faces.count:
            lines.append(_row("all, without a face as submitted", self.frames))
        return lines


def summary_of(videos: Sequence[CachedVideo], values: Mapping[str, np.ndarray]) -> Summary:
    """Score predictions ``[T, 2]`` by video name. At least one video, all annotated."""
    faces = {video.name: face_pairs(video, values[video.name]) for video in videos}
    return Summary(
        unit=videos[0].unit,
        faces=score(list(faces.values())),
        frames=score([frame_pairs(video, values[video.name]) for video in videos]),
        interval=interval_by_subject(videos, faces),
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
    save_scores(plot, summary.faces, summary.interval, summary.videos, folds)
    return [numbers, table, plot]


def _row(title: str, score: Score) -> str:
    return (
        f"{title:<34} {score.count:>9}  {score.valence:7.3f}  {score.arousal:7.3f}  "
        f"{score.mean:7.3f}"
    )
