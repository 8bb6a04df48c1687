"""Reading weight files safely: nothing in them is executed, and what is no weight file is named.

A checkpoint of this package is a safetensors file with tensors ``network.…`` and ``backbone.…`` and
one entry of metadata, ``mimamo``: the :class:`Description` as JSON. In place of the backbone it may
name a file beside it that holds it, so that several checkpoints of a run share one.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from mimamo.errors import InputError
from mimamo.model.names import BACKBONE_PREFIX

_TORCH_SUFFIXES = (".pth", ".pt", ".tar")
_METADATA_KEY = "mimamo"
_FORMAT, SHARING = 1, 2  # the latter: its backbone is in a file beside it


@dataclass(frozen=True)
class BackboneFile:
    """A backbone in a file of its own, in the folder of the checkpoints that go with it."""

    file: str  # its name
    sha256: str  # of its weights, see `tensors_hash`


@dataclass(frozen=True)
class Description:
    """What a checkpoint says of itself beside its tensors."""

    config: dict[str, Any] = field(default_factory=dict)  # of the network
    backbone: dict[str, Any] | None = None  # its settings; None: the file has none
    info: dict[str, Any] = field(default_factory=dict)  # notes on the training
    format: int = _FORMAT
    backbone_file: BackboneFile | None = None  # where it is instead; only in format 2

    def to_metadata(self) -> dict[str, str]:
        """Return the metadata of a safetensors file.

        One entry only, sorted: safetensors writes several in no fixed order.
        """
        content = asdict(self)
        if self.backbone_file is None:
            del content["backbone_file"]
        return {_METADATA_KEY: json.dumps(content, sort_keys=True)}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], path: Path) -> Description | None:
        """Parse a file's metadata; None if the file is no checkpoint of this package.

        Raises InputError, with `path`, if they are damaged or of a later format.
        """
        if _METADATA_KEY not in metadata:
            return None
        try:
            content = dict(json.loads(metadata[_METADATA_KEY]))
        except (ValueError, TypeError) as error:
            raise InputError(f"{path}: expected a checkpoint, got damaged metadata") from error
        if (found := content.get("format", _FORMAT)) not in (_FORMAT, SHARING):
            raise InputError(
                f"{path}: expected checkpoint format {_FORMAT} or {SHARING}, got {found!r}; "
                "it may need a newer version of this package"
            )
        try:
            if content.get("backbone_file") is not None:
                content["backbone_file"] = BackboneFile(**content["backbone_file"])
            description = cls(**content)
        except TypeError as error:
            raise InputError(f"{path}: expected a checkpoint, got damaged metadata") from error
        kinds = {"config": dict, "backbone": dict | None, "info": dict}
        for name, kind in kinds.items():
            if not isinstance(getattr(description, name), kind):
                raise InputError(f"{path}: expected a checkpoint, got damaged metadata ({name})")
        beside = description.backbone_file
        if beside is not None and not (
            isinstance(beside.sha256, str) and beside.file == Path(str(beside.file)).name
        ):
            raise InputError(
                f"{path}: expected the name and the hash of a file beside it as backbone_file, got "
                f"{beside.file!r} and {beside.sha256!r}"
            )
        return description


@dataclass(frozen=True)
class WeightFile:
    """What a weight file holds: named tensors on the CPU, and a checkpoint's description."""

    path: Path
    tensors: Mapping[str, Tensor]
    description: Description | None = None


def read_weights(path: str | os.PathLike[str]) -> WeightFile:
    """Read all tensors of a weight file.

    Args:
        path: ``.safetensors``, or ``.pth``, ``.pt`` or ``.pth.tar`` with a state dict or a dict
            that holds one as ``state_dict``. A ``module.`` that all names start with, left by
            ``DataParallel``, is taken off.

    Raises:
        InputError: the file is missing, empty, damaged, of another kind, or holds anything but
            tensors under names.
    """
    path = Path(path)
    try:
        if not path.exists():
            raise InputError(f"{path}: no such weights file")
        if not path.is_file():
            raise InputError(f"{path}: expected a weights file, got something else (a folder?)")
        if path.stat().st_size == 0:
            raise InputError(f"{path}: expected a weights file, got an empty one")
        if path.suffix == ".safetensors":
            tensors, metadata = _read_safetensors(path)
        elif path.suffix in _TORCH_SUFFIXES:
            tensors, metadata = _read_torch(path), {}
        else:
            raise InputError(
                f"{path}: expected .safetensors, .pth, .pt or .pth.tar, got {path.suffix!r}"
            )
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    if all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    return WeightFile(path, tensors, Description.from_metadata(metadata, path))


def with_backbone(file: WeightFile) -> WeightFile:
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
    found = read_weights(path)
    if (sha256 := backbone_hash(found)) != beside.sha256:
        raise InputError(
            f"{path}: expected the backbone that {file.path.name} goes with, SHA-256 "
            f"{beside.sha256[:12]}…, got {sha256[:12]}…"
        )
    return found


def backbone_hash(file: WeightFile) -> str:
    """The `tensors_hash` of the backbone in a checkpoint of this package."""
    prefix = f"{BACKBONE_PREFIX}."
    return tensors_hash(
        {
            name.removeprefix(prefix): tensor
            for name, tensor in file.tensors.items()
            if name.startswith(prefix)
        }
    )


def tensors_hash(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 (hexadecimal): the same for the same names and values."""
    digest = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        array = value.detach().cpu().contiguous().numpy()
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            names = file.keys()
            return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
    except SafetensorError as error:
        raise InputError(
            f"{path}: expected a safetensors file, got a damaged or different one ({error})"
        ) from error


def _read_torch(path: Path) -> dict[str, Tensor]:
    with path.open("rb") as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about unusual pickles, which are refused or read below
        try:
            content = torch.load(stream, map_location="cpu", weights_only=True)
        except Exception as error:  # a damaged file can raise anything
            raise InputError(
                f"{path}: expected a PyTorch file of tensors alone, got one that is damaged or "
                "holds other objects, which are not loaded because that can run code"
            ) from error
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping):
        raise InputError(f"{path}: expected a state dict, got {type(content).__name__}")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise InputError(
                f"{path}: expected a state dict of tensors, got {type(value).__name__} as {name!r}"
            )
    return dict(content)
