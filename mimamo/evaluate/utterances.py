"""A submission of utterances: a table with a row for each, the mean of its faces."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mimamo.data.cache import Cache
from mimamo.data.omg import COLUMNS, name_of, parts_of, table_rows
from mimamo.errors import InputError
from mimamo.evaluate.rules import utterance_value
from mimamo.files import read_text, write_csv
from mimamo.settings import shown

TABLE = "utterances.csv"
# By an utterance's name in the cache, the first two cells of its row: video and utterance.
UtteranceRows = dict[str, tuple[str, str]]


def rows_of_names(names: Sequence[str]) -> UtteranceRows:
    """The rows of utterances by their names in a cache."""
    parts = {name: parts_of(name) for name in names}
    return {name: (video, f"{utterance}.mp4") for name, (video, utterance) in parts.items()}


def rows_of_table(path: str | os.PathLike[str], cache: Cache) -> UtteranceRows:
    """The rows of one of OMG-Emotion's tables, in its order, with or without labels.

    Raises InputError, naming file and line, for one that is not in the cache, there twice, or
    broken.
    """
    rows: UtteranceRows = {}
    for line, row, wrong in table_rows(Path(path), COLUMNS[:2]):
        if wrong:
            raise InputError(f"{path}:{line}: {wrong}")
        name = name_of(row)
        if name not in cache.manifest.videos:
            raise InputError(
                f"{path}:{line}: expected an utterance of {cache.root}, got {shown(name)}"
            )
        if name in rows:
            raise InputError(f"{path}:{line}: {name} is there twice")
        rows[name] = row["video"], row["utterance"]
    if not rows:
        raise InputError(f"{path}: expected rows of utterances, found none")
    return rows


def is_table(path: str | os.PathLike[str]) -> bool:
    """Whether a list of names is a table; one that cannot be read is not."""
    try:
        return "," in read_text(path).partition("\n")[0]
    except InputError:
        return False


def write_utterances(path: Path, rows: UtteranceRows, values: Mapping[str, np.ndarray]) -> None:
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
    for name, cells in rows.items():
        valence, arousal = utterance_value(means.get(name, other)).tolist()
        written.append([*cells, f"{arousal:.6f}", f"{valence:.6f}"])
    write_csv(path, [COLUMNS, *written])
