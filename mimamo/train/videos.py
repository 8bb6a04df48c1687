"""Which videos of a cache a run trains on and is validated on, and how to know them again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from mimamo.data.cache import Cache
from mimamo.data.cached_video import CachedVideo, annotated
from mimamo.data.dataset import TRAIN, VALIDATION
from mimamo.data.folds import parse_fold, split
from mimamo.errors import InputError
from mimamo.progress import counted

# Parts of an identity: what was chosen of a cache, and what that holds.
_CHOICE = ("weights", "training", "validation")
_CONTENTS = (("annotations", "annotations"), ("sources", "images or label files"))


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
        """What tells whether a cache still holds what was trained on.

        The backbone's weights, the videos, and digests of their annotations and of the rest.
        """
        annotations, sources = hashlib.sha256(), hashlib.sha256()
        for video in (*self.training, *self.validation):
            annotations.update(f"\n{video.name} {video.unit}\n".encode())
            annotations.update(video.annotations.numpy().tobytes())
            sources.update(f"\n{video.name} {video.fingerprint}\n".encode())
            sources.update(video.numbers.numpy().tobytes())
        return {
            "weights": self.cache.manifest.weights_sha256,
            "training": [video.name for video in self.training],
            "validation": [video.name for video in self.validation],
            "annotations": annotations.hexdigest(),
            "sources": sources.hexdigest(),
        }

    def check(self, path: Path, saved: Mapping[str, Any]) -> None:
        """InputError, naming `path`, if the `identity` it was made from is not this one."""
        root = self.cache.root
        if any(saved.get(name) != self.identity[name] for name in _CHOICE):
            raise InputError(
                f"{path}: the run was trained on other videos or features than {root} holds"
            )
        for name, what in _CONTENTS:
            if saved.get(name) != self.identity[name]:
                raise InputError(
                    f"{path}: the {what} of the videos in {root} have changed since it was made; "
                    "train in another folder"
                )

    def notes(self) -> dict[str, Any]:
        """What a checkpoint says of them; of the labels, mean and deviation over all frames."""
        sequences = [video.sequence for video in self.training]
        labels = torch.cat([video.labels[video.annotated] for video in sequences]).double()
        return {
            "labels": {
                "mean": labels.mean(0).tolist(),
                "std": labels.std(0, correction=0).tolist(),
            },
            "trained_on": [video.name for video in self.training],
            "weights": self.cache.manifest.weights_sha256,
        }

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
