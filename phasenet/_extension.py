"""Loads the compiled operators and tells how they were built."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_FOLDER = Path(__file__).parent
_CPU_LIBRARY = _FOLDER / "libphasenet_cpu.so"
_CUDA_LIBRARY = _FOLDER / "libphasenet_cuda.so"
_BUILD_FILE = _FOLDER / "build_info.json"


def has_cuda() -> bool:
    """Whether the CUDA operators were built and this torch can run them."""
    return torch.version.cuda is not None and _CUDA_LIBRARY.exists()


def check_device(name: str, tensor: Tensor) -> None:
    """Refuse a tensor on a device that no operator was built for."""
    device = tensor.device.type
    if device in ("cpu", "meta") or (device == "cuda" and has_cuda()):
        return
    built = "the CPU or CUDA" if has_cuda() else "the CPU (this build has no CUDA operators)"
    raise ValueError(f"{name}: expected a tensor on {built}, got one on {tensor.device}")


def load() -> None:
    """Register ``torch.ops.phasenet``; the CUDA operators only where torch has CUDA.

    Raises ImportError if the package was imported from its source folder without being built, if
    this torch is older than what the libraries need, or if the environment variable PHASENET_CPU
    asks for an instruction set that this machine lacks or that does not exist.
    """
    if not _CPU_LIBRARY.exists():
        raise ImportError(
            f"phasenet: {_CPU_LIBRARY.name} is missing from {_FOLDER}; install the package with "
            "`pip install .`, and run Python outside its source folder"
        )
    _load(_CPU_LIBRARY)
    if has_cuda():
        _load(_CUDA_LIBRARY)
    try:
        torch.ops.phasenet.instruction_set()
    except RuntimeError as error:
        raise ImportError(f"phasenet: {error}") from None


def _load(library: Path) -> None:
    try:
        torch.ops.load_library(library)
    except OSError as error:
        raise ImportError(
            f"phasenet: {library.name} cannot be loaded with torch {torch.__version__} "
            f"(torch >= 2.10 is needed): {error}"
        ) from error


def build_info() -> dict[str, Any]:
    """What the build decided and what is in use now.

    Returns a dictionary with ``version``, ``sources`` (a digest of the C++ and CUDA sources, as
    ``source_digest()`` of setup.py gives it), ``build_torch`` (the torch the libraries were
    compiled against), ``torch_target`` (the oldest torch they run on), ``compiler``, ``cpu`` (the
    instruction sets compiled in), ``cuda`` (architectures, or None), ``cuda_reason`` (why), and,
    found at run time, ``torch``, ``instruction_set`` (the one in use) and ``instruction_sets``
    (all that this machine can run, the best last).
    """
    info = json.loads(_BUILD_FILE.read_text()) if _BUILD_FILE.exists() else {}
    info["torch"] = torch.__version__
    info["instruction_set"] = torch.ops.phasenet.instruction_set()
    info["instruction_sets"] = torch.ops.phasenet.instruction_sets().split(", ")
    return info
