"""Which texts of an archive are annotations of valence and arousal, of which set and edition."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mimamo.data.annotations import HEADER, read_annotations, read_two
from mimamo.data.archive import is_other_task, parts_of, set_of, words_of
from mimamo.data.dataset import TEST, Problems
from mimamo.data.lists import header_of, is_sample, names_in
from mimamo.errors import InputError
from mimamo.files import MOST_TEXT, open_file

_HEAD = 4096  # bytes that tell what a text is
_ORDINALS = (
    *("first", "second", "third", "fourth", "fifth"),
    *("sixth", "seventh", "eighth", "ninth", "tenth"),
)
_YEARS = {1: 2020, 2: 2021, 3: 2022, 4: 2022, 5: 2023, 6: 2024, 7: 2024, 8: 2025}


class Edition(NamedTuple):
    """Of whose annotations these are: a competition's number, or 0, and how it is called."""

    number: int
    title: str


ORIGINAL = Edition(0, "Aff-Wild 2017")
_FIRST, _SECOND = Edition(1, "ABAW 2020"), Edition(2, "ABAW2 2021")


@dataclass(frozen=True)
class AnnotationFile:
    """One video's annotations: a file, or one of valence and, in `arousal`, one of arousal."""

    name: str
    subset: str
    edition: Edition
    path: Path
    arousal: Path | None = None

    def read(self, problems: Problems) -> np.ndarray:
        """Float32 ``[F, 2]``, as `read_annotations`."""
        if self.arousal is None:
            return read_annotations(self.path, problems)
        return read_two(self.path, self.arousal, problems)


@dataclass
class Texts:
    """What the texts of an archive are.

    Attributes:
        annotations: of valence and arousal.
        lists: texts of names or samples of the test set; only those in which `names` are known.
        wrong: a line for each that cannot be used.
    """

    annotations: list[AnnotationFile]
    lists: list[Path]
    wrong: list[str]


def sort_texts(root: Path, paths: Sequence[Path], known: set[str]) -> Texts:
    """Tell annotations and lists of names among the texts below `root`.

    Annotations begin with their header; beside one that does, or in folders that are named for
    annotations and a set, a text without it is a broken one. Other tasks' are passed over.

    Args:
        root: the folder that was searched.
        paths: the texts in it.
        known: names of the videos that are there, of which a list has some.
    """
    texts = Texts([], [], [])
    by_folder: dict[Path, list[Path]] = {}
    for path in paths:
        by_folder.setdefault(path.parent, []).append(path)
    for folder, inside in by_folder.items():
        parts = parts_of(root, folder)
        subset = set_of(parts)
        if is_other_task(parts[1:]):  # what is searched may be called anything
            continue
        heads = {path: _head(path) for path in inside}
        is_ours = {path: header_of(head).strip() == HEADER for path, head in heads.items()}
        ours = [path for path in inside if is_ours[path]]
        others = [path for path in inside if not is_ours[path]]
        if folder.name.lower() in ("valence", "arousal") and not ours:
            if folder.name.lower() == "valence":
                _pair(texts, others, subset)
            continue  # before lists, as a number may be a name
        for path in [path for path in others if _is_list(path, heads[path], known)]:
            others.remove(path)
            of_test = "test" in words_of(path.stem) or subset == TEST or "," in heads[path]
            if of_test and not is_other_task([path.stem]):
                texts.lists.append(path)
        named = {"annotation", "annotations", "va"} & {w for p in parts[1:] for w in words_of(p)}
        if ours or (subset and named):
            # Prose and other tasks' headers begin with a letter, but not what a video is called.
            ours += [
                path
                for path in others
                if not heads[path][:1].isalpha() or (ours and path.stem in known)
            ]
        if ours and subset is None:
            texts.wrong.append(
                f"{ours[0]}: expected annotations in a folder named for their set, such as "
                f"Train_Set, got {folder.name}; {len(ours)} there are not used"
            )
            continue
        edition = _edition(parts)
        for path in ours if subset else ():
            texts.annotations.append(AnnotationFile(path.stem, subset or "", edition, path))
    # The first two have the same folders but for this one.
    if any("training" in words_of(file.path.parent.name) for file in texts.annotations):
        texts.annotations = [
            replace(file, edition=_FIRST) if file.edition == _SECOND else file
            for file in texts.annotations
        ]
    return texts


def _pair(texts: Texts, paths: Sequence[Path], subset: str | None) -> None:
    """The original Aff-Wild's: valence and arousal in two files of one name in two folders."""
    for path in paths:
        arousal = path.parent.with_name("arousal" if path.parent.name.islower() else "Arousal")
        arousal /= path.name
        if not arousal.exists():
            texts.wrong.append(f"{path}: expected {arousal} beside it, found none; not used")
        elif subset is not None:
            texts.annotations.append(AnnotationFile(path.stem, subset, ORIGINAL, path, arousal))


def _head(path: Path) -> str:
    """How a text begins; empty if it cannot be read, which reading it will tell."""
    with suppress(InputError), open_file(path, MOST_TEXT) as file:
        return file.read(_HEAD).decode("utf-8-sig", "replace")
    return ""


def _is_list(path: Path, head: str, known: set[str]) -> bool:
    """Whether a text is a sample, names videos that are there, or is called the test set's list."""
    if is_sample(head.replace("\r", "")):
        return True
    called = {"va", "valence"} & set(words_of(path.stem)) and "test" in words_of(path.stem)
    names = names_in(head) if "," not in head else []
    return bool(called and names) or any(name in known for name in names)


def _edition(parts: Sequence[str]) -> Edition:
    """Whose annotations lie in a folder, as far as the names of the folders above tell."""
    words = [word for part in parts for word in words_of(part)]
    number = 0
    for word, after in zip(words, [*words[1:], ""], strict=True):
        if word in _ORDINALS:
            number = _ORDINALS.index(word) + 1
        elif word.isdecimal() and after in ("st", "nd", "rd", "th"):
            number = int(word[:4])
        elif word == "abaw" and after.isdecimal() and len(after) < 3:
            number = int(after)
    if not number and any(words_of(part) == ["va", "set"] for part in parts):
        return _SECOND
    if not number:
        return Edition(0, "Aff-Wild2")
    return Edition(number, f"ABAW{number} {_YEARS.get(number, '')}".strip())
