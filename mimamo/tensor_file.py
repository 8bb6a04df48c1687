"""Safetensors files of this package: named tensors, and a note in JSON as their metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from mimamo.errors import InputError
from mimamo.files import replacing


def save_tensors(path: Path, tensors: Mapping[str, Tensor], key: str, note: Any) -> None:
    """Write tensors with `note` under `key`, whole or not at all; the same give the same bytes.

    Raises InputError, naming the file, if it cannot be written.
    """
    # Weights in channels_last are not contiguous, as safetensors asks for. There is one entry of
    # metadata, because it writes several in no fixed order.
    contiguous = {name: value.contiguous() for name, value in tensors.items()}
    with replacing(path) as temporary:
        try:
            save_file(contiguous, temporary, {key: json.dumps(note, sort_keys=True)})
        except (SafetensorError, OSError) as error:  # such as a full disk
            raise InputError(f"{path}: cannot be written: {error}") from error


def load_tensors(path: Path, key: str, message: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Map the tensors of a file and read its note.

    Raises InputError, with the file and `message` of the reason ("{}"), if it is not whole or has
    no such note.
    """
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, dict(json.loads((file.metadata() or {})[key]))
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: {message.format(error)}") from error


def load_note(path: Path, key: str) -> dict[str, Any]:
    """The note of a file alone; empty where there is no such file, or none that is whole."""
    try:
        with safe_open(path, "pt") as file:
            return dict(json.loads((file.metadata() or {})[key]))
    except (SafetensorError, OSError, KeyError, TypeError, ValueError):
        return {}


def named_under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those whose names begin with `prefix`, without it."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
