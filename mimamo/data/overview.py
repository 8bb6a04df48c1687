"""What was found in a data set, as a table."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mimamo.data.affwild2 import SUBSETS, AffWild2
from mimamo.data.dataset import TEST
from mimamo.data.folds import recording_of
from mimamo.data.omg import OMGEmotion
from mimamo.errors import NothingFoundError
from mimamo.progress import counted

_COLUMNS = ("set", "videos", "faces", "films", "annotations", "neither")
_NO_LIST = "in no list"
_MOST_PLACES = 8


def overview(dataset: AffWild2 | OMGEmotion) -> list[str]:
    """Lines: whose data it is, and of each set how many videos have faces, films, annotations.

    "neither" are annotated or listed videos without faces and without a film. Pictures are not
    touched, nor are annotations read. Raises NothingFoundError if there is no video at all.
    """
    if isinstance(dataset, OMGEmotion):
        return _of_utterances(dataset)
    if not (dataset.faces or dataset.films or dataset.annotations or dataset.listed):
        raise NothingFoundError(
            f"{dataset.root}: expected faces, films or annotations in it, found none"
        )
    sets: dict[str, list[str]] = {subset: [] for subset in SUBSETS}
    for name, file in dataset.annotations.items():
        sets[file.subset].append(name)
    sets[TEST] += [name for name in dataset.listed if name not in dataset.annotations]
    rest = dataset.nobodys()
    of_test = set() if dataset.listed else dataset.of_test(rest)
    sets[TEST] += [name for name in rest if name in of_test]
    sets[_NO_LIST] = [name for name in rest if name not in of_test]
    rows: list[tuple[str, ...]] = [_COLUMNS]
    for title, names in sets.items():
        if not names:
            continue
        faces = {name for name in names if (f := dataset.faces.get(name)) and not f.empty}
        films = {name for name in names if {name, recording_of(name)} & dataset.films.keys()}
        labels = {name for name in names if name in dataset.annotations}
        neither = set(names) - faces - films
        counts = (len(set(names)), len(faces), len(films), len(labels), len(neither))
        rows.append((title, *map(str, counts)))
    return [
        f"{dataset.root}: {' and '.join(dataset.editions) or 'no annotations'}",
        *_table(rows),
        *_places("annotations", (f.path.parent for f in dataset.annotations.values())),
        *_places("faces", (folder.path.parent for folder in dataset.faces.values())),
        *_places("films", (path.parent for path in dataset.films.values())),
    ]


def _places(kind: str, folders: Iterable[Path]) -> list[str]:
    """A line for each folder that such things lie in, with how many."""
    counts: dict[Path, int] = {}
    for folder in folders:
        counts[folder] = counts.get(folder, 0) + 1
    lines = [f"{kind} of {number}: {folder}" for folder, number in sorted(counts.items())]
    more = len(lines) - _MOST_PLACES
    return [
        *lines[:_MOST_PLACES],
        *([f"and {kind} in {counted(more, 'other folder')}"] if more > 0 else []),
    ]


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _of_utterances(dataset: OMGEmotion) -> list[str]:
    rows: list[tuple[str, ...]] = [("set", "utterances", "annotations")]
    videos = dataset.videos()
    for subset in SUBSETS:
        own = [video for video in videos if video.subset == subset]
        if own:
            labels = sum(video.labels is not None for video in own)
            rows.append((subset, str(len(own)), str(labels)))
    return [f"{dataset.root}: {dataset.layout}", *_table(rows)]
