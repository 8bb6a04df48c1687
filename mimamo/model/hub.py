"""Folders of weights on the Hugging Face Hub, by its own client, which need not be installed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mimamo.errors import InputError

PREFIX = "hf:"  # what is on the hub is called hf:owner/name, or hf:owner/name@revision
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
    with _speaking(path) as hub:
        copy = hub.snapshot_download(
            name, revision=revision or None, allow_patterns=_TAKEN, ignore_patterns=_LEFT
        )
        return Path(copy)


def push(folder: Path, name: str, private: bool) -> str:
    """Put a folder's files on the hub as ``owner/name``, made if need be; where they are then.

    Raises InputError if they cannot be put there.
    """
    with _speaking(PREFIX + name) as hub:
        client = hub.HfApi()
        client.create_repo(name, private=private, exist_ok=True)
        client.upload_folder(repo_id=name, folder_path=folder)
        return f"{client.endpoint}/{name}"


@contextmanager
def _speaking(path: str | os.PathLike[str]) -> Iterator[Any]:
    """The hub's client; InputError, in one line, for whatever goes wrong with it in the block."""
    try:
        import huggingface_hub
    except ImportError as error:
        raise InputError(
            f"{path}: needs the package huggingface_hub; install it by `pip install "
            "huggingface_hub`, or this package with the extra hub"
        ) from error
    try:
        yield huggingface_hub
    except Exception as error:  # of names, of its own, of the network below it: there is no common
        where = huggingface_hub.constants.ENDPOINT
        reason = next(iter(str(error).split("\n")), "") or type(error).__name__
        raise InputError(f"{path}: {where} does not give or take it: {reason}") from error
