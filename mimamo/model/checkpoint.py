"""Checkpoints: one safetensors file with the network, its backbone and how they were made.

It holds tensors ``network.…`` and ``backbone.…`` and one entry of metadata, ``mimamo``: the
:class:`Description` as JSON. In place of the backbone it may name a file beside it that holds it,
so that several checkpoints of a run share one.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from mimamo.errors import InputError
from mimamo.files import is_path, parse_json, read_toml
from mimamo.model.config import MOST_CLIP, MIMAMOConfig
from mimamo.model.network import MIMAMONet
from mimamo.model.resnet50 import ResNet50
from mimamo.model.small_backbone import SmallBackbone
from mimamo.model.weights import (
    BACKBONE_PREFIX,
    NETWORK_PREFIX,
    Model,
    WeightFile,
    built,
    fit,
    read_weights,
    variant_of,
)
from mimamo.settings import is_whole, shown
from mimamo.tensor_file import CHECKSUM, checked, named_under, save_tensors, tensors_checksum

RUN_BEST, RUN_CONFIG = "best.safetensors", "config.toml"  # in the folder of a training run

METADATA_KEY = "mimamo"
_FORMAT, _SHARING = 1, 2  # the latter: its backbone is in a file beside it

Backbone = ResNet50 | SmallBackbone


@dataclass(frozen=True)
class Checkpoint:
    """All that predicting needs: the network, the backbone its features come from, and notes."""

    network: MIMAMONet
    backbone: Backbone
    info: dict[str, Any] = field(default_factory=dict)

    @property
    def clip_length(self) -> int:
        """Frames of the clips it was trained on; 64 where nothing tells."""
        return _clip_length(self.info)


@dataclass(frozen=True)
class BackboneFile:
    """A backbone in a file of its own, in the folder of the checkpoints that go with it."""

    file: str  # its name
    sha256: str  # of its weights, see `weights_hash`


@dataclass(frozen=True)
class Description:
    """What a checkpoint says of itself beside its tensors."""

    config: dict[str, Any] = field(default_factory=dict)  # of the network
    backbone: dict[str, Any] | None = None  # its settings; None: the file has none
    info: dict[str, Any] = field(default_factory=dict)  # notes on the training
    format: int = _FORMAT
    backbone_file: BackboneFile | None = None  # where it is instead; only in format 2

    def save(self, path: Path, tensors: Mapping[str, Tensor]) -> None:
        """Write a checkpoint of these tensors; InputError if it cannot be written."""
        content = asdict(self)
        if self.backbone_file is None:
            del content["backbone_file"]
        save_tensors(path, tensors, METADATA_KEY, content)

    @classmethod
    def of(cls, file: WeightFile) -> Description | None:
        """What a file's metadata say; None if the file is no checkpoint of this package.

        Raises InputError, with its path, if it cannot be or is of a later format. The checksum is
        of the tensors too, so it is compared when they are read.
        """
        metadata, path = file.metadata, file.path
        damaged = f"{path}: expected a checkpoint, got damaged metadata"
        if METADATA_KEY not in metadata:
            if any(CHECKSUM in text for text in metadata.values()):  # its name is damaged
                raise InputError(damaged)
            return None
        try:
            content = dict(parse_json(metadata[METADATA_KEY]))
        except (ValueError, TypeError) as error:
            raise InputError(damaged) from error
        if (found := content.get("format", _FORMAT)) not in (_FORMAT, _SHARING):
            raise InputError(
                f"{path}: expected checkpoint format {_FORMAT} or {_SHARING}, got {found!r}; "
                "it may need a newer version of this package"
            )
        known = [entry.name for entry in fields(cls)]
        try:
            stated = content.get(CHECKSUM, 0)
            content = checked(content, known, lambda: stated)  # it is compared later
        except ValueError as error:
            raise InputError(f"{path}: damaged: {error}") from error
        for name, kind in {"config": dict, "backbone": dict | None, "info": dict}.items():
            if name in content and not isinstance(content[name], kind):
                raise InputError(f"{damaged} ({name})")
        try:
            if content.get("backbone_file") is not None:
                content["backbone_file"] = BackboneFile(**content["backbone_file"])
            description = cls(**content)
        except TypeError as error:
            raise InputError(damaged) from error
        beside = description.backbone_file
        if beside is not None and not (
            isinstance(beside.sha256, str)
            and beside.file == Path(str(beside.file)).name
            and is_path(beside.file)
        ):
            raise InputError(
                f"{path}: expected the name and the hash of a file beside it as backbone_file, got "
                f"{shown(beside.file)} and {shown(beside.sha256)}"
            )
        return description


@dataclass(frozen=True)
class _File(WeightFile):
    """A weight file with what it says of itself, if it is a checkpoint of this package."""

    description: Description | None = None

    @property
    def backbone(self) -> dict[str, Any] | None:
        """The settings of the backbone it holds."""
        return None if self.description is None else self.description.backbone

    @property
    def variant(self) -> str | None:
        """The ResNet50 variant it says its backbone is of."""
        return (self.backbone or {}).get("variant")


def save_checkpoint(
    path: str | os.PathLike[str],
    network: MIMAMONet,
    backbone: Backbone | BackboneFile | None = None,
    info: Mapping[str, Any] | None = None,
) -> None:
    """Write a checkpoint; the same models and `info` give the same bytes.

    Args:
        path: ends in ``.safetensors``; a file there is replaced, whole or not at all.
        network: saved with its configuration.
        backbone: saved with its settings, or a file beside `path` that has it (`share_backbone`).
            Without it, whoever loads the checkpoint must have the backbone from elsewhere.
        info: notes on the training; anything JSON can hold.

    Raises:
        InputError: another suffix, or the folder cannot be written to.
        TypeError: JSON cannot hold `info`.
    """
    tensors = {f"{NETWORK_PREFIX}.{name}": value for name, value in network.state_dict().items()}
    _save(path, tensors, network.config.to_dict(), backbone, info)


def save_backbone(path: str | os.PathLike[str], backbone: Backbone) -> None:
    """Write a backbone alone, for :func:`load_backbone`; otherwise as :func:`save_checkpoint`."""
    _save(path, {}, {}, backbone, None)


def share_backbone(path: str | os.PathLike[str], backbone: Backbone) -> BackboneFile:
    """Write a backbone for checkpoints beside it to share, unless it is there already."""
    path = Path(path)
    shared = BackboneFile(path.name, weights_hash(backbone))
    try:
        if _backbone_hash(_read(path)) == shared.sha256:
            return shared
    except InputError:
        pass  # there is none, or it is damaged
    save_backbone(path, backbone)
    return shared


def update_info(path: str | os.PathLike[str], notes: Mapping[str, Any]) -> None:
    """Change some of a checkpoint's `info`; the file is left alone where it says the same already.

    Raises InputError if it cannot be read or written, or is no checkpoint of this package.
    """
    file = _read(path)
    if file.description is None:
        raise InputError(f"{path}: expected a checkpoint of this package, got other weights")
    info = file.description.info | dict(notes)
    # Compared as JSON, which knows lists alone.
    if json.dumps(info, sort_keys=True) != json.dumps(file.description.info, sort_keys=True):
        replace(file.description, info=info).save(Path(path), file.tensors)


def weights_hash(model: nn.Module) -> str:
    """SHA-256 (hexadecimal) of a model's weights: the same for the same names and values."""
    return _tensors_hash(model.state_dict())


def _save(
    path: str | os.PathLike[str],
    tensors: dict[str, Tensor],
    config: dict[str, Any],
    backbone: Backbone | BackboneFile | None,
    info: Mapping[str, Any] | None,
) -> None:
    if Path(path).suffix != ".safetensors":
        raise InputError(f"{path}: expected a name that ends in .safetensors")
    description = Description(config, None, dict(info or {}))
    if isinstance(backbone, BackboneFile):
        description = replace(description, backbone_file=backbone, format=_SHARING)
    elif backbone is not None:
        tensors |= {f"{BACKBONE_PREFIX}.{k}": value for k, value in backbone.state_dict().items()}
        description = replace(description, backbone=backbone.settings)
    description.save(Path(path), tensors)


def load_checkpoint(
    path: str | os.PathLike[str], backbone: str | os.PathLike[str] | None = None
) -> Checkpoint:
    """Load a network and its backbone, in evaluation mode, on the CPU.

    Args:
        path: a checkpoint of this package, with the file it shares its backbone in beside it, if it
            names one; the folder of a training run, whose best epoch is loaded and whose
            ``config.toml`` describes the network; or any other file that :func:`load_weights`
            reads into a MIMAMONet of the default configuration, such as the authors'
            ``model_weights.pth.tar``.
        backbone: weights of the ResNet50, see :func:`load_backbone`. Required where `path` holds
            no backbone; where it does, this one is used instead.

    Raises:
        InputError: a file cannot be read or does not fit, or there is no backbone.
    """
    folder = Path(path) if Path(path).is_dir() else None
    file = _read(path if folder is None else folder / RUN_BEST)
    description = file.description or Description()
    try:
        run = {} if folder is None else read_toml(folder / RUN_CONFIG)
        config = MIMAMOConfig.from_dict(run.get("network", description.config))
        _clip_length(description.info)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    network = built(lambda: MIMAMONet(config), file)
    if backbone is not None:
        loaded = load_backbone(backbone)
    else:
        own = _with_backbone(file)
        if own.backbone is None:
            raise InputError(f"{own.path}: holds no backbone; give the ResNet50's weights as well")
        loaded = _backbone(own.backbone, own)
    return Checkpoint(network.eval(), loaded, description.info)


def load_backbone(path: str | os.PathLike[str], image_size: int = 224) -> Backbone:
    """Build the ResNet50 that a weight file is for and load it, in evaluation mode, on the CPU.

    Args:
        path: FER+, VGGFace2 or torchvision weights, or a checkpoint of this package.
        image_size: for files that do not tell it (only checkpoints of this package do).

    Raises:
        InputError: the file cannot be read, does not fit, or does not tell the variant.
    """
    file = _with_backbone(_read(path))
    if file.backbone is not None:
        return _backbone(file.backbone, file)
    variant = variant_of(file)
    if variant is None:
        raise InputError(f"{path}: expected ResNet50 weights of FER+, VGGFace2 or torchvision")
    return _backbone({"variant": variant, "image_size": image_size}, file)


def _backbone(settings: Mapping[str, Any], file: _File) -> Backbone:
    if unknown := settings.keys() - {"kind", "variant", "image_size"}:
        raise InputError(f"{file.path}: backbone: unknown {min(unknown):.80}")

    def make() -> Backbone:
        try:
            small = settings.get("kind") == "small"
            return SmallBackbone(**settings) if small else ResNet50(**settings)
        except (InputError, TypeError) as error:
            raise InputError(f"{file.path}: backbone: {error}") from error

    return built(make, file, file.variant).eval()


def _clip_length(info: Mapping[str, Any]) -> int:
    """Raises InputError if a checkpoint's notes say one that cannot be."""
    training = info.get("training", {})
    length = training.get("clip_length", 64) if isinstance(training, dict) else training
    if not is_whole(length, 1, MOST_CLIP):
        raise InputError(
            f"clip_length: expected a whole number from 1 to {MOST_CLIP}, got {shown(length)}"
        )
    return length


def load_weights(model: Model, path: str | os.PathLike[str]) -> Model:
    """Load `model`'s weights from a file and return the model.

    Read are, told apart by their names (:mod:`mimamo.model.weights`):

    - for a MIMAMONet: a checkpoint of this package or a bare state dict; the authors'
      ``model_weights.pth.tar`` (its unused ``phasenet.classifier`` is left out);
    - for a ResNet50: a checkpoint of this package or a bare state dict; FER+ and VGGFace2
      (variant "ferplus") and torchvision (variant "torchvision") files. Classifiers are left out.

    Values are converted to the model's dtype and device. ``num_batches_tracked``, which old files
    lack, may be missing. Nothing in the file is executed. The model is changed only if everything
    fits. A bare state dict in this package's own names does not tell the ResNet50 variant: there,
    and only there, it is not checked.

    Args:
        model: a MIMAMONet or a ResNet50.
        path: a file that :func:`~mimamo.model.weights.read_weights` reads.

    Raises:
        InputError: the file cannot be read, belongs to another model or ResNet50 variant, or has
            missing, unexpected or misshapen entries.
        TypeError: `model` is of another class.
    """
    file = _read(path)
    if not isinstance(model, MIMAMONet):
        file = _with_backbone(file)
    return fit(model, file, file.variant)


def _read(path: str | os.PathLike[str]) -> _File:
    file = read_weights(path)
    description = Description.of(file)
    return _File(file.path, file.outline, partial(_checked, file), file.metadata, description)


def _checked(file: WeightFile) -> dict[str, Tensor]:
    """A file's tensors. Raises InputError if it has a checksum that is not theirs."""
    if METADATA_KEY in file.metadata:
        note = parse_json(file.metadata[METADATA_KEY])
        try:
            checked(note, note.keys(), partial(tensors_checksum, note, file.tensors))
        except ValueError as error:
            raise InputError(f"{file.path}: damaged: {error}") from error
    return file.tensors


def _with_backbone(file: _File) -> _File:
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
    found = _read(path)
    if (sha256 := _backbone_hash(found)) != beside.sha256:
        raise InputError(
            f"{path}: expected the backbone that {file.path.name} goes with, SHA-256 "
            f"{beside.sha256[:12]}…, got {sha256[:12]}…"
        )
    return found


def _backbone_hash(file: WeightFile) -> str:
    """The `weights_hash` of the backbone in a checkpoint of this package."""
    return _tensors_hash(named_under(f"{BACKBONE_PREFIX}.", file.tensors))


def _tensors_hash(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 (hexadecimal): the same for the same names and values."""
    digest = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        array = value.detach().cpu().contiguous().numpy()
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
