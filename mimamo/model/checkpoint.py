"""Checkpoints: one safetensors file with the network, its backbone and how they were made.

It holds tensors ``network.…`` and ``backbone.…`` and one entry of metadata, ``mimamo``: the
:class:`Description` as JSON. In place of the backbone it may name a file beside it that holds it,
so that several checkpoints of a run share one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mimamo.errors import InputError
from mimamo.model.checkpoint_file import (
    CheckpointFile,
    backbone_hash,
    open_checkpoint,
    read_file,
    tensors_hash,
    with_backbone,
)
from mimamo.model.config import MOST_CLIP, OUTPUTS, MIMAMOConfig
from mimamo.model.description import SHARING, BackboneFile, Description
from mimamo.model.given_features import GivenFeatures
from mimamo.model.network import MIMAMONet
from mimamo.model.onnx_backbone import KIND as ONNX
from mimamo.model.onnx_backbone import OnnxBackbone
from mimamo.model.onnx_file import SUFFIX as ONNX_SUFFIX
from mimamo.model.onnx_file import OnnxFile, read_onnx
from mimamo.model.onnx_session import OnnxSettings
from mimamo.model.resnet50 import ResNet50
from mimamo.model.small_backbone import SmallBackbone
from mimamo.model.weights import (
    BACKBONE_PREFIX,
    NETWORK_PREFIX,
    Model,
    built,
    fit,
    variant_of,
)
from mimamo.settings import is_whole, shown

Backbone = ResNet50 | SmallBackbone
Extractor = Backbone | OnnxBackbone  # which computes features too, but is not trained
FeatureSource = Extractor | GivenFeatures  # which computes none, and tells whose they are


@dataclass(frozen=True)
class Checkpoint:
    """All that predicting needs: the network, the backbone its features come from, and notes."""

    network: MIMAMONet
    backbone: FeatureSource
    info: dict[str, Any] = field(default_factory=dict)
    path: Path = Path("network")  # of its file, for messages

    @property
    def clip_length(self) -> int:
        """Frames of the clips it was trained on; 64 where nothing tells."""
        return _clip_length(self.info)


def save_checkpoint(
    path: str | os.PathLike[str],
    network: MIMAMONet,
    backbone: FeatureSource | BackboneFile | None = None,
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


def save_backbone(path: str | os.PathLike[str], backbone: FeatureSource) -> None:
    """Write a backbone alone, for :func:`load_backbone`; otherwise as :func:`save_checkpoint`."""
    _save(path, {}, {}, backbone, None)


def share_backbone(path: str | os.PathLike[str], backbone: FeatureSource) -> BackboneFile:
    """Write a backbone for checkpoints beside it to share, unless it is there already."""
    path = Path(path)
    shared = BackboneFile(path.name, weights_hash(backbone))
    try:
        if backbone_hash(read_file(path)) == shared.sha256:
            return shared
    except InputError:
        pass  # there is none, or it is damaged
    save_backbone(path, backbone)
    return shared


def update_info(path: str | os.PathLike[str], notes: Mapping[str, Any]) -> None:
    """Change some of a checkpoint's `info`; the file is left alone where it says the same already.

    Raises InputError if it cannot be read or written, or is no checkpoint of this package.
    """
    file = read_file(path)
    if file.description is None:
        raise InputError(f"{path}: expected a checkpoint of this package, got other weights")
    info = file.description.info | dict(notes)
    # Compared as JSON, which knows lists alone.
    if json.dumps(info, sort_keys=True) != json.dumps(file.description.info, sort_keys=True):
        replace(file.description, info=info).save(Path(path), file.tensors)


def weights_hash(model: nn.Module) -> str:
    """SHA-256 (hexadecimal) of a model's weights: the same for the same names and values."""
    return tensors_hash(model.state_dict())


def _save(
    path: str | os.PathLike[str],
    tensors: dict[str, Tensor],
    config: dict[str, Any],
    backbone: FeatureSource | BackboneFile | None,
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
    description.save(Path(path), tensors)


def load_checkpoint(
    path: str | os.PathLike[str],
    backbone: str | os.PathLike[str] | None = None,
    *,
    outputs: Sequence[str] | None = None,
    published_gru: bool = False,
) -> Checkpoint:
    """Load a network and its backbone, in evaluation mode, on the CPU.

    Args:
        path: a checkpoint of this package, with the file it shares its backbone in beside it, if it
            names one; the folder of a training run, whose best epoch is loaded and whose
            ``config.toml`` describes the network; a folder that `MIMAMONet.save_pretrained` wrote;
            ``hf:owner/name``, such a folder on the Hugging Face Hub; or any other file that
            :func:`load_weights` reads into a MIMAMONet of the default configuration, such as the
            authors' ``model_weights.pth.tar``.
        backbone: weights of the ResNet50, see :func:`load_backbone`. Required where `path` holds
            no backbone; where it does, this one is used instead. An error where `path` holds
            `GivenFeatures`; where it holds an ONNX file it has to be that.
        outputs: what a file's outputs are, in their order, where it does not tell: "valence" and
            "arousal", "arousal" and "valence", or one of them; None for the first.
        published_gru: run the GRU over clips as the published code does, see `MIMAMOConfig`; of
            files that do not tell.

    Raises:
        InputError: a file cannot be read or does not fit, or there is no backbone, or a file tells
            what `outputs` or `published_gru` would say.
    """
    given = None if backbone is None else load_given(backbone)
    return build_checkpoint(open_checkpoint(path), given, outputs, published_gru)


def build_checkpoint(
    file: CheckpointFile,
    backbone: FeatureSource | OnnxFile | None = None,
    outputs: Sequence[str] | None = None,
    published_gru: bool = False,
) -> Checkpoint:
    """`load_checkpoint` of what `open_checkpoint` has opened, with what `load_given` has loaded."""
    kind = None if backbone is None else file.kind
    if kind == "features":
        raise InputError(
            f"{file.path}: these weights take features of no backbone; expected no --backbone"
        )
    network = built(partial(MIMAMONet, config_of(file, outputs, published_gru)), file)
    if backbone is None:
        found = _own_backbone(file)
    elif kind == ONNX:
        found = _own_backbone(file)
        _expect_same(file, found, backbone)
    elif isinstance(backbone, OnnxFile):
        raise InputError(
            f"{backbone.path}: {file.path} does not say what pictures this takes; give the "
            "backbone.safetensors of a cache that was extracted with it"
        )
    else:
        found = backbone
    return Checkpoint(in_order(network, outputs).eval(), found, file.notes, file.path)


def _own_backbone(file: CheckpointFile) -> FeatureSource:
    """What comes with it. Raises InputError if nothing does."""
    own = with_backbone(file)
    if own.backbone is None:
        raise InputError(
            f"{own.path}: holds no backbone; give the ResNet50's weights as well (--backbone)"
        )
    return _backbone(own.backbone, own)


def _expect_same(file: CheckpointFile, own: FeatureSource, given: FeatureSource | OnnxFile) -> None:
    """InputError if weights that take features of an ONNX file are given another backbone."""
    if isinstance(given, OnnxFile) and isinstance(own, OnnxBackbone):
        own.expect_same(given)
    elif isinstance(given, OnnxFile) or weights_hash(own) != weights_hash(given):
        label = own.label if isinstance(own, OnnxBackbone) else "another backbone"
        raise InputError(
            f"{file.path}: these weights take features of {label}; expected it as --backbone, or "
            "none, got another one"
        )


def config_of(
    file: CheckpointFile, outputs: Sequence[str] | None = None, published_gru: bool = False
) -> MIMAMOConfig:
    """The settings of a file's network; arguments, and what it raises, as of `load_checkpoint`."""
    description = file.description or Description()
    said, by = description.config, file.path
    if "network" in file.settings:
        said, by = file.settings["network"], file.settings_file or by
    try:
        config = MIMAMOConfig.from_dict(said)
    except InputError as error:
        raise InputError(f"{by}: {error}") from error
    try:
        _clip_length(description.info)
    except InputError as error:
        raise InputError(f"{file.path}: {error}") from error
    if file.is_told:
        if outputs is not None or published_gru:
            raise InputError(
                f"{file.path}: tells what its outputs are and what its GRU runs over; expected "
                "neither --outputs nor --published-gru"
            )
        return config
    names = tuple(OUTPUTS[: file.columns] if outputs is None else outputs)
    if outputs is None and len(names) < len(OUTPUTS):
        raise InputError(f"{file.path}: has one output and does not tell which; --outputs says it")
    if sorted(names) not in (sorted(OUTPUTS), *([name] for name in OUTPUTS)):
        raise InputError(f"outputs: expected valence and arousal, got {shown(names)}")
    if len(names) != file.columns:
        raise InputError(
            f"{file.path}: expected {len(names)} output{'s' * (len(names) > 1)} "
            f"({', '.join(names)}), got {file.columns}"
        )
    recurrence = "clips" if published_gru else config.recurrence
    ordered = tuple(name for name in OUTPUTS if name in names)
    return replace(config, outputs=ordered, recurrence=recurrence)


@torch.no_grad()
def in_order(network: MIMAMONet, outputs: Sequence[str] | None) -> MIMAMONet:
    """The network, whose outputs were in this order, with valence first."""
    if outputs is not None and tuple(outputs) == OUTPUTS[::-1]:
        for value in network.head.state_dict().values():
            if value.ndim:  # all but a count
                value.copy_(value.flip(0))
    return network


def load_given(path: str | os.PathLike[str]) -> FeatureSource | OnnxFile:
    """A backbone beside weights: `load_backbone`, but of an ONNX file that alone.

    What it does not tell, the weights do.
    """
    return read_onnx(path) if Path(path).suffix == ONNX_SUFFIX else load_backbone(path)


def load_backbone(
    path: str | os.PathLike[str], image_size: int = 224, onnx: OnnxSettings | None = None
) -> FeatureSource:
    """Build the ResNet50 that a weight file is for and load it, in evaluation mode, on the CPU.

    Of a checkpoint of this package it is what that holds, which may be another backbone, or
    `GivenFeatures` where there is none.

    Args:
        path: FER+, VGGFace2 or torchvision weights, an ONNX file, or a checkpoint of this package.
        image_size: for files that do not tell it (only checkpoints of this package do, and ONNX
            files may).
        onnx: how an ONNX file is used; None for the default. An error for other files.

    Raises:
        InputError: the file cannot be read, does not fit, or does not tell the variant; or an ONNX
            file cannot be run.
    """
    if Path(path).suffix == ONNX_SUFFIX:
        return OnnxBackbone.of(read_onnx(path), image_size, onnx or OnnxSettings())
    if onnx is not None:
        raise InputError(f"{path}: expected an ONNX file for what the options --onnx-… say")
    file = with_backbone(read_file(path))
    if file.backbone is not None:
        return _backbone(file.backbone, file)
    variant = variant_of(file)
    if variant is None:
        raise InputError(f"{path}: expected ResNet50 weights of FER+, VGGFace2 or torchvision")
    return _backbone({"variant": variant, "image_size": image_size}, file)


def _backbone(settings: Mapping[str, Any], file: CheckpointFile) -> FeatureSource:
    is_onnx = settings.get("kind") == ONNX
    unknown = settings.keys() - {"kind", "variant", "image_size", "folders"}
    if unknown and not is_onnx:
        raise InputError(f"{file.path}: backbone: unknown {min(unknown):.80}")

    def make() -> FeatureSource:
        try:
            if is_onnx:
                return OnnxBackbone(**settings)
            if settings.get("kind") == "features":
                return GivenFeatures(**settings)
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
    file = read_file(path)
    if not isinstance(model, MIMAMONet):
        file = with_backbone(file)
    return fit(model, file, file.variant)
