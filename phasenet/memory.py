"""What the machine cannot hold is refused: systems give such memory, and kill who uses it."""

from __future__ import annotations

import os

import torch
from torch import Tensor

from phasenet.precision import compute_dtype


def check_result(
    name: str, images: Tensor, result: str, elements: int, dtype: torch.dtype | None = None
) -> None:
    """Refuse a result of `images` that is larger than the machine's memory.

    Only on the CPU, since elsewhere PyTorch says so itself, and not while sizes are symbolic.

    Args:
        name: of the argument that makes it large.
        images: what the result is of.
        result: what the message calls it.
        elements: how many real numbers it has.
        dtype: of these; None stands for the dtype that is computed in.
    """
    if torch.compiler.is_compiling() or isinstance(elements, torch.SymInt):
        return
    needed = elements * (dtype or compute_dtype(images.dtype)).itemsize
    check_bytes(name, images, result, needed)


def check_bytes(name: str, images: Tensor, result: str, needed: int) -> None:
    """`check_result` of a number of bytes."""
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if images.device.type == "cpu" and needed > there:
        raise ValueError(
            f"{name}: expected {result} that fit into the memory of {there / 2**30:.1f} GiB, got "
            f"{needed / 2**30:.1f} GiB for shape {list(images.shape)}"
        )
