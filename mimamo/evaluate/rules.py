"""What is written of predictions: smoothed, rescaled, clipped, and what frames without faces get.

Evaluation scores and submission writes what comes of this, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mimamo.data.cached_video import CachedVideo
from mimamo.errors import InputError
from mimamo.predict.smoothing import AUTO, reach_of, smooth_line, smoothed
from mimamo.predict.table import NO_FACE, fill_missing
from mimamo.progress import Report
from mimamo.settings import is_real

Notes = Sequence[tuple[object, Mapping[str, Any]]]  # networks' files, and what they note

FORMATS = ("files", "abaw")
LEADING, GAPS = ("first", "-5"), ("previous", "interpolate")
# By format, what frames without a face get before the first one, and after it.
_USUAL = {"files": ("-5", "previous"), "abaw": ("first", "interpolate")}
_LOWEST, _HIGHEST = (-1.0, 0.0), (1.0, 1.0)  # valence and arousal of an utterance


@dataclass(frozen=True)
class Rules:
    """How predictions become what is written.

    Attributes:
        rescaled: give them the training labels' spread (`rescale`).
        smooth: mean over the faces of so many frames before and after; 0 for none.
        leading: frames before the first face get the "first" prediction, or "-5".
        gaps: frames without a face after it get the "previous" prediction, or a value between its
            neighbours' ("interpolate"); after the last face the last one.

    The default is the rule of the technical report (I-Hsuan Li, arXiv 2105.01502).
    """

    rescaled: bool = False
    smooth: int = 0
    leading: str = "-5"
    gaps: str = "previous"

    @classmethod
    def of(
        cls,
        format: str = "files",
        *,
        leading: str | None = None,
        gaps: str | None = None,
        smooth: int = 0,
        rescaled: bool = False,
    ) -> Rules:
        """The rules of a format, but for what is given. Raises InputError for another value."""
        choices = (("format", format, FORMATS), ("leading", leading, LEADING), ("gaps", gaps, GAPS))
        for name, value, known in choices:
            if value is not None and value not in known:
                raise InputError(f"{name}: expected {' or '.join(known)}, got {value!r}")
        first, after = _USUAL[format]
        return cls(rescaled, reach_of(smooth), leading or first, gaps or after)

    def settled(
        self, smooth: int | str, notes: Notes, report: Report, *, seen: bool = False
    ) -> tuple[Rules, list[float]]:
        """The same with what networks note: how far to smooth, and their labels' spread.

        Args:
            smooth: as for `mimamo.predict.smoothing.reach_of`.
            notes: of the networks that predict.
            report: told what is smoothed over, where they say it.
            seen: whether it may have been chosen on the videos that are predicted, which is said.

        Returns:
            The rules, and the deviation of valence and arousal in the training labels, where it is
            needed to rescale, the networks' mean.

        Raises InputError if a network notes something else, or nothing.
        """
        rules = replace(self, smooth=reach_of(smooth, notes))
        if smooth == AUTO:
            report(smooth_line(rules.smooth))
            if seen:
                report(
                    "warning: if it was chosen on these videos, their scores are a little too good"
                )
        return rules, label_std(notes) if self.rescaled else []

    def values(
        self,
        videos: Sequence[CachedVideo],
        predicted: Mapping[str, np.ndarray],
        label_std: Sequence[float] = (),
    ) -> dict[str, np.ndarray]:
        """Predictions of faces, ``[T, 2]`` by name, as they are written.

        Those of utterances are clipped later, as their mean is (`utterance_value`). `label_std` is
        that of the training labels, to rescale to.
        """
        values = {
            video.name: smoothed(predicted[video.name], video.numbers.numpy(), self.smooth)
            for video in videos
        }
        if self.rescaled and values:
            values = rescale(values, label_std)
        for video in videos:
            if video.unit == "frame":
                values[video.name] = values[video.name].clip(-1, 1)
        return values

    def frames(
        self,
        values: np.ndarray,
        numbers: np.ndarray,
        count: int,
        faceless: Sequence[float] = (NO_FACE, NO_FACE),
    ) -> np.ndarray:
        """Every frame of a video, from the `values` ``[T, 2]`` of its faces.

        Args:
            values: as :meth:`values` gives them.
            numbers: the faces' frames, from 1, in order.
            count: of the frames that are wanted.
            faceless: what a video without any face gets if `leading` is "first".

        Returns:
            ``[count, 2]``.
        """
        if not len(values):
            return np.tile(faceless if self.leading == "first" else (NO_FACE, NO_FACE), (count, 1))
        length = max(count, int(numbers[-1]))  # what is cut changes nothing before it
        if self.gaps == "interpolate":
            frames = np.arange(1, length + 1)
            filled = np.stack([np.interp(frames, numbers, side) for side in values.T], axis=1)
        else:
            found = np.zeros(length, bool)
            found[numbers - 1] = True
            filled = fill_missing(values, found)
        filled[: numbers[0] - 1] = values[0] if self.leading == "first" else NO_FACE
        return filled[:count]


def length_of(video: CachedVideo) -> tuple[int, bool]:
    """How many of its frames are written where neither its film nor a sample is given.

    As many as it has, if they were counted, else up to the last face or the last line of its
    annotations, which has one for each frame.

    Returns:
        The number, and whether anything but the last face tells it.
    """
    if video.counted:
        return video.frame_count, True
    lines = len(video.annotations)
    return max(video.frame_count, lines), lines >= video.frame_count


def label_std(notes: Notes) -> list[float]:
    """Deviation of valence and arousal in the training labels; the networks' mean.

    Raises InputError if one does not tell it.
    """
    found = []
    for path, info in notes:
        if (std := spread_in(info)) is None:
            raise InputError(
                f"{path}: its predictions cannot be rescaled: it does not tell the spread of the "
                "labels it was trained on"
            )
        found.append(std)
    return np.mean(found, axis=0).tolist()


def spread_in(info: Mapping[str, Any]) -> list[float] | None:
    """The deviation of the training labels in a checkpoint's notes; None if there is none."""
    labels = info.get("labels")
    std = labels.get("std") if isinstance(labels, dict) else None
    is_it = isinstance(std, list) and len(std) == 2 and all(is_real(x, 0, 1) for x in std)
    return std if is_it else None


def rescale(values: Mapping[str, np.ndarray], std: Sequence[float]) -> dict[str, np.ndarray]:
    """Give predictions the spread of the training labels, about their own mean.

    ``mean + (prediction - mean)·std/std_prediction``, mean and deviation over all frames of all
    videos, as in the published code.

    Args:
        values: ``[T, 2]`` by video.
        std: of the training labels' valence and arousal.
    """
    pooled = np.concatenate(list(values.values())).astype(np.float64)
    mean, spread = pooled.mean(0), pooled.std(0)
    factor = np.where(spread > 0, np.asarray(std) / np.where(spread > 0, spread, 1), 1.0)
    return {
        name: (mean + (video - mean) * factor).astype(np.float32) for name, video in values.items()
    }


def utterance_value(mean: np.ndarray) -> np.ndarray:
    """An utterance's value, from the mean of its faces' ``[..., 2]``: arousal is not below 0."""
    return mean.clip(_LOWEST, _HIGHEST)
