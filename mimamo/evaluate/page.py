"""Predictions beside the truth, as a page for a browser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mimamo.data.cached_video import CachedVideo
from mimamo.page import Curves, PageVideo, write_page
from mimamo.predict.table import fill_missing

_RATE = 30.0  # frames a second at which a page plays; a cache does not tell the videos' own


def write_truth_page(
    path: Path, videos: Sequence[CachedVideo], values: Mapping[str, np.ndarray]
) -> None:
    """Write a page of annotated videos, the predictions ``[T, 2]`` of their faces by name.

    Frames are shown by number. Raises InputError if the page cannot be written.
    """
    write_page(path, "Predictions and truth", [_video(x, values[x.name]) for x in videos])


def _video(video: CachedVideo, values: np.ndarray) -> PageVideo:
    count = max(video.frame_count, len(video.annotations))
    found = np.zeros(count, bool)
    found[video.numbers.numpy() - 1] = True
    predicted = fill_missing(values.astype(np.float64), found)
    predicted[~np.logical_or.accumulate(found)] = np.nan  # before the first face
    truth = np.full((count, 2), np.nan)
    if video.unit == "utterance":
        truth[:] = video.annotations[:1].numpy()
    else:
        truth[: len(video.annotations)] = video.annotations.numpy()
    face = Curves("predicted", predicted, found, truth=truth)
    return PageVideo(video.name, np.arange(count) / _RATE, [face], timed=False)
