"""Which videos of a cache a run trains on and which it is validated on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from mimamo.data.cache import Cache, CachedVideo, annotated
from mimamo.data.dataset import TRAIN, VALIDATION
from mimamo.data.folds import parse_fold, split
from mimamo.errors import InputError
from mimamo.train.identity import identity_of
from mimamo.wording import counted


@dataclass(frozen=True)
class Chosen:
    """The annotated videos of a run.

    Attributes:
        cache: they are in.
        training: to train on; none where a fold is all there is.
        validation: to validate on, what a fold holds out.
        titles: of both, for people.
    """

    cache: Cache
    training: list[CachedVideo]
    validation: list[CachedVideo]
    titles: tuple[str, str]

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What tells whether a cache still holds what was trained on."""
        return identity_of(self.cache, self.training, self.validation)

    def lines(self) -> list[str]:
        """How many there are of each. Raises InputError if there are none of either."""
        lines = []
        for title, videos in zip(self.titles, (self.training, self.validation), strict=True):
            if not videos:
                raise InputError(f"{title}: expected faces with annotations, found none")
            faces = sum(map(len, videos))
            count = sum(video.annotated_frames for video in videos)
            subjects = len({video.subject for video in videos})
            lines.append(
                f"{title}: {counted(len(videos), 'video')} of {counted(subjects, 'subject')}, "
                f"{counted(faces, 'face')}, {count} of them annotated"
            )
        return lines


def choose_videos(cache: Cache, fold: str) -> Chosen:
    """The cache's subsets, or, of a `fold` i/k, both merged and split by subject.

    Raises InputError if a fold would have no video.
    """
    if not fold:
        chosen = (annotated(cache.subset(TRAIN)), annotated(cache.subset(VALIDATION)))
        return Chosen(cache, *chosen, (TRAIN, VALIDATION))
    number, folds = parse_fold(fold)
    videos = annotated(video for video in cache.videos if video.subset in (TRAIN, VALIDATION))
    names = split({video.name: video.annotated_frames for video in videos}, folds)
    held_out = set(names[number - 1])
    return Chosen(
        cache,
        [video for video in videos if video.name not in held_out],
        [video for video in videos if video.name in held_out],
        (f"training, without fold {fold}", f"validation, fold {fold}"),
    )


def label_statistics(videos: Sequence[CachedVideo]) -> dict[str, list[float]]:
    """Mean and standard deviation of valence and arousal over all annotated frames."""
    labels = torch.cat([v.sequence.labels[v.sequence.annotated] for v in videos]).double()
    return {"mean": labels.mean(0).tolist(), "std": labels.std(0, correction=0).tolist()}
