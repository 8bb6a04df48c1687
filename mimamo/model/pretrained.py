"""Networks as they are shared: a folder, here or on the hub, of a checkpoint and its settings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mimamo.errors import InputError
from mimamo.files import output_folder, write_json
from mimamo.locks import locked
from mimamo.model.checkpoint import Extractor, config_of, save_checkpoint
from mimamo.model.checkpoint_file import SHARED_BEST, SHARED_CONFIG, open_checkpoint
from mimamo.model.hub import NAME, PREFIX
from mimamo.model.network import MIMAMONet
from mimamo.model.weights import built


def load_pretrained(name: str | os.PathLike[str]) -> MIMAMONet:
    """As `MIMAMONet.from_pretrained`."""
    if not Path(name).exists() and NAME.fullmatch(os.fspath(name).partition("@")[0]):
        name = f"{PREFIX}{os.fspath(name)}"
    file = open_checkpoint(name)
    config = config_of(file)
    return built(lambda: MIMAMONet(config), file).eval()


def save_pretrained(
    folder: str | os.PathLike[str],
    network: MIMAMONet,
    backbone: Extractor | None = None,
    info: Mapping[str, Any] | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """As `MIMAMONet.save_pretrained`."""
    root = output_folder(folder)
    with locked(root):
        for path in (root / SHARED_BEST, root / SHARED_CONFIG):
            if path.exists() and not overwrite:
                raise InputError(f"{path}: exists; give another folder, or overwrite=True")
            if path.exists() and not path.is_file():
                raise InputError(f"{path}: expected a file to replace, got something else")
        save_checkpoint(root / SHARED_BEST, network, backbone, info)
        write_json(root / SHARED_CONFIG, {**(info or {}), "network": network.config.to_dict()})
