"""The weights somebody gives: files, runs, cross-validations and the hub's folders, as checkpoints.

All commands that predict read them here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Any

from mimamo.data.folds import parse_fold
from mimamo.errors import InputError
from mimamo.model.checkpoint import (
    Checkpoint,
    FeatureSource,
    build_checkpoint,
    load_given,
    weights_hash,
)
from mimamo.model.checkpoint_file import (
    SHARED_BEST,
    CheckpointFile,
    open_checkpoint,
    untold_order,
)
from mimamo.model.config import OUTPUTS
from mimamo.model.hub import fetched, is_on_hub
from mimamo.model.run_files import BEST, STATE, folds_in, is_unfinished
from mimamo.progress import Report, counted, folds_are, silent
from mimamo.settings import shown


@dataclass(frozen=True)
class Foreign:
    """What weights by others do not tell of themselves.

    Attributes:
        backbone: a file of ResNet50 weights, for those that hold none; where all hold one, it is
            used instead of theirs. For weights that take features of an ONNX file, that file.
        outputs: the order of their outputs, valence and arousal or the reverse. Files of one output
            come in pairs, in this order. None where nothing says it: then valence is taken to be
            first, and files of one output are an error.
        published_gru: run their GRU over the clips of a batch, as the published code does. A
            frame's prediction then depends on the clips beside its own, 16 of its video at a time.

    Raises InputError for other outputs.
    """

    backbone: str | os.PathLike[str] | None = None
    outputs: tuple[str, ...] | None = None
    published_gru: bool = False

    def __post_init__(self) -> None:
        if self.outputs not in (None, OUTPUTS, OUTPUTS[::-1]):
            raise InputError(
                "outputs: expected valence,arousal or arousal,valence, got "
                f"{shown(','.join(self.outputs))}"
            )


def load_checkpoints(
    paths: Sequence[str | os.PathLike[str]],
    foreign: Foreign | None = None,
    warn: Report = silent,
) -> list[Checkpoint]:
    """Load all that some paths stand for, to be averaged; backbones that are alike are one object.

    Args:
        paths: what `load_checkpoint` takes, or folders of cross-validations (all folds).
        foreign: what those do not tell that are not checkpoints of this package.
        warn: called with each warning.

    Raises:
        InputError: as `load_checkpoint`; there is none; only valence or only arousal comes out; or
            `foreign` says what all of them tell.
    """
    foreign = foreign or Foreign()
    files: list[CheckpointFile] = []
    for path in (fetched(path) if is_on_hub(path) else path for path in paths):
        found = [open_checkpoint(own) for own in checkpoints_in(path)]
        for line in _incomplete(path, found):
            warn(line)
        files += found
    if not files:
        raise InputError("expected at least one checkpoint, got none")
    outputs = _outputs(files, foreign, warn)
    given = None if foreign.backbone is None else load_given(foreign.backbone)
    all_hold_one = all(file.has_backbone for file in files)
    known: dict[tuple[str, str], FeatureSource] = {}
    checkpoints = []
    for file, own in zip(files, outputs, strict=True):
        backbone = given if all_hold_one or not file.has_backbone else None
        gru = foreign.published_gru and not file.is_told
        checkpoint = build_checkpoint(file, backbone, own, gru)
        if len(files) > 1:
            own_backbone = checkpoint.backbone
            # The same weights may be meant for another size of picture.
            alike = weights_hash(own_backbone), str(own_backbone.settings)
            checkpoint = replace(checkpoint, backbone=known.setdefault(alike, own_backbone))
        checkpoints.append(checkpoint)
    there = {name for checkpoint in checkpoints for name in checkpoint.network.config.outputs}
    if lacking := [name for name in OUTPUTS if name not in there]:
        raise InputError(
            f"{files[0].path}: gives no {lacking[0]}; expected weights that do beside it"
        )
    return checkpoints


def checkpoints_in(path: str | os.PathLike[str]) -> list[Path]:
    """The checkpoints, or folders of one, a path stands for. Raises InputError if there is none."""
    path = Path(path)
    if not path.is_dir():
        return [path]
    for name in (BEST, SHARED_BEST):
        if (path / name).exists():
            return [path if name == SHARED_BEST else path / name]
    folds = [path / f"fold-{number}" / BEST for number in folds_in(path)]
    if not (found := [fold for fold in folds if fold.exists()]):
        raise InputError(f"{path}: expected a run or a cross-validation, found no {BEST} in it")
    return found


def _outputs(
    files: Sequence[CheckpointFile], foreign: Foreign, warn: Report
) -> list[tuple[str, ...] | None]:
    """What the outputs of each file are; None where it tells, or the usual order is taken."""
    untold = [file for file in files if not file.is_told]
    if not untold and (foreign.outputs or foreign.published_gru):
        raise InputError(
            f"{files[0].path}: tells what its outputs are and what its GRU runs over; --outputs "
            "and --published-gru are for weights that do not, such as the authors'"
        )
    single = [file for file in untold if file.columns == 1]
    if single and foreign.outputs is None:
        raise InputError(
            f"{single[0].path}: has one output and does not tell which; give the file of the other "
            "one too, and the order of both, such as --outputs valence,arousal"
        )
    if len(single) % 2:
        raise InputError(
            f"{single[-1].path}: has one output; expected such files in pairs, got {len(single)}"
        )
    if foreign.outputs is None:
        for file in untold:
            if file.is_published:
                warn(untold_order(file.path, "--outputs"))
    turns = cycle(foreign.outputs or OUTPUTS)
    return [
        None if file.is_told else (next(turns),) if file.columns == 1 else foreign.outputs
        for file in files
    ]


def _incomplete(path: str | os.PathLike[str], files: Sequence[CheckpointFile]) -> list[str]:
    """What is still to be trained of a run or a cross-validation, in a line each."""
    lines = [
        f"{file.path.parent}: its training is not finished; its best network so far"
        for file in files
        if file.path.name == BEST and is_unfinished(file.path.with_name(STATE))
    ]
    if files[0].path.parent.parent != Path(path):  # no cross-validation
        return lines
    folds = [parse_fold(fold) for file in files if (fold := fold_of(file.notes))]
    total = max((count for _, count in folds), default=0)
    missing = sorted(set(range(1, total + 1)) - {number for number, _ in folds})
    if missing:
        which = f"of {counted(total, 'fold')} {folds_are(missing)} not there"
        lines.append(f"{path}: {which}")
    return lines


def fold_of(info: Mapping[str, Any]) -> str:
    """What a checkpoint notes of its fold, "" for none. Raises InputError if that cannot be."""
    training = info.get("training", {})
    fold = training.get("fold", "") if isinstance(training, dict) else ""
    if fold != "":
        parse_fold(str(fold))
    return fold
