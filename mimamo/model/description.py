"""What a checkpoint of this package says of itself, in its metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from torch import Tensor

from mimamo.errors import InputError
from mimamo.files import is_path, parse_json
from mimamo.model.weights import WeightFile
from mimamo.settings import shown
from mimamo.tensor_file import CHECKSUM, checked, save_tensors

METADATA_KEY = "mimamo"
FORMAT, SHARING = 1, 2  # the latter: its backbone is in a file beside it


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
    format: int = FORMAT
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
            content = parse_json(metadata[METADATA_KEY])
        except ValueError as error:
            raise InputError(damaged) from error
        if not isinstance(content, dict):
            raise InputError(damaged)
        if (found := content.get("format")) not in (FORMAT, SHARING):
            raise InputError(
                f"{path}: expected checkpoint format {FORMAT} or {SHARING}, got {shown(found)}; "
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
