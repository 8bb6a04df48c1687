"""Files of checkpoints and folders of runs: what they tell, and where their backbone is."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mimamo.errors import InputError
from mimamo.files import parse_json, read_json, read_toml
from mimamo.model.config import OUTPUTS
from mimamo.model.description import METADATA_KEY, Description
from mimamo.model.hub import fetched, is_on_hub
from mimamo.model.network import MIMAMONet
from mimamo.model.run_files import BEST, CONFIG
from mimamo.model.weights import BACKBONE_PREFIX, PUBLISHED, WeightFile, naming_of, read_weights
from mimamo.settings import shown
from mimamo.tensor_file import bytes_of, checked, named_under, tensors_checksum

SHARED_BEST, SHARED_CONFIG = "model.safetensors", "config.json"  # of `save_pretrained`


@dataclass(frozen=True)
class CheckpointFile(WeightFile):
    """A weight file with what it says of itself, if it is a checkpoint of this package."""

    description: Description | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)  # of the folder it is in
    settings_file: Path | None = None  # which says these

    @property
    def notes(self) -> dict[str, Any]:
        """Its notes on the training."""
        return {} if self.description is None else self.description.info

    @property
    def is_told(self) -> bool:
        """Whether anything tells the network's settings."""
        return self.description is not None or "network" in self.settings

    @property
    def is_published(self) -> bool:
        """Whether its names are those of the published MIMAMO Net."""
        return naming_of(_outline(), self) is PUBLISHED

    @property
    def columns(self) -> int:
        """How many outputs its network has."""
        naming = naming_of(_outline(), self)
        heads = (x for name, x in self.outline.items() if naming.translate(name) == "head.fc.bias")
        return next((len(bias) for bias in heads if bias.ndim == 1), len(OUTPUTS))

    @property
    def has_backbone(self) -> bool:
        """Whether a backbone comes with it."""
        told = self.description
        if told is None or told.backbone_file is None:
            return self.backbone is not None
        return (self.path.parent / told.backbone_file.file).exists()

    @property
    def backbone(self) -> dict[str, Any] | None:
        """The settings of the backbone it holds."""
        return None if self.description is None else self.description.backbone

    @property
    def kind(self) -> object:
        """What kind of backbone comes with it, as that says; None for a ResNet50 or none."""
        told, own = self.description, self
        if told is not None and told.backbone_file is not None and self.has_backbone:
            own = read_file(self.path.parent / told.backbone_file.file)
        return (own.backbone or {}).get("kind")

    @property
    def variant(self) -> str | None:
        """The ResNet50 variant it says its backbone is of."""
        return (self.backbone or {}).get("variant")


def open_checkpoint(path: str | os.PathLike[str]) -> CheckpointFile:
    """What `load_checkpoint` is to load, without its numbers so far. Raises what that raises."""
    folder = fetched(path) if is_on_hub(path) else Path(path)
    if not folder.is_dir():
        return read_file(folder)
    if (folder / SHARED_BEST).exists() and not (folder / BEST).exists():
        file, config = read_file(folder / SHARED_BEST), folder / SHARED_CONFIG
        # A link that leads nowhere is no folder without settings.
        settings = read_json(config) if os.path.lexists(config) else {}
    else:
        file, config = read_file(folder / BEST), folder / CONFIG
        settings = read_toml(config)
    if not isinstance(settings, Mapping):
        raise InputError(f"{config}: expected settings by name, got {shown(settings)}")
    return replace(file, settings=settings, settings_file=config)


def untold_order(path: str | os.PathLike[str], option: str) -> str:
    """What is said where the order of outputs is taken for granted; `option` tells it."""
    return (
        f"{path}: does not tell which output is valence; the first is taken for it, as in the "
        "authors' model_weights.pth.tar. In the five folds they gave out it is arousal: "
        f"{option} valence,arousal or arousal,valence says it"
    )


def _outline() -> MIMAMONet:
    """A network without numbers, for its names."""
    with torch.device("meta"):
        return MIMAMONet()


def read_file(path: str | os.PathLike[str]) -> CheckpointFile:
    file = read_weights(path)
    description = Description.of(file)
    return CheckpointFile(
        file.path, file.outline, partial(_checked, file), file.metadata, description
    )


def _checked(file: WeightFile) -> dict[str, Tensor]:
    """A file's tensors. Raises InputError if it has a checksum that is not theirs."""
    if METADATA_KEY in file.metadata:
        note = parse_json(file.metadata[METADATA_KEY])
        try:
            checked(note, note.keys(), partial(tensors_checksum, note, file.tensors))
        except ValueError as error:
            raise InputError(f"{file.path}: damaged: {error}") from error
    return file.tensors


def with_backbone(file: CheckpointFile) -> CheckpointFile:
    """The file that holds the backbone of a checkpoint: itself, or the one beside it that it names.

    Raises InputError if that is not there or holds other weights.
    """
    beside = file.description.backbone_file if file.description else None
    if beside is None:
        return file
    path = file.path.parent / beside.file
    if not path.exists():
        raise InputError(
            f"{path}: no such file; {file.path.name} needs the backbone in it, so keep them "
            "together or give the backbone's weights as well"
        )
    found = read_file(path)
    if (sha256 := backbone_hash(found)) != beside.sha256:
        raise InputError(
            f"{path}: expected the backbone that {file.path.name} goes with, SHA-256 "
            f"{beside.sha256[:12]}…, got {sha256[:12]}…"
        )
    return found


def backbone_hash(file: WeightFile) -> str:
    """The `weights_hash` of the backbone in a checkpoint of this package."""
    return tensors_hash(named_under(f"{BACKBONE_PREFIX}.", file.tensors))


def tensors_hash(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 (hexadecimal): the same for the same names and values."""
    digest = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        dtype = str(value.dtype).removeprefix("torch.")
        digest.update(f"{name} {dtype} {tuple(value.shape)}\n".encode())
        digest.update(bytes_of(value))  # NumPy has not all dtypes
    return digest.hexdigest()
