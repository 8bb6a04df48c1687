"""What a run was trained on, in few words: enough to notice that a cache holds something else."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mimamo.data.cache import Cache, CachedVideo
from mimamo.errors import InputError


def identity_of(
    cache: Cache, training: Sequence[CachedVideo], validation: Sequence[CachedVideo]
) -> dict[str, Any]:
    """The backbone's weights, the videos, and digests of their annotations and of the rest."""
    annotations, sources = hashlib.sha256(), hashlib.sha256()
    for video in (*training, *validation):
        annotations.update(f"\n{video.name} {video.unit}\n".encode())
        annotations.update(video.annotations.numpy().tobytes())
        sources.update(f"\n{video.name} {video.fingerprint}\n".encode())
        sources.update(video.numbers.numpy().tobytes())
    return {
        "weights": cache.manifest.weights_sha256,
        "training": [video.name for video in training],
        "validation": [video.name for video in validation],
        "annotations": annotations.hexdigest(),
        "sources": sources.hexdigest(),
    }


def check_identity(
    path: Path, saved: Mapping[str, Any], own: Mapping[str, Any], root: Path
) -> None:
    """InputError, naming `path`, if what it was made from is not what the cache in `root` holds."""
    if "annotations" not in saved:  # nor did earlier versions
        raise InputError(
            f"{path}: expected a note of the annotations it was made from, found none; train in "
            "another folder"
        )
    if any(saved.get(name) != own[name] for name in ("weights", "training", "validation")):
        raise InputError(
            f"{path}: the run was trained on other videos or features than {root} holds"
        )
    for name, what in (("annotations", "annotations"), ("sources", "images or label files")):
        if saved.get(name) != own[name]:
            raise InputError(
                f"{path}: the {what} of the videos in {root} have changed since it was made; train "
                "in another folder"
            )
