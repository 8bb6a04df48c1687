"""Batched tensors of PyTorch's older vmap, by which `torch.autograd.functional` vectorizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def unwrapped(args: list[Any]) -> tuple[list[Any], Callable[[Tensor], Tensor]]:
    """`args` with mapped dimensions in front, and what makes a result a batched tensor again.

    What is no tensor stays as it is.
    """
    tensors = [x for x in args if isinstance(x, Tensor)]
    mapped = []
    for level in range(_depth(), 0, -1):
        # A tensor that is not mapped at this level gets a dimension of the size asked for, 1.
        fronted = [torch._remove_batch_dim(x, level, 1, 0) for x in tensors]
        size = max(x.shape[0] for x in fronted)
        if size == 1:  # none is mapped, or the result serves all of a batch of one
            tensors = [x[0] for x in fronted]
        else:
            tensors = [x.expand(size, *x.shape[1:]) for x in fronted]
            mapped.append(level)

    def restore(result: Tensor) -> Tensor:
        for level in reversed(mapped):
            result = torch._add_batch_dim(result, 0, level)
        return result

    rest = iter(tensors)
    return [next(rest) if isinstance(x, Tensor) else x for x in args], restore


def _depth() -> int:
    depth = torch._C._vmapmode_increment_nesting() - 1
    torch._C._vmapmode_decrement_nesting()
    return depth
