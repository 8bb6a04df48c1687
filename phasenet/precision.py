"""Which dtype is computed in, and which one comes out."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from phasenet import checks

_HALF = (torch.float16, torch.bfloat16)


def compute_input(images: Tensor) -> Tensor:
    """What the operators take, which read float16 and bfloat16 themselves but for those on CUDA."""
    return as_computed(images) if images.device.type == "cuda" else images


def as_computed(images: Tensor) -> Tensor:
    """float16 and bfloat16 as float32; others stay as they are."""
    return images.to(torch.float32) if images.dtype in _HALF else images


def compute_dtype(dtype: torch.dtype) -> torch.dtype:
    """float64 for float64, float32 for every other dtype."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def complex_dtype(dtype: torch.dtype) -> torch.dtype:
    """The complex dtype of a computed one; `dtype.to_complex` stops torch.compile."""
    return torch.complex128 if dtype == torch.float64 else torch.complex64


def result_dtype(images: Tensor, dtype: torch.dtype | None) -> torch.dtype | None:
    """The dtype of a result, None standing for the one that is computed in.

    `dtype` if it is given, else float16 and bfloat16 for images of that dtype. Under autocast
    results are float32, as those of PyTorch's own functions that need the range.
    """
    if dtype is not None:
        checks.check_output_dtype(dtype)
        return None if dtype == compute_dtype(images.dtype) else dtype
    if images.dtype in _HALF and not _autocasts(images.device.type):
        return images.dtype
    return None


def without_autocast(device: torch.device) -> AbstractContextManager[object]:
    """Within it PyTorch's own functions compute in the dtype they are given."""
    if not _autocasts(device.type):
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


def _autocasts(device: str) -> bool:
    # "meta" has no autocast and raises. torch.amp.is_autocast_available would tell, but stops
    # torch.compile with torch 2.11.
    return device != "meta" and torch.is_autocast_enabled(device)
