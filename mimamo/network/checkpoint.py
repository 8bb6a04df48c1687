"""Checkpoints: one safetensors file with the network, its backbone and how they were made."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from mimamo.errors import InputError
from mimamo.files import replacing
from mimamo.network.config import MIMAMOConfig
from mimamo.network.mimamo_net import MIMAMONet
from mimamo.network.names import BACKBONE_PREFIX, NETWORK_PREFIX
from mimamo.network.resnet50 import ResNet50
from mimamo.network.weight_file import Description, WeightFile, read_weights
from mimamo.network.weights import fit, variant_of


@dataclass(frozen=True)
class Checkpoint:
    """All that predicting needs: the network, the backbone its features come from, and notes."""

    network: MIMAMONet
    backbone: ResNet50
    info: dict[str, Any] = field(default_factory=dict)


def save_checkpoint(
    path: str | os.PathLike[str],
    network: MIMAMONet,
    backbone: ResNet50 | None = None,
    info: Mapping[str, Any] | None = None,
) -> None:
    """Write a checkpoint; the same models and `info` give the same bytes.

    Args:
        path: ends in ``.safetensors``; a file there is replaced, whole or not at all.
        network: saved with its configuration.
        backbone: saved with its variant and image size. Without it, whoever loads the checkpoint
            must have the backbone from elsewhere.
        info: notes on the training; anything JSON can hold.

    Raises:
        InputError: another suffix, or the folder cannot be written to.
        TypeError: JSON cannot hold `info`.
    """
    if Path(path).suffix != ".safetensors":
        raise InputError(f"{path}: expected a name that ends in .safetensors")
    tensors = {f"{NETWORK_PREFIX}.{name}": value for name, value in network.state_dict().items()}
    settings = None
    if backbone is not None:
        tensors |= {f"{BACKBONE_PREFIX}.{k}": value for k, value in backbone.state_dict().items()}
        settings = {"variant": backbone.variant, "image_size": backbone.image_size}
    # Safetensors asks for contiguous tensors, and weights in channels_last are not.
    tensors = {name: value.contiguous() for name, value in tensors.items()}
    metadata = Description(network.config.to_dict(), settings, dict(info or {})).to_metadata()
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata)


def load_checkpoint(
    path: str | os.PathLike[str], backbone: str | os.PathLike[str] | None = None
) -> Checkpoint:
    """Load a network and its backbone, in evaluation mode, on the CPU.

    Args:
        path: a checkpoint of this package; or any other file
            :func:`~mimamo.network.weights.load_weights` reads into a MIMAMONet of the default
            configuration, such as the authors' ``model_weights.pth.tar``.
        backbone: weights of the ResNet50, see :func:`load_backbone`. Required where `path` holds
            no backbone; where it does, this one is used instead.

    Raises:
        InputError: a file cannot be read or does not fit, or there is no backbone.
    """
    file = read_weights(path)
    description = file.description or Description()
    try:
        config = MIMAMOConfig.from_dict(description.config)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    network = fit(MIMAMONet(config), file)
    if backbone is not None:
        loaded = load_backbone(backbone)
    elif description.backbone is not None:
        loaded = _backbone(description.backbone, file)
    else:
        raise InputError(f"{path}: holds no backbone; give the ResNet50's weights as well")
    return Checkpoint(network.eval(), loaded, description.info)


def load_backbone(path: str | os.PathLike[str], image_size: int = 224) -> ResNet50:
    """Build the ResNet50 that a weight file is for and load it, in evaluation mode, on the CPU.

    Args:
        path: FER+, VGGFace2 or torchvision weights, or a checkpoint of this package.
        image_size: for files that do not tell it (only checkpoints of this package do).

    Raises:
        InputError: the file cannot be read, does not fit, or does not tell the variant.
    """
    file = read_weights(path)
    if file.description is not None and file.description.backbone is not None:
        return _backbone(file.description.backbone, file)
    variant = variant_of(file)
    if variant is None:
        raise InputError(f"{path}: expected ResNet50 weights of FER+, VGGFace2 or torchvision")
    return _backbone({"variant": variant, "image_size": image_size}, file)


def _backbone(settings: Mapping[str, Any], file: WeightFile) -> ResNet50:
    try:
        model = ResNet50(**settings)
    except (InputError, TypeError) as error:
        raise InputError(f"{file.path}: backbone: {error}") from error
    return fit(model, file).eval()
