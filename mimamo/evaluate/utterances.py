"""Submissions of utterances: one table for all, with the columns of OMG-Emotion's own."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mimamo.data.cache import Cache
from mimamo.data.omg import COLUMNS, name_of, parts_of, table_rows
from mimamo.errors import InputError
from mimamo.files import write_csv

TABLE = "utterances.csv"
_LOWEST, _HIGHEST = (-1.0, 0.0), (1.0, 1.0)  # valence and arousal, as the data set has them


@dataclass(frozen=True)
class UtteranceRow:
    """A row to write: the utterance's name in the cache, and its first two cells."""

    name: str
    video: str
    utterance: str


def rows_of_names(names: Sequence[str]) -> list[UtteranceRow]:
    """The rows of utterances by their names in a cache."""
    parts = ((name, *parts_of(name)) for name in names)
    return [UtteranceRow(name, video, f"{utterance}.mp4") for name, video, utterance in parts]


def rows_of_table(path: str | os.PathLike[str], cache: Cache) -> list[UtteranceRow]:
    """The rows of one of OMG-Emotion's tables, in its order, with or without labels.

    Raises InputError, naming file and line, for one that is not in the cache, there twice, or
    broken.
    """
    rows: dict[str, UtteranceRow] = {}
    for line, row, wrong in table_rows(Path(path), COLUMNS[:2]):
        if wrong:
            raise InputError(f"{path}:{line}: {wrong}")
        name = name_of(row)
        if name not in cache.manifest.videos:
            raise InputError(f"{path}:{line}: expected an utterance of {cache.root}, got {name!r}")
        if name in rows:
            raise InputError(f"{path}:{line}: {name} is there twice")
        rows[name] = UtteranceRow(name, row["video"], row["utterance"])
    if not rows:
        raise InputError(f"{path}: expected rows of utterances, found none")
    return list(rows.values())


def is_table(path: str | os.PathLike[str]) -> bool:
    """Whether a list of names is a table; one that cannot be read is not."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            return "," in file.readline()
    except (OSError, UnicodeDecodeError):
        return False


def write_utterances(
    path: Path, rows: Sequence[UtteranceRow], values: Mapping[str, np.ndarray]
) -> None:
    """Write ``video,utterance,arousal,valence``.

    An utterance's prediction is the mean of its faces', as where it is evaluated, clipped to
    valence in [-1, 1] and arousal in [0, 1].

    Args:
        path: of the table.
        rows: what to write, in order.
        values: ``[T, 2]`` by name; an utterance that has none gets the mean of the others.

    Raises:
        InputError: the table cannot be written.
    """
    means = {name: own.mean(axis=0, dtype=np.float64) for name, own in values.items()}
    other = np.stack(list(means.values())).mean(axis=0)
    written = []
    for row in rows:
        valence, arousal = means.get(row.name, other).clip(_LOWEST, _HIGHEST).tolist()
        written.append([row.video, row.utterance, f"{arousal:.6f}", f"{valence:.6f}"])
    write_csv(path, [COLUMNS, *written])
