"""Whether the files of a cache are what was written, and the check of any folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from mimamo.check.runs import (
    Check,
    crossval_checks,
    existing,
    is_run,
    run_checks,
)
from mimamo.data.cache import (
    BACKBONE,
    MANIFEST,
    VIDEOS,
    Manifest,
    load_video,
    skipped_path,
    stored_backbone,
    video_path,
)
from mimamo.data.cached_video import CachedVideo
from mimamo.errors import InputError
from mimamo.model.checkpoint import load_backbone
from mimamo.model.run_files import folds_in
from mimamo.progress import Progress, Report, counted, silent

_MOST_LINES = 1000  # of what is wrong with a folder; more are counted


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
    if (root / MANIFEST).exists():
        checks = list(_cache_checks(root))
    elif folds_in(root):
        checks = list(crossval_checks(root, report))
    elif is_run(root):
        checks = list(run_checks(root))
    else:
        raise InputError(f"{root}: expected a cache, a run or a cross-validation, found none")
    wrong: dict[str, None] = {}  # in order; several may need one file
    for done, check in enumerate(checks, start=1):
        try:
            check()
        except InputError as error:
            if str(error) not in wrong and len(wrong) < _MOST_LINES:
                report(str(error))
            wrong[str(error)] = None
        progress("checking", done, len(checks))
    if len(wrong) > _MOST_LINES:
        report(f"{root}: and {counted(len(wrong) - _MOST_LINES, 'more is', 'more are')} wrong")
    return list(wrong)


def _cache_checks(root: Path) -> Iterator[Check]:
    """What to do for each file of a cache."""
    yield partial(Manifest.load, root)
    try:
        manifest = Manifest.load(root)
    except InputError:  # which the first one tells; what else there is is read by itself
        yield lambda: load_backbone(existing(root / BACKBONE))
        videos = sorted((root / VIDEOS).rglob("*.safetensors"))
        yield from (partial(CachedVideo.load, path) for path in videos if path.name[0] != ".")
        return

    def check_backbone() -> None:
        existing(root / BACKBONE)
        stored_backbone(root, manifest)

    def check_video(name: str) -> None:
        if load_video(root, manifest, name) is None:
            raise InputError(f"{root}: {name} is missing; run `mimamo extract` again")

    yield check_backbone
    for name in manifest.videos:
        yield partial(check_video, name)
    yield partial(_expect_no_more, root, manifest)


def _expect_no_more(root: Path, manifest: Manifest) -> None:
    """InputError if there is a file in a cache that it does not know; hidden ones are nobody's."""
    paths = (video_path, skipped_path)
    known = {path(root, name) for name in manifest.videos for path in paths}
    known |= {root / MANIFEST, root / BACKBONE}
    found = [*root.glob("*"), *(root / VIDEOS).rglob("*")]
    more = [p for p in found if p not in known and not p.is_dir() and p.name[0] != "."]
    if more:
        raise InputError(
            f"{min(more)}: is not of this cache ({counted(len(more), 'such file')}); delete what "
            "is not needed"
        )
