"""Checkpoints: one safetensors file with the network, its backbone and how they were made."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from mimamo.errors import InputError
from mimamo.files import replacing
from mimamo.network.config import MIMAMOConfig
from mimamo.network.mimamo_net import MIMAMONet
from mimamo.network.names import BACKBONE_PREFIX, NETWORK_PREFIX
from mimamo.network.resnet50 import ResNet50
from mimamo.network.small_backbone import SmallBackbone
from mimamo.network.weight_file import (
    SHARING,
    BackboneFile,
    Description,
    WeightFile,
    backbone_hash,
    read_weights,
    tensors_hash,
    with_backbone,
)
from mimamo.network.weights import fit, variant_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

RUN_BEST, RUN_CONFIG = "best.safetensors", "config.toml"  # in the folder of a training run

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
        return int(self.info.get("training", {}).get("clip_length", 64))


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
        if backbone_hash(read_weights(path)) == shared.sha256:
            return shared
    except InputError:
        pass  # there is none, or it is damaged
    save_backbone(path, backbone)
    return shared


def update_info(path: str | os.PathLike[str], changes: Mapping[str, Any]) -> None:
    """Change some of a checkpoint's `info`; the file is left alone where it says the same already.

    Raises InputError if it cannot be read or written, or is no checkpoint of this package.
    """
    file = read_weights(path)
    if file.description is None:
        raise InputError(f"{path}: expected a checkpoint of this package, got other weights")
    info = file.description.info | dict(changes)
    # Compared as JSON, which knows lists alone.
    if json.dumps(info, sort_keys=True) != json.dumps(file.description.info, sort_keys=True):
        _write(Path(path), file.tensors, replace(file.description, info=info))


def weights_hash(model: nn.Module) -> str:
    """SHA-256 (hexadecimal) of a model's weights: the same for the same names and values."""
    return tensors_hash(model.state_dict())


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
        description = replace(description, backbone_file=backbone, format=SHARING)
    elif backbone is not None:
        tensors |= {f"{BACKBONE_PREFIX}.{k}": value for k, value in backbone.state_dict().items()}
        description = replace(description, backbone=backbone.settings)
    # Safetensors asks for contiguous tensors, and weights in channels_last are not.
    tensors = {name: value.contiguous() for name, value in tensors.items()}
    _write(Path(path), tensors, description)


def _write(path: Path, tensors: dict[str, Tensor], description: Description) -> None:
    with replacing(path) as temporary:
        try:
            save_file(tensors, temporary, description.to_metadata())
        except SafetensorError as error:  # such as a full disk
            raise InputError(f"{path}: cannot be written: {error}") from error


def load_checkpoint(
    path: str | os.PathLike[str], backbone: str | os.PathLike[str] | None = None
) -> Checkpoint:
    """Load a network and its backbone, in evaluation mode, on the CPU.

    Args:
        path: a checkpoint of this package, with the file it shares its backbone in beside it, if it
            names one; the folder of a training run, whose best epoch is
            loaded and whose ``config.toml`` describes the network; or any other file
            :func:`~mimamo.network.weights.load_weights` reads into a MIMAMONet of the default
            configuration, such as the authors' ``model_weights.pth.tar``.
        backbone: weights of the ResNet50, see :func:`load_backbone`. Required where `path` holds
            no backbone; where it does, this one is used instead.

    Raises:
        InputError: a file cannot be read or does not fit, or there is no backbone.
    """
    folder = Path(path) if Path(path).is_dir() else None
    file = read_weights(path if folder is None else folder / RUN_BEST)
    description = file.description or Description()
    try:
        described = description.config if folder is None else _run_config(folder / RUN_CONFIG)
        config = MIMAMOConfig.from_dict(described)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    network = fit(MIMAMONet(config), file)
    if backbone is not None:
        loaded = load_backbone(backbone)
    else:
        own = with_backbone(file)
        if own.description is None or own.description.backbone is None:
            raise InputError(f"{own.path}: holds no backbone; give the ResNet50's weights as well")
        loaded = _backbone(own.description.backbone, own)
    return Checkpoint(network.eval(), loaded, description.info)


def _run_config(path: Path) -> Mapping[str, Any]:
    """What a run's settings say of the network."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")).get("network", {})
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # what the decoders of TOML and of UTF-8 raise
        raise InputError(f"{path}: expected TOML, got something else ({error})") from error


def load_backbone(path: str | os.PathLike[str], image_size: int = 224) -> Backbone:
    """Build the ResNet50 that a weight file is for and load it, in evaluation mode, on the CPU.

    Args:
        path: FER+, VGGFace2 or torchvision weights, or a checkpoint of this package.
        image_size: for files that do not tell it (only checkpoints of this package do).

    Raises:
        InputError: the file cannot be read, does not fit, or does not tell the variant.
    """
    file = with_backbone(read_weights(path))
    if file.description is not None and file.description.backbone is not None:
        return _backbone(file.description.backbone, file)
    variant = variant_of(file)
    if variant is None:
        raise InputError(f"{path}: expected ResNet50 weights of FER+, VGGFace2 or torchvision")
    return _backbone({"variant": variant, "image_size": image_size}, file)


def _backbone(settings: Mapping[str, Any], file: WeightFile) -> Backbone:
    try:
        small = settings.get("kind") == "small"
        model = SmallBackbone(**settings) if small else ResNet50(**settings)
    except (InputError, TypeError) as error:
        raise InputError(f"{file.path}: backbone: {error}") from error
    return fit(model, file).eval()
