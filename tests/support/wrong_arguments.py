"""What an argument of an operator should not be, by what it should be."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

REFUSALS = (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError)
FLOATS = (torch.float32, torch.float64)

INTEGERS = (
    -1, 0, 1, 2, 3, 7, 31, 33, 62, 63, 64, 65, 255, 2**31 - 1, 2**31, 2**32, 2**47, 2**48, 2**61,
    2**62, 2**63 - 1, -(2**31), -(2**63),
)  # fmt: skip
NUMBERS = (-1.0, 0.0, 1e-300, 64.0, 64.1, 1e9, 1e300, math.inf, -math.inf, math.nan)
TEXTS = ("", "full", "valid", "replicate", "nonsense", "full\0", "f" * 100_000, "\U0001f600")
LISTS = (
    [],
    [math.nan] * 5,
    [1e300] * 40,
    [0.5] * 45,
    [0],
    [-1],
    [1, 1],
    [2, 1],
    [1] * 1000,
    [2**62],
    [-(2**63)],
    [1, 2, 3, 4, 5, 6],
)
DTYPES = (
    torch.bool, torch.uint8, torch.int8, torch.int64, torch.float16, torch.bfloat16, torch.float32,
    torch.float64, torch.complex32, torch.complex64, torch.complex128,
)  # fmt: skip

TENSORS: tuple[Callable[[Tensor], Tensor], ...] = (
    *(lambda x, dtype=dtype: x.to(dtype) for dtype in DTYPES),
    lambda x: x.new_empty(0),
    lambda x: x.new_zeros(()),
    lambda x: x.new_zeros(1, 1),
    lambda x: x.new_zeros(3, 2**61 - 1, 0),
    lambda x: x.new_zeros(0, 2**31, 2**30),
    lambda x: x.new_zeros(1).expand(2**23, 2**22),
    lambda x: x.new_zeros(1).expand(2**40, 16, 16),
    lambda x: x.new_zeros(1).expand(5, 2**31 + 1, 8),
    lambda x: x.unsqueeze(0),
    lambda x: x[..., :-1] if x.dim() else x,
    lambda x: torch.cat([x, x], -1) if x.dim() else x,
    lambda x: torch.cat([x.new_ones(3), x.reshape(-1)])[3:].view(x.shape),
    lambda x: x.transpose(-1, -2) if x.dim() > 1 else x,
    lambda x: x.flip(-1).transpose(-1, -2).contiguous().transpose(-1, -2) if x.dim() > 1 else x,
    lambda x: x.to("meta"),
    lambda x: x.to_sparse() if x.dim() else x,
    lambda x: x.clone().requires_grad_() if x.is_floating_point() else x,
    lambda x: torch.complex(x, x).conj().imag if x.dtype in FLOATS else x,
    lambda x: x.conj(),
    lambda x: x.clone().fill_(math.nan) if x.is_floating_point() else x,
    lambda x: x.clone().fill_(math.inf) if x.is_floating_point() else x,
    lambda x: x.clone().fill_(2**40) if x.dtype == torch.int64 else x,
    lambda x: x.clone().fill_(-1) if x.dtype in (torch.int8, torch.int16, torch.int64) else x,
    lambda x: x.clone().fill_(0x7F) if x.dtype in (torch.int8, torch.int16, torch.int64) else x,
    lambda x: torch.full_like(x, 3.4e38) if x.dtype == torch.float32 else x,
)

Change = Callable[[Any], Any]


def changes(value: Any) -> list[Change]:
    """What may be put in the place of an argument like `value`."""
    if isinstance(value, Tensor):
        return [_tried(change) for change in TENSORS] + [_instead(x) for x in (None, 1, "x")]
    if isinstance(value, str):
        return [_instead(x) for x in (*TEXTS, None, 1)]
    if isinstance(value, int):
        return [_instead(x) for x in (*INTEGERS, None, "x", 1.5)]
    if isinstance(value, float):
        return [_instead(x) for x in (*NUMBERS, None, "x", 2**62)]
    if isinstance(value, torch.dtype) or value is None:
        # A number that no dtype has ends in torch's own table of them, before it is ours.
        return [_instead(x) for x in (*DTYPES, None, -1, 12, 40, "x")]
    if not isinstance(value, list | tuple):
        return [_instead(value)]
    if value and isinstance(value[0], Tensor):
        whole: list[Change] = [
            lambda x: [],
            lambda x: x[:-1],
            lambda x: x + x[-1:],
            lambda x: x[::-1],
            lambda x: x[:1] * len(x),
            lambda x: [x[0].reshape(-1)[:1]] * len(x),
            lambda x: [part.as_strided((1,), (1,)).expand(part.shape) if part.numel() else part
                       for part in x],
        ]  # fmt: skip
        parts = [
            _at(index, change)
            for index in range(min(6, len(value)))
            for change in changes(value[0])
        ]
        return [_tried(change) for change in whole] + parts  # a part may be changed already
    return [_instead(x) for x in (*LISTS, None, 1)]


def _instead(value: Any) -> Change:
    return lambda _: value


def _tried(change: Change) -> Change:
    """What cannot be made of a tensor, or only of all numbers of a huge one, leaves it as it is."""

    def changed(x: Any) -> Any:
        if isinstance(x, Tensor) and x.numel() > 1 << 20:
            return x
        try:
            return change(x)
        except (*REFUSALS, AttributeError):
            return x

    return changed


def _at(index: int, change: Change) -> Change:
    def changed(values: Any) -> Any:
        if not isinstance(values, list | tuple) or index >= len(values):
            return values
        return [change(x) if i == index else x for i, x in enumerate(values)]

    return changed
