"""Folders of weights on the Hugging Face Hub, by its own client, which need not be installed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mimamo.errors import InputError

PREFIX = "hf:"  # what is on the hub is called hf:owner/name, or hf:owner/name@revision
NAME = re.compile(r"[\w.-]+/[\w.-]+")
# Of a folder of `save_pretrained`, a run or a cross-validation; never what would be unpickled.
_TAKEN = ["*.safetensors", "config.json", "*config.toml"]
_LEFT = ["*state.safetensors", "*last.safetensors", "*held_out.safetensors"]


def is_on_hub(path: str | os.PathLike[str]) -> bool:
    """Whether it names what is on the hub."""
    return os.fspath(path).startswith(PREFIX)


def fetched(path: str | os.PathLike[str]) -> Path:
    """The local copy of a folder on the hub, downloaded unless it is there.

    Where the hub is, where copies are kept and whether a network may be used is as its client has
    it: ``HF_ENDPOINT``, ``HF_HOME``, ``HF_HUB_OFFLINE``.

    Raises InputError if it cannot be had.
    """
    name, _, revision = os.fspath(path).removeprefix(PREFIX).partition("@")
    with _client(name, "fetched from") as client:
        copy = client.snapshot_download(
            name, revision=revision or None, allow_patterns=_TAKEN, ignore_patterns=_LEFT
        )
        return Path(copy)


def push(folder: Path, name: str, private: bool) -> str:
    """Put a folder's files on the hub as ``owner/name``, made if need be; where they are then.

    Raises InputError if they cannot be put there.
    """
    with _client(name, "put on") as client:
        client.create_repo(name, private=private, exist_ok=True)
        client.upload_folder(repo_id=name, folder_path=folder)
        return f"{client.endpoint}/{name}"


@contextmanager
def _client(name: str, verb: str) -> Iterator[Any]:
    """The hub's client; InputError, in one line, for whatever goes wrong with it in the block."""
    path = PREFIX + name
    if not NAME.fullmatch(name):
        raise InputError(
            f"{path}: expected owner/name, with letters, digits and any of ._- in both"
        )
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise InputError(
            f"{path}: needs the package huggingface_hub; install it by `pip install "
            "huggingface_hub`, or this package with the extra hub"
        ) from error
    client = HfApi()
    try:
        yield client
    except Exception as error:  # of its own and of what it stands on: they have nothing in common
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise InputError(f"{path}: cannot be {verb} {client.endpoint}: {reason}") from error
