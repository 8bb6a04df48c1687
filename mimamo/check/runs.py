"""Whether the files of a run or a cross-validation are what was written, and belong together.

A run says everything twice, so it needs no sums beside it: the state, which is written last, has
all epochs, each checkpoint its own, and the settings. Of a cross-validation's scores, which nothing
else says, there are sums.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from mimamo.errors import InputError
from mimamo.evaluate.cross_validation import (
    PREDICTIONS,
    SUMS,
    joined_files,
    read_predictions,
    sum_of,
)
from mimamo.files import MOST_TEXT, csv_text, read_bytes, read_text, read_toml
from mimamo.model.checkpoint import load_checkpoint
from mimamo.model.description import METADATA_KEY
from mimamo.model.run_files import BEST, CONFIG, STATE, STATE_KEY, folds_in
from mimamo.progress import Report, counted
from mimamo.settings import shown
from mimamo.tensor_file import load_note
from mimamo.train.recipe import TrainingConfig
from mimamo.train.run_folder import FILES, HISTORY, LAST, flat, results_in
from mimamo.train.state import TrainingState, read_state
from mimamo.train.training import history_rows

Check = Callable[[], object]  # raises InputError for what is not as it was written


def existing(path: Path) -> Path:
    """The path of what has to be there. Raises InputError if it is not."""
    if not path.exists():
        raise InputError(f"{path}: is missing")
    return path


def is_run(folder: Path) -> bool:
    """Whether there is any file of a run in a folder."""
    return any((folder / name).exists() for name in FILES)


def run_checks(folder: Path) -> Iterator[Check]:
    """What to do for each file of a run."""
    if not results_in(folder):
        yield partial(_fail, f"{folder}: has no results: none were saved yet, or they are missing")
        return
    run = _RunCheck(folder)
    yield run.check_config
    for name in (BEST, LAST):
        yield partial(run.check_checkpoint, name)
    yield run.check_state
    yield run.check_history


class _RunCheck:
    """The files of one run, with what the state and most others say of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state: TrainingState | None = None
        self.damage: InputError | None = None
        try:
            self.state = read_state(existing(folder / STATE))[1]
        except InputError as error:
            self.damage = error
        self.settings: dict[str, dict[str, Any]] = {}
        for name in (LAST, BEST):
            info = load_note(folder / name, METADATA_KEY).get("info")
            if isinstance(info, dict) and isinstance(info.get("training"), dict):
                self.settings[name] = flat(info["training"])
        with suppress(InputError):  # which `check_config` tells
            self.settings[CONFIG] = flat(read_toml(folder / CONFIG))
        said = list(self.settings.values())
        self.agreed = max(said, key=said.count, default={})

    def check_config(self) -> None:
        TrainingConfig.load(existing(self.folder / CONFIG))
        self._expect_agreed(CONFIG)

    def check_checkpoint(self, name: str) -> None:
        path = self.folder / name
        epochs = self.state.epochs if self.state else []
        if self.state and not epochs and not path.exists():
            return  # it was stopped in its first epoch
        found = load_checkpoint(existing(path)).info.get("epoch")
        self._expect_agreed(name)
        if self.state is None or found is None:
            return
        own = self.state.best if name == BEST else epochs[-1] if epochs else None
        if isinstance(found, dict) and found.get("number") == len(epochs) + 1:
            raise self._ahead(path)
        if own is None or found != asdict(own):
            raise InputError(f"{path}: is of another epoch or run than {STATE} beside it")

    def check_state(self) -> None:
        if self.damage:
            raise self.damage

    def check_history(self) -> None:
        path = self.folder / HISTORY
        if self.state and not self.state.epochs and not path.exists():
            return
        text = read_bytes(existing(path), MOST_TEXT)
        if self.state is None:
            return
        expected = csv_text(history_rows(self.state.epochs)).encode()
        if text != expected:
            if text.startswith(expected) and text.count(b"\n") == expected.count(b"\n") + 1:
                raise self._ahead(path)
            raise InputError(f"{path}: does not have the epochs of {STATE} beside it")

    def _ahead(self, path: Path) -> InputError:
        return InputError(
            f"{path}: has an epoch more than {STATE} beside it; if the run was stopped while it "
            "saved, resume it"
        )

    def _expect_agreed(self, name: str) -> None:
        mine, agreed = self.settings.get(name, self.agreed), self.agreed
        for setting in sorted(mine.keys() | agreed.keys()):
            if (own := mine.get(setting)) != (other := agreed.get(setting)):
                raise InputError(
                    f"{self.folder / name}: says {setting} = {shown(own)}, the rest of the run "
                    f"{shown(other)}"
                )


def crossval_checks(root: Path, report: Report) -> Iterator[Check]:
    """What to do for each file of a cross-validation; `report` is told what cannot be known."""
    found = folds_in(root)
    total = _folds_of(root, found)
    joined = joined_files(root, total)
    begun = any(path.exists() for path in (*joined, root / SUMS) if path.parent == root)
    for fold in range(1, total + 1) if begun else found:
        folder = root / f"fold-{fold}"
        copied = not results_in(folder)  # from another machine: what joining needs
        if not copied:
            yield from run_checks(folder)
        elif folder.exists():
            report(f"{folder}: only what joining needs is here")
        yield partial(_check_fold, folder, f"{fold}/{total}", needed=begun or copied)
    for fold in found:
        if fold > total:
            yield partial(_fail, f"{root / f'fold-{fold}'}: expected {counted(total, 'fold')}")
    if not begun:
        report(f"{root}: its folds are not joined yet")
    else:
        yield partial(_check_sums, root, joined)


def _folds_of(root: Path, found: list[int]) -> int:
    """How many folds there are, as the first that tells says; else as many as are there."""
    for fold in found:
        try:
            total = TrainingConfig.load(root / f"fold-{fold}" / CONFIG).fold.rpartition("/")[2]
        except InputError:  # which the fold's own check tells
            continue
        if total:
            return int(total)
    return found[-1]


def _check_fold(folder: Path, fold: str, *, needed: bool) -> None:
    """`needed`: whether its predictions have to be there, finished or not."""
    config = TrainingConfig.load(existing(folder / CONFIG))
    if config.fold != fold:
        raise InputError(f"{folder / CONFIG}: expected fold {fold}, got {shown(config.fold)}")
    path, best = folder / PREDICTIONS, folder / BEST
    finished = load_note(folder / STATE, STATE_KEY).get("finished") is True
    if not path.exists() and not needed and not finished:
        return
    note = read_predictions(existing(path))[1]
    if note.get("fold") != fold or (best.exists() and note.get("checkpoint") != sum_of(best)):
        raise InputError(f"{path}: is of another fold or network; run `mimamo crossval` again")


def _check_sums(root: Path, joined: list[Path]) -> None:
    """All that differs in one line: a file of sums that is damaged names them all."""
    again = "run `mimamo crossval --join` again"
    if not (root / SUMS).exists():
        raise InputError(f"{root / SUMS}: is missing; {again}")
    sums = {}
    for line in read_text(root / SUMS).splitlines():
        digest, _, name = line.partition("  ")
        sums[name] = digest
    wrong = []
    for path in joined:
        name = path.relative_to(root).as_posix()
        if not path.exists() or sums.pop(name, None) != sum_of(path):
            wrong.append(name)
    if wrong or sums:
        raise InputError(
            f"{root}: {', '.join(map(str, wrong or sums)):.200} not as {SUMS} has it; {again}"
        )


def _fail(message: str) -> None:
    raise InputError(message)
