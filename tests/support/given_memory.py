"""Results written into given memory: what `out=` promises."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from phasenet import PyramidCoeffs

EDGE = 37  # so that nothing is aligned


def flat(result: Any) -> list[Tensor]:
    if isinstance(result, Tensor):
        return [result]
    return [x for part in result for x in flat(part)]


def poisoned(result: Any) -> tuple[Any, list[Tensor]]:
    """NaN in the shape of a result, and the blocks, larger at both ends, that it lies in."""
    blocks = []

    def like(x: Any) -> Any:
        if isinstance(x, PyramidCoeffs):
            return PyramidCoeffs(*map(like, x))
        if isinstance(x, tuple):
            return tuple(map(like, x))
        blocks.append(x.new_full((x.numel() + 2 * EDGE,), math.nan))
        return blocks[-1][EDGE : EDGE + x.numel()].view(x.shape)

    return like(result), blocks


def assert_written(call: Callable[..., Any]) -> None:
    """The ordinary result, bit for bit, in the given tensors, twice, and nothing beside them."""
    want = call()
    out, blocks = poisoned(want)
    for _ in range(2):
        got = call(out=out)
        assert type(got) is type(want)
        for a, b, c in zip(flat(got), flat(out), flat(want), strict=True):
            assert a is b
            assert torch.equal(a, c)
        for block in blocks:
            edges = torch.cat([block[:EDGE], block[-EDGE:]])
            assert bool(torch.isnan(edges.real).all())
