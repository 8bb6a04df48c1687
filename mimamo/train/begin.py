"""The weights that a training begins with, where they are somebody's and not random."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mimamo.errors import InputError
from mimamo.model.checkpoint import config_of, in_order
from mimamo.model.checkpoint_file import backbone_hash, open_checkpoint, untold_order, with_backbone
from mimamo.model.config import OUTPUTS, MIMAMOConfig
from mimamo.model.small_backbone import SmallBackbone
from mimamo.model.weights import fit
from mimamo.progress import Report, counted
from mimamo.train.model import TrainedModel
from mimamo.train.recipe import TrainingConfig
from mimamo.train.videos import Chosen


def network_of(init: str, outputs: str = "") -> MIMAMOConfig:
    """The settings of the network that training is to begin with. Raises InputError as `begin`."""
    file = open_checkpoint(init)
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
    file, order = open_checkpoint(config.init), _order(config.init_outputs)
    settings = network_of(config.init, config.init_outputs)
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


def _order(outputs: str) -> tuple[str, ...] | None:
    return tuple(outputs.split(",")) if outputs else None
