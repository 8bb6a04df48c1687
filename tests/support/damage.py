"""Damage to the bytes of a file, and files whose checksum is right and whose content is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mimamo.tensor_file import TensorFile, save_tensors


def retold(path: Path, key: str, **entries: Any) -> None:
    """Write tensors again with other entries in their note, and the checksum of that."""
    file = TensorFile.open(path)
    save_tensors(path, file.tensors(), key, file.note(key) | entries)


def flips(size: int, count: int) -> list[tuple[int, int]]:
    """So many places of `size`, and a bit of each."""
    rng = np.random.default_rng(size)
    return list(zip(rng.integers(size, size=count), rng.integers(8, size=count), strict=True))


def flipped(content: bytes, place: int, bit: int) -> bytes:
    """`content` with that bit of that byte turned."""
    damaged = bytearray(content)
    damaged[place] ^= 1 << bit
    return bytes(damaged)
