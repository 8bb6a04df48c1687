"""What the pictures of `phasenet.viz` are drawn from: arrays, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from phasenet import checks

Picture = np.ndarray


def as_array(name: str, values: Any) -> np.ndarray:
    if isinstance(values, Tensor):
        checks.check_dense(name, values)
        if values.is_meta:
            raise ValueError(f"{name}: expected numbers, got a tensor on the meta device")
        values = values.detach().cpu().resolve_conj().resolve_neg()
        if values.dtype in (torch.float16, torch.bfloat16):
            values = values.float()
        return values.numpy()
    try:
        array = np.asarray(values)
    except ValueError:
        raise TypeError(f"{name}: expected a tensor or an array, got uneven parts") from None
    if array.dtype.kind not in "buifc":
        raise TypeError(f"{name}: expected numbers, got {type(values).__name__} of {array.dtype}")
    return array


def as_real(name: str, values: Any) -> np.ndarray:
    array = as_array(name, values)
    if np.iscomplexobj(array):
        raise TypeError(f"{name}: expected real numbers, got {array.dtype}")
    return array.astype(np.float64)


def check_number(name: str, value: float, expected: str = "a finite number") -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name}: expected {expected}, got {type(value).__name__}")
    if not abs(value) <= np.finfo(np.float64).max:
        raise ValueError(f"{name}: expected {expected}, got {value}")


def check_limit(limit: float | None) -> None:
    if limit is not None:
        check_number("limit", limit, "a positive number")
        if not limit > 0:
            raise ValueError(f"limit: expected a positive number, got {limit}")


def check_gap(gap: int) -> None:
    checks.check_integer("gap", gap, 0, 1024)


def check_colour(ground: Sequence[int]) -> None:
    if isinstance(ground, (str, bytes)) or not isinstance(ground, Sequence):
        raise TypeError(f"ground: expected three integers, got {type(ground).__name__}")
    if len(ground) != 3:
        raise ValueError(f"ground: expected three integers, got {len(ground)}")
    for value in ground:
        checks.check_integer("ground", value, 0, 255)


def check_rows(rows: Sequence[Sequence[Picture]]) -> None:
    for row in (rows, *rows) if isinstance(rows, Sequence) else (rows,):
        if isinstance(row, (str, bytes)) or not isinstance(row, Sequence):
            raise TypeError(f"rows: expected lists of pictures, got {type(row).__name__}")
    for row in rows:
        for picture in row:
            check_picture("rows", picture)


def check_picture(name: str, picture: Picture) -> None:
    if not isinstance(picture, np.ndarray):
        raise TypeError(f"{name}: expected uint8 [h, w, 3], got {type(picture).__name__}")
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise TypeError(
            f"{name}: expected uint8 [h, w, 3], got {picture.dtype} {list(picture.shape)}"
        )
