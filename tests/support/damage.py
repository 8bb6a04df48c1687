"""Damage to the bytes of a file."""

from __future__ import annotations

import numpy as np


def flips(size: int, count: int) -> list[tuple[int, int]]:
    """So many places of `size`, and a bit of each."""
    rng = np.random.default_rng(size)
    return list(zip(rng.integers(size, size=count), rng.integers(8, size=count), strict=True))


def flipped(content: bytes, place: int, bit: int) -> bytes:
    """`content` with that bit of that byte turned."""
    damaged = bytearray(content)
    damaged[place] ^= 1 << bit
    return bytes(damaged)
