"""Whether the files of a cache or a run are what was written: what ``mimamo check`` does."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from mimamo.data.cache import BACKBONE, MANIFEST, Manifest, Skipped, load_video, stored_backbone
from mimamo.errors import InputError
from mimamo.evaluate.cross_validation import PREDICTIONS, read_predictions
from mimamo.files import read_text
from mimamo.model.checkpoint import load_checkpoint
from mimamo.progress import Progress, Report, counted, silent
from mimamo.train.recipe import TrainingConfig
from mimamo.train.run_folder import BEST, CONFIG, HISTORY, LAST, STATE
from mimamo.train.state import read_state

# What reads each file of a run.
_READERS: dict[str, Callable[[Path], object]] = {
    CONFIG: TrainingConfig.load,
    BEST: load_checkpoint,
    LAST: load_checkpoint,
    STATE: read_state,
    HISTORY: read_text,
    PREDICTIONS: read_predictions,
}


def check_folder(
    path: str | os.PathLike[str], *, report: Report = silent, progress: Progress = silent
) -> list[str]:
    """Read every file of a cache, a run or a cross-validation in full.

    Args:
        path: the folder.
        report: called with each line of what is wrong, and with what cannot be known.
        progress: called with the name of a stage, the work done in it, and all of it.

    Returns:
        What is wrong, one line each.

    Raises:
        InputError: the folder is none of these.
    """
    root = Path(path)
    is_cache = (root / MANIFEST).exists()
    checks = list(_checks_of_cache(root, report) if is_cache else _checks_of_runs(root))
    if not checks:
        raise InputError(f"{root}: expected a cache, a run or a cross-validation, found none")
    wrong: list[str] = []
    for done, check in enumerate(checks, start=1):
        try:
            check()
        except InputError as error:
            wrong.append(str(error))
            report(wrong[-1])
        progress("checking", done, len(checks))
    return wrong


def _checks_of_cache(root: Path, report: Report) -> Iterator[Callable[[], object]]:
    """What raises an InputError for each file that is not as it was written."""
    yield partial(Manifest.load, root)
    try:
        manifest = Manifest.load(root)
    except InputError:  # which the first one tells
        return
    if (root / BACKBONE).exists():
        yield partial(stored_backbone, root, manifest)
    old: list[str] = []

    def check_video(name: str) -> None:
        video = load_video(root, manifest, name)
        if video is None:
            raise InputError(f"{root}: {name} is missing; run `mimamo extract` again")
        if not isinstance(video, Skipped) and not video.has_checksum:
            old.append(name)

    for name in manifest.videos:
        yield partial(check_video, name)

    def tell_old() -> None:
        if old:
            report(
                f"{root}: {counted(len(old), 'video')} of an earlier version without a checksum, "
                f"such as {old[0]}; run `mimamo extract` again to add it"
            )

    yield tell_old


def _checks_of_runs(root: Path) -> Iterator[Callable[[], object]]:
    """The same, of a run or of those of a cross-validation."""
    for folder in (root, *sorted(root.glob("fold-*"))):
        for name, read in _READERS.items():
            if (folder / name).exists():
                yield partial(read, folder / name)
