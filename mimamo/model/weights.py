"""Loading weight files into models: whatever names they use, and all or nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from mimamo.errors import InputError
from mimamo.model.names import FERPLUS, TORCHVISION, Naming, namings
from mimamo.model.network import MIMAMONet
from mimamo.model.resnet50 import ResNet50
from mimamo.model.weight_file import WeightFile, read_weights, with_backbone

Model = TypeVar("Model", bound=nn.Module)

_SHOWN = 3  # entries of each kind that a message lists


def load_weights(model: Model, path: str | os.PathLike[str]) -> Model:
    """Load `model`'s weights from a file and return the model.

    Read are, told apart by their names (:mod:`mimamo.model.names`):

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
        path: a file that :func:`~mimamo.model.weight_file.read_weights` reads.

    Raises:
        InputError: the file cannot be read, belongs to another model or ResNet50 variant, or has
            missing, unexpected or misshapen entries.
        TypeError: `model` is of another class.
    """
    file = read_weights(path)
    return fit(model, file if isinstance(model, MIMAMONet) else with_backbone(file))


def fit(model: Model, file: WeightFile) -> Model:
    """Load what was read into `model`; see :func:`load_weights`."""
    naming = _best(namings(model), file)
    variant = variant_of(file)
    if isinstance(model, ResNet50) and variant not in (None, model.variant):
        raise InputError(
            f"{file.path}: expected weights of ResNet50(variant={model.variant!r}), got those of "
            f"variant {variant!r} ({naming.label})"
        )
    own = model.state_dict()
    renamed: dict[str, Tensor] = {}
    unexpected = []
    for entry, tensor in file.tensors.items():
        name = naming.translate(entry)
        if name in own:
            renamed[name] = tensor
        elif not naming.ignores(entry):
            unexpected.append(entry)
    absent = [name for name in own if name not in renamed]
    missing = [name for name in absent if not name.endswith(".num_batches_tracked")]
    unfit = [
        f"{name}: {why}" for name, tensor in renamed.items() if (why := _unfit(tensor, own[name]))
    ]
    kinds = {"missing": missing, "unexpected": unexpected, "misshapen": unfit}
    if problems := [_list(kind, entries) for kind, entries in kinds.items() if entries]:
        raise InputError(
            f"{file.path}: does not fit {type(model).__name__} (read as {naming.label}): "
            + "; ".join(problems)
        )
    uncounted = {name: torch.zeros_like(own[name]) for name in absent}
    model.load_state_dict(renamed | uncounted)
    return model


def variant_of(file: WeightFile) -> str | None:
    """Return the ResNet50 variant that `file` is for; None if it does not tell."""
    if file.description is not None and file.description.backbone is not None:
        return file.description.backbone.get("variant")
    naming = _best([FERPLUS, TORCHVISION], file)
    return naming.variant if _matches(naming, file.tensors) else None


def _best(candidates: Sequence[Naming], file: WeightFile) -> Naming:
    """Return the naming that knows the most of the file's entries; the first of equals."""
    return max(candidates, key=lambda naming: _matches(naming, file.tensors))


def _matches(naming: Naming, entries: Mapping[str, Tensor]) -> int:
    return sum(naming.translate(entry) is not None for entry in entries)


def _unfit(tensor: Tensor, own: Tensor) -> str | None:
    """Why `tensor` cannot become `own`'s value; None if it can."""
    if tensor.shape != own.shape:
        return f"expected {list(own.shape)}, got {list(tensor.shape)}"
    if tensor.layout != torch.strided or tensor.device.type != "cpu":
        return f"expected a dense tensor, got {tensor.layout} on {tensor.device}"
    if tensor.is_floating_point() != own.is_floating_point():
        return f"expected {own.dtype}, got {tensor.dtype}"
    if not bool(tensor.to(own.dtype).isfinite().all()):
        return "expected finite values, got NaN or infinity"
    return None


def _list(kind: str, entries: Sequence[str]) -> str:
    more = ", …" if len(entries) > _SHOWN else ""
    return f"{len(entries)} {kind} ({', '.join(entries[:_SHOWN])}{more})"
