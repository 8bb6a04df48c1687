"""Where networks compute, and in which precision the ResNet50 does."""

from __future__ import annotations

import os
from typing import Literal, TypeVar, get_args

import torch
from torch import nn

from mimamo.errors import InputError

M = TypeVar("M", bound=nn.Module)

Precision = Literal["auto", "float32", "bfloat16"]

# What a processor needs to multiply bfloat16 numbers by itself (names of
# `torch.cpu.get_capabilities`). Elsewhere they are converted first, which takes longer than
# float32. Arm's instructions are left out: nothing was measured there.
_NATIVE = ("avx512_bf16", "amx_bf16")


def choose_device(name: str) -> torch.device:
    """The device "cpu", "cuda", or with "auto" cuda where there is one; InputError otherwise.

    Each process that ``torchrun`` started has a GPU of its own, as long as there are enough.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise InputError(f"device: expected auto, cpu or cuda, got {name!r}")
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise InputError("device: cuda asked for, but torch finds no CUDA device here")
    if not available or name == "cpu":
        return torch.device("cpu")
    rank = os.environ.get("LOCAL_RANK")
    if rank is None:
        return torch.device("cuda")
    return torch.device("cuda", int(rank) % torch.cuda.device_count())


def move(module: M, device: torch.device | str, dtype: torch.dtype | None = None) -> M:
    """Move a network, with its weights in channels_last: convolutions take a third less time."""
    # mypy: torch's stubs leave `memory_format` out.
    return module.to(device, dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]


def choose_precision(name: str, device: torch.device | str = "cpu") -> torch.dtype:
    """The dtype of a precision: "float32", "bfloat16", or what "auto" stands for on `device`.

    "auto" is bfloat16 where the device computes in it by itself, else float32. On a CPU that takes
    less than half the time, and features keep a cosine of more than 0.999 to those in float32; on a
    GPU it was not measured yet. bfloat16 can be asked for anywhere.

    Raises:
        InputError: another name, or bfloat16 on a GPU that has none.
    """
    if name not in get_args(Precision):
        raise InputError(f"precision: expected auto, float32 or bfloat16, got {name!r}")
    on_cpu = torch.device(device).type == "cpu"
    if name == "bfloat16" and not on_cpu and not torch.cuda.is_bf16_supported():
        raise InputError("precision: bfloat16 asked for, but this GPU has none")
    native = has_native_bfloat16() if on_cpu else _gpu_has_native_bfloat16()
    fast = name == "auto" and native
    return torch.bfloat16 if name == "bfloat16" or fast else torch.float32


def _gpu_has_native_bfloat16() -> bool:
    return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)


def slow_precision(name: str, device: torch.device | str = "cpu") -> str | None:
    """Say so if a precision that was asked for takes longer than float32 on `device`; else None."""
    if name != "bfloat16" or torch.device(device).type != "cpu" or has_native_bfloat16():
        return None
    return "precision: bfloat16 takes longer than float32 on this CPU, which does not compute in it"


def has_native_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 numbers by itself; False where torch cannot tell."""
    # Not in every torch this package runs with.
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return torch.backends.mkldnn.is_available() and any(map(capabilities.get, _NATIVE))
