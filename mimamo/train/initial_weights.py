"""The weights that a training begins with, where they are somebody's and not random."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mimamo.errors import InputError
from mimamo.model.checkpoint import config_of, in_order
from mimamo.model.checkpoint_file import (
    CheckpointFile,
    backbone_hash,
    open_checkpoint,
    untold_order,
    with_backbone,
)
from mimamo.model.config import OUTPUTS, MIMAMOConfig
from mimamo.model.run_files import BEST, folds_in
from mimamo.model.small_backbone import SmallBackbone
from mimamo.model.weights import fit
from mimamo.progress import Report, counted
from mimamo.train.recipe import TrainingConfig
from mimamo.train.trained_model import TrainedModel
from mimamo.train.videos import Chosen

_CHOICES = ("temporal", "streams")  # options that choose other layers, not other sizes


def network_of(init: str, outputs: str = "") -> MIMAMOConfig:
    """The settings of the network that training is to begin with. Raises InputError as `begin`."""
    file = _opened(init)
    if file.columns < len(OUTPUTS):
        raise InputError(f"{init}: expected a network of valence and arousal, got one output")
    if outputs and file.is_told:
        raise InputError(f"{init}: tells what its outputs are; expected no --init-outputs")
    return config_of(file, _order(outputs))


def begin(model: TrainedModel, config: TrainingConfig, chosen: Chosen, report: Report) -> None:
    """Load the network's weights from `config.init`, and those of a backbone that is trained.

    A ResNet50 that is trained stays the cache's where the weights bring no backbone.

    Raises InputError if they cannot be read or do not fit.
    """
    file, order = _opened(config.init), _order(config.init_outputs)
    settings = network_of(config.init, config.init_outputs)
    for name in _CHOICES:
        wanted, found = getattr(config.network, name), getattr(settings, name)
        if wanted != found:
            raise InputError(
                f"{config.init}: expected weights of a network with {name} {wanted!r}, got one "
                f"with {found!r}; take --{name} {found} with it, or train without --init"
            )
    if order is None and not file.is_told and file.is_published:
        report(f"warning: {untold_order(config.init, '--init-outputs')}")
    in_order(fit(model.network, file), order)
    if settings.unwrap != config.network.unwrap:
        report(
            f"warning: {config.init}: was trained with unwrap {settings.unwrap!r}, and goes on "
            f"with {config.network.unwrap!r}"
        )
    small = isinstance(model.backbone, SmallBackbone)
    if small or file.has_backbone:
        own = with_backbone(file)
        if model.backbone is not None:
            fit(model.backbone, own, own.variant)
        elif backbone_hash(own) != chosen.cache.manifest.weights_sha256:
            report(
                f"warning: {config.init}: was trained with another backbone than "
                f"{chosen.cache.root} was made with"
            )
    report(f"begins with the weights of {config.init}")
    held_out = {video.name for video in chosen.validation}
    if seen := held_out & set(trained_on(file.notes)):
        report(
            f"warning: {config.init}: was trained on {len(seen)} of "
            f"{counted(len(held_out), 'video')} to validate on, so their CCC says little"
        )


def seen_before(config: TrainingConfig, last: Path | None) -> list[str]:
    """Names of the videos that the weights training began with were trained on.

    Of a run that goes on they are in its `last` checkpoint, whatever became of those weights.
    """
    return trained_on(open_checkpoint(config.init if last is None else last).notes)


def trained_on(info: dict[str, Any]) -> list[str]:
    """The names of videos in a checkpoint's notes; none where they are not names."""
    names = info.get("trained_on", [])
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _opened(init: str) -> CheckpointFile:
    """The weights to begin with. Raises InputError if they are no network's, or several."""
    is_run = os.path.exists(os.path.join(init, BEST))
    if os.path.isdir(init) and not is_run and (folds := folds_in(Path(init))):
        raise InputError(
            f"{init}: expected one network for --init, got a cross-validation of "
            f"{counted(len(folds), 'fold')}; give one of them, such as "
            f"{os.path.join(init, f'fold-{folds[0]}')}"
        )
    return open_checkpoint(init)


def _order(outputs: str) -> tuple[str, ...] | None:
    return tuple(outputs.split(",")) if outputs else None
