"""Every CUDA operator by each of its ways, on small inputs that are the same every time."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

Call = Callable[[ModuleType], list[np.ndarray]]
# Frames: by tensor cores, by a walk, by tiles and Fourier transforms.
SIZES = {"squares": (48, 48), "walk": (19, 21), "fourier": (9, 67)}


def _frames(size: tuple[int, int], dtype: str) -> np.ndarray:
    frames = np.random.default_rng(0).random((1, 3, *size))
    return (255 * frames).astype(dtype) if dtype == "uint8" else frames.astype(dtype)


def _windows(size: tuple[int, int], dtype: str, out: str | None) -> Call:
    return lambda module: module.phase_difference_windows(_frames(size, dtype), 2, dtype=out)


def _windows_out(size: tuple[int, int], out: str) -> Call:
    frames = _frames(size, "float32")
    return lambda module: module.phase_difference_windows_out(frames, 2, [1, 2], out)


def _windows_backward(size: tuple[int, int], dtype: str) -> Call:
    def call(module: ModuleType) -> list[np.ndarray]:
        frames = _frames(size, dtype)
        grads = module.phase_difference_windows(frames, 2)
        options = (2, 4, 2, [1, 2], "full", "replicate")
        return [module.phase_difference_windows_backward(grads, frames, *options)]

    return call


def _analysis(operator: str, size: tuple[int, int], dtype: str) -> Call:
    return lambda module: getattr(module, operator)(_frames(size, dtype), 4, 3)


def _synthesis(operator: str, size: tuple[int, int], dtype: str) -> Call:
    def call(module: ModuleType) -> list[np.ndarray]:
        high, *bands, low = module.pyramid(_frames(size, dtype), 4, 3)
        result: Any = getattr(module, operator)(high, bands, low)
        return result if isinstance(result, list) else [result]

    return call


def _turns(dtype: str) -> Call:
    random = np.random.default_rng(2)
    parts, state = random.random((2, 2, 5, 300)), random.random((4, 2, 5, 300)).astype(dtype)
    bands = (parts[0] + 1j * parts[1]).astype(np.result_type(dtype, "complex64"))
    return lambda module: [
        module.band_phase(bands),
        module.turn_phase(bands, parts[0].astype(dtype), 2.0),
        *module.turn_phase_push(bands, state, 1, [1.0, 0, 0, 0, 0], 2.0, True, 2.0, 0.0),
    ]


CALLS: dict[str, Call] = {
    **{
        f"windows {name} {dtype} {out}": _windows(size, dtype, out)
        for name, size in SIZES.items()
        for dtype, out in (
            ("float32", None), ("uint8", None), ("float32", "float16"), ("uint8", "bfloat16"),
            ("float64", None),
        )
    },
    **{
        f"windows into memory {name} {out}": _windows_out(size, out)
        for name, size in SIZES.items()
        for out in ("float32", "float16", "bfloat16", "float64")
    },
    **{
        f"windows' backward {name} {dtype}": _windows_backward(size, dtype)
        for name, size in SIZES.items()
        for dtype in ("float32", "float64")
    },
    **{
        f"{operator} {name} {dtype}": make(operator, size, dtype)
        for name, size, dtype in (
            ("own", (16, 32), "float32"), ("fourier", (33, 41), "float32"),
            ("fourier", (16, 32), "float64"),
        )
        for make, operator in (
            (_analysis, "pyramid"), (_analysis, "pyramid_inverse_backward"),
            (_analysis, "pyramid_out"), (_synthesis, "pyramid_inverse"),
            (_synthesis, "pyramid_backward"), (_synthesis, "pyramid_inverse_out"),
        )
    },
    "pyramid own uint8": _analysis("pyramid", (16, 32), "uint8"),
    "turns float32": _turns("float32"),
    "turns float64": _turns("float64"),
}  # fmt: skip
