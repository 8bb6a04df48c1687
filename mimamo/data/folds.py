"""Splitting videos into folds, so that nobody is in two of them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mimamo.errors import InputError
from mimamo.progress import counted
from mimamo.settings import shown

MOST_FOLDS = 1000

# How the sets name further videos of a person: two people in one picture, parts of one recording
# (Aff-Wild2: 5-60-1920x1080-2), utterances of one video (OMG-Emotion).
_TWIN = re.compile(r"_(left|right)$")
_PART = re.compile(r"^(\d+-\d+-\d+x\d+)-\d+$")
_UTTERANCE = re.compile(r"_utterance_\d+$")


def recording_of(name: str) -> str:
    """The video in which somebody is on the left or the right; any other name as it is."""
    return _TWIN.sub("", name)


def subject_of(name: str) -> str:
    """Whom a video shows, as far as its name tells: videos with the same answer belong together.

    Twins (``_left``, ``_right``) show two people, but in one light and one conversation.
    """
    name = _UTTERANCE.sub("", recording_of(name))
    part = _PART.match(name)
    return part[1] if part else name


def split(frames: Mapping[str, int], folds: int) -> list[list[str]]:
    """Split videos into folds of about the same number of frames, subjects whole.

    Args:
        frames: by video name, its number of annotated frames.
        folds: how many, at least 2.

    Returns:
        The names of each fold's videos, sorted. It depends on nothing but the arguments.

    Raises:
        InputError: there are fewer subjects with frames than folds.
    """
    expect_folds(folds)
    weights: dict[str, int] = {}
    for name, count in frames.items():
        weights[subject_of(name)] = weights.get(subject_of(name), 0) + count
    subjects = [subject for subject, count in weights.items() if count]
    if len(subjects) < folds:
        raise InputError(
            f"folds: fold {len(subjects) + 1} of {folds} would have no data: the videos show only "
            f"{counted(len(subjects), 'different subject')}"
        )
    totals = [0] * folds
    home: dict[str, int] = {}
    for subject in sorted(weights, key=lambda s: (-weights[s], s)):  # the largest first
        home[subject] = totals.index(min(totals))
        totals[home[subject]] += weights[subject]
    return [
        sorted(name for name in frames if home[subject_of(name)] == fold) for fold in range(folds)
    ]


def expect_folds(folds: int) -> None:
    """InputError if there cannot be so many."""
    if not 2 <= folds <= MOST_FOLDS:
        raise InputError(f"folds: expected 2 to {MOST_FOLDS}, got {shown(folds)}")


def parse_fold(text: str) -> tuple[int, int]:
    """Read ``i/k``: (i, k), the i-th of k folds, from 1. Raises InputError for anything else."""
    match = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]) <= MOST_FOLDS or int(match[2]) < 2:
        raise InputError(f"fold: expected i/k with i from 1 to k, such as 1/5, got {shown(text)}")
    return int(match[1]), int(match[2])
