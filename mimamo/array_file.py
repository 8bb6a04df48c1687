"""Arrays of numbers in files by others: NumPy's `.npy` and `.npz`, and safetensors.

Nothing in them is unpickled, and no more memory is taken than a file has bytes, or a packed one
says that it has: at most `MOST_FEATURES`.
"""

from __future__ import annotations

import math
import os
import zipfile
from pathlib import Path
from typing import IO

import numpy as np
import torch

from mimamo.errors import InputError
from mimamo.files import MOST_FEATURES, open_file
from mimamo.tensor_file import TensorFile
from mimamo.terminal import no_warnings

ARRAY_SUFFIXES = (".npy", ".npz", ".safetensors")
_EXPECTED = "a file of arrays"


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of whole or real numbers in a file, by name; "" for that of a `.npy`.

    Others, such as of texts, are left out. Raises InputError if the file cannot be read, is damaged
    or larger than `MOST_FEATURES`.
    """
    read = {".npy": _npy, ".npz": _npz, ".safetensors": _safetensors}[path.suffix]
    try:
        with no_warnings:  # of headers as Python 2 wrote them
            found = read(path)
    except (InputError, OSError):
        raise
    except Exception as error:  # a damaged file can raise anything
        why = str(error).splitlines()[0][:80] if str(error) else type(error).__name__
        raise InputError(f"{path}: expected {_EXPECTED}, got a damaged one ({why})") from error
    return {name: array for name, array in found.items() if array is not None}


def _npy(path: Path) -> dict[str, np.ndarray | None]:
    with open_file(path, MOST_FEATURES, _EXPECTED) as file:
        return {"": _array(file, os.fstat(file.fileno()).st_size)}


def _npz(path: Path) -> dict[str, np.ndarray | None]:
    with open_file(path, MOST_FEATURES, _EXPECTED) as stream, zipfile.ZipFile(stream) as archive:
        entries = [entry for entry in archive.infolist() if entry.filename.endswith(".npy")]
        if (size := sum(entry.file_size for entry in entries)) > MOST_FEATURES:
            raise InputError(f"{path}: expected at most {MOST_FEATURES:,} bytes, got {size:,}")
        arrays: dict[str, np.ndarray | None] = {}
        for entry in entries:
            with archive.open(entry) as file:
                arrays[entry.filename.removesuffix(".npy")] = _array(file, entry.file_size)
        return arrays


def _array(file: IO[bytes], size: int) -> np.ndarray | None:
    """An array in NumPy's format, in at most `size` bytes; None if not of numbers."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, by_columns, dtype = np.lib.format.read_array_header_1_0(file)
    else:
        shape, by_columns, dtype = np.lib.format.read_array_header_2_0(file)
    if dtype.kind not in "fiu":
        return None
    length = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or length > size:
        raise ValueError(f"says it holds {shape}")
    data = file.read(length)
    if len(data) < length:
        raise ValueError("cut short")
    return np.ndarray(shape, dtype, data, order="F" if by_columns else "C")


def _safetensors(path: Path) -> dict[str, np.ndarray | None]:
    tensors = TensorFile.open(path, MOST_FEATURES).tensors()
    known = (torch.float16, torch.float32, torch.float64)
    return {
        name: (x.float() if x.is_floating_point() and x.dtype not in known else x).numpy()
        for name, x in tensors.items()
        if x.dtype != torch.bool
    }
