"""Reading a data set in the layout of OMG-Emotion (Barros et al., IJCNN 2018).

::

    omg_TrainVideos.csv                link,start,end,video,utterance,arousal,valence,EmotionMaxVote
    omg_ValidationVideos.csv
    omg_TestVideos_WithLabels.csv      may be missing, or omg_TestVideos_WithoutLabels.csv instead
    <folder>/<video>/utterance_1.mp4   or a folder utterance_1 of aligned faces

One label is of a whole utterance: valence in [-1, 1], arousal in [0, 1]. An utterance is looked for
under the folder that is named for its subset, then anywhere.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from mimamo.data.dataset import (
    TEST,
    TRAIN,
    VALIDATION,
    DatasetVideo,
    Problems,
    Unit,
    Unused,
    everything_in,
)
from mimamo.errors import InputError
from mimamo.files import read_text
from mimamo.progress import counted
from mimamo.video import is_video

FILES = {
    TRAIN: "omg_TrainVideos.csv",
    VALIDATION: "omg_ValidationVideos.csv",
    TEST: "omg_TestVideos_WithLabels.csv",
}
UNLABELLED = "omg_TestVideos_WithoutLabels.csv"
COLUMNS = ("video", "utterance", "arousal", "valence")


class OMGEmotion:
    """A data set in the layout of OMG-Emotion.

    Args:
        root: the folder that holds the tables.
        videos: the folder of the utterances; `root` if None.
        crop: what becomes of faces that are not square, as for `AlignedFolder`.

    Raises:
        InputError: a table is missing (but for the test set's), or lacks a column.
    """

    layout = "OMG-Emotion"
    unit: Unit = "utterance"

    def __init__(
        self,
        root: str | os.PathLike[str],
        videos: str | os.PathLike[str] | None = None,
        crop: str = "centre",
    ) -> None:
        self.root, self._crop = Path(root), crop
        self.unused: list[Unused] = []
        self.remarks: list[str] = []
        self._videos = self.root if videos is None else Path(videos)
        self._sources = _utterances_in(self._videos)

    def videos(self) -> list[DatasetVideo]:
        """All utterances with a video or faces. Raises InputError if there is none."""
        found: dict[str, DatasetVideo] = {}
        self.unused.clear()
        for subset, table in FILES.items():
            path, labelled = self.root / table, True
            if subset == TEST and not path.exists():
                path, labelled = self.root / UNLABELLED, False
                if not path.exists():
                    continue
            for line, row, wrong in table_rows(path, COLUMNS if labelled else COLUMNS[:2]):
                if wrong:
                    self.unused.append(Unused(f"{path}:{line}: {wrong}; not used"))
                    continue
                name = name_of(row)
                sources = self._sources.get((row["video"], Path(row["utterance"]).stem), [])
                # Below the data set only: the way to it may be called anything.
                word = subset.split("_")[0].lower()
                own = [s for s in sources if word in str(s.relative_to(self._videos)).lower()]
                if name in found:
                    twice = f"{path}:{line}: {name} is there twice; not used again"
                    self.unused.append(Unused(twice, name))
                elif not sources:
                    missing = f"{path}:{line}: no video or faces of {name}; not used"
                    self.unused.append(Unused(missing, name))
                else:
                    found[name] = DatasetVideo(
                        name,
                        subset,
                        source=(own or sources)[0],
                        labels=path if labelled else None,
                        read_labels=partial(_label, f"{path}:{line}", row) if labelled else None,
                        row=json.dumps(row),
                        crop=self._crop,
                    )
        if not found:
            raise InputError(f"{self.root}: expected <video>/utterance_N.mp4, found none")
        order = list(FILES)
        return sorted(found.values(), key=lambda v: (order.index(v.subset), v.name))


def _label(where: str, row: dict[str, str], problems: Problems) -> np.ndarray:
    """One row's label, which is checked when it is read."""
    texts = row["valence"], row["arousal"]
    try:
        valence, arousal = map(float, texts)
    except ValueError:
        valence = arousal = np.nan
    if -1 <= valence <= 1 and -1 <= arousal <= 1:
        return np.array([[valence, arousal]], np.float32)
    problems.add(
        f"{where}: expected valence and arousal in [-1, 1], got {texts[0]!r} and {texts[1]!r}"
    )
    return np.full((1, 2), np.nan, np.float32)


def _utterances_in(folder: Path) -> dict[tuple[str, str], list[Path]]:
    """Videos and folders of faces by (video, utterance), the names of the last two folders."""
    found: dict[tuple[str, str], list[Path]] = {}
    for path in everything_in(folder):
        if not path.name.startswith("utterance_"):
            continue
        if path.is_dir() or is_video(path):
            found.setdefault((path.parent.name, path.stem), []).append(path)
    return found


def name_of(row: dict[str, str]) -> str:
    """What an utterance is called, by its row."""
    return f"{row['video']}_{Path(row['utterance']).stem}"


def parts_of(name: str) -> tuple[str, str]:
    """Video and utterance, without a suffix, of what `name_of` made."""
    video, _, number = name.rpartition("_utterance_")
    return video, f"utterance_{number}"


def table_rows(
    path: Path, columns: Sequence[str] = COLUMNS
) -> Iterator[tuple[int, dict[str, str], str | None]]:
    """The rows of a table with their line numbers, and what is wrong with those of no use.

    Raises InputError if it cannot be read or lacks one of `columns`.
    """
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
    try:
        names = reader.fieldnames or []
        if missing := [name for name in columns if name not in names]:
            raise InputError(
                f"{path}:1: expected a header with {', '.join(columns)}, "
                f"found no {', '.join(missing)}"
            )
        for row in reader:
            yield reader.line_num, row, _wrong(row, len(set(names)))
    except csv.Error as error:
        line = reader.reader.line_num  # its own stays at the row before
        raise InputError(f"{path}:{line}: expected a row of CSV: {error}") from error


def _wrong(row: dict[str, str], columns: int) -> str | None:
    """What keeps a row of `csv.DictReader` from use; None if nothing does."""
    # It puts None for what is missing, and a list of what is too much under the key None.
    count = sum(len(v) if isinstance(v, list) else v is not None for v in row.values())
    if count != columns:
        return f"expected {counted(columns, 'column')}, got {count}"
    for name in ("video", "utterance"):
        if not row[name].strip():
            return f"expected the name of {name}, got an empty cell"
    return None
