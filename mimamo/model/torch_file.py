"""PyTorch's own files: the tensors of a state dict, and what they are before they are read.

torch runs no code in them, but calls what they ask for among a few functions, some of which make
as much memory as they are told to. Here a file may name what a state dict is made of and nothing
else.
"""

from __future__ import annotations

import io
import os
import pickletools
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from mimamo.errors import InputError
from mimamo.files import MOST_WEIGHTS, open_file
from mimamo.settings import shown
from mimamo.terminal import no_warnings

_ZIP = b"PK\x03\x04"  # what the present format begins with
_FOLDER = 0x10  # of an entry's attributes, as DOS has them
_LEGACY_PICKLES = 5  # a mark, a version, sizes of numbers, the content, its storages' keys
_MOST_PICKLE = 1 << 20  # bytes, without the numbers; those of a ResNet50 are 40,000
_STORAGES = ("BFloat16", "Bool", "Byte", "Char", "Double", "Float", "Half", "Int", "Long", "Short")
_NAMES = {  # that a file may have what is called by
    "collections OrderedDict",
    "torch._utils _rebuild_parameter",
    "torch._utils _rebuild_tensor",
    "torch._utils _rebuild_tensor_v2",
    *(f"torch {kind}Storage" for kind in _STORAGES),
}


def torch_outline(path: Path) -> dict[str, Tensor]:
    """What `read_torch` gives, without its numbers: on the meta device.

    Raises InputError as `read_torch`.
    """
    tensors = read_torch(path, numbers=False)
    # A tensor may say the same number many times, and a storage be longer than what is in the file.
    storages = (tensor.untyped_storage().nbytes() for tensor in tensors.values())
    shapes = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    if max(storages, default=0) > path.stat().st_size or shapes > MOST_WEIGHTS:
        raise InputError(f"{path}: expected tensors that are in it, got larger ones")
    return tensors


def read_torch(path: Path, *, numbers: bool = True) -> dict[str, Tensor]:
    """The tensors of a state dict, or of a dict that holds one as ``state_dict``, on the CPU.

    Without `numbers` they are on the meta device, and checksums are not compared. Raises InputError
    if the file is damaged, or holds anything but that.
    """
    # Warnings are of unusual pickles, which are refused or read below.
    with open_file(path, MOST_WEIGHTS) as stream, no_warnings:
        try:
            _expect_plain(stream, numbers)
            stream.seek(0)
            place = "cpu" if numbers else "meta"
            content = torch.load(stream, map_location=place, weights_only=True)
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
                f"{path}: expected a state dict of tensors, got {type(value).__name__} as "
                f"{shown(name)}"
            )
    return dict(content)


def _expect_plain(stream: BinaryIO, numbers: bool) -> None:
    """ValueError, or what else reading it raises, if a file names more than it may."""
    start = stream.read(_MOST_PICKLE)
    if not start.startswith(_ZIP):
        pickles = io.BytesIO(start)
        for _ in range(_LEGACY_PICKLES):
            _expect_names(pickles)
        return
    with zipfile.ZipFile(stream) as archive:
        entries = archive.infolist()
        # torch finds entries in its own way: this one and that must see the same.
        (pickled,) = (e for e in entries if e.filename.lower().endswith("data.pkl"))
        if archive.comment or min(entry.header_offset for entry in entries):
            raise ValueError("other bytes around the archive")
        # torch compresses nothing. What is packed may be a thousand times as large.
        packed = sum(entry.file_size for entry in entries)
        if packed > os.fstat(stream.fileno()).st_size or pickled.file_size > _MOST_PICKLE:
            raise ValueError("compressed, or too large")
        if any(entry.external_attr & _FOLDER for entry in entries):
            raise ValueError("a folder, of which torch would read memory that nobody has written")
        if numbers and archive.testzip() is not None:  # torch does not look at the checksums
            raise ValueError("damaged")
        _expect_names(io.BytesIO(archive.read(pickled)))


def _expect_names(pickle: BinaryIO) -> None:
    for code, argument, _ in pickletools.genops(pickle):
        if code.name == "GLOBAL" and argument not in _NAMES:
            raise ValueError(f"names {argument}")
