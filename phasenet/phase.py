"""Temporal phase differences: the public functions, their fake kernels and their gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from phasenet import _extension, checks
from phasenet.operators import Operator
from phasenet.out import check_out
from phasenet.precision import compute_dtype, compute_input, result_dtype
from phasenet.shapes import band_elements, level_sizes


def phase_difference(
    clips: Tensor,
    *,
    height: int = 4,
    nbands: int = 2,
    levels: Sequence[int] = (1, 2),
    unwrap: str = "full",
    dtype: torch.dtype | None = None,
) -> tuple[Tensor, ...]:
    """Phase differences of one window of frames.

    The input of the temporal stream of Deng, Chen, Zhou & Shi, "MIMAMO Net: integrating micro- and
    macro-motion for video emotion recognition", AAAI 2020, as their published code computes it;
    smoothing is the amplitude-weighted blur ``B(a p) / B(a)`` of Wadhwa et al., "Phase-based video
    motion processing", SIGGRAPH 2013. In full, steps 1 to 4 of
    :ref:`docs/explanation/maths.md <maths-phase-differences>`.

    Each frame is mirrored to twice its size and decomposed by the complex steerable pyramid; the
    phase of each coefficient is unwrapped along the frames from the first on, smoothed by an
    amplitude-weighted 11 x 11 Gaussian, and consecutive frames are subtracted. Each difference
    plane has its mean taken off and is clamped to +-5 pi.

    Two equal consecutive frames give exactly 0. A black frame has phase 0 everywhere, one without
    structure the phases of its rounding errors: both give finite values that mean nothing. Finite
    frames give finite values (float32: up to magnitudes of 1e18). NaN or infinity in a frame makes
    the differences to the frames beside it NaN; windows without that frame do not change.

    Args:
        clips: ``[..., P + 1, H, W]`` grey frames in [0, 1], P at least 1. float64 is computed in
            float64; float32, float16, bfloat16, and uint8, which is scaled by 1/255, in float32.
        height: scales of the pyramid, see `phasenet.SteerablePyramid`; it is built on the
            mirrored frame, so ``2 * min(H, W)`` has to be at least ``2**(height - 1)``.
        nbands: orientations per level, 2 to 32.
        levels: oriented levels to return, 1 (finest) to ``height - 2``, in this order; a sequence
            of integers or an array.
        unwrap: "full" as ``numpy.unwrap``, or "published" as the published code, which corrects
            jumps above pi and leaves those below -pi alone ("reference", its older name, is read).
        dtype: of the result: float16, bfloat16, float32 or float64. None keeps a floating dtype
            of `clips` and gives float32 for uint8, and for float16 and bfloat16 under autocast.
            Planes are converted one by one as they are written. Against float64 a result in
            float16 has a relative error of 2e-4, in bfloat16 of 2e-3. Frames that were rounded
            themselves are another matter, since small coefficients have sensitive phases: on
            moving textures 2e-2 to 6e-2 for float16 and 1e-1 to 4e-1 for bfloat16. Keep frames in
            uint8 or float32 and ask for the dtype you want.

    Returns:
        One tensor ``[..., nbands, P, h, w]`` in radians per frame for each level. Level 1 has
        ``h, w = H, W``, each next one half of that (rounded down where it does not divide).

    Raises:
        TypeError: `clips` is not a dense tensor of one of these dtypes, or an option has the
            wrong type.
        ValueError: a wrong shape, device or option; the message names it.
    """
    height, nbands, levels = checks.check_phase_options(
        "clips", clips, height, nbands, levels, unwrap, "[..., P+1, H, W]"
    )
    _extension.check_device("clips", clips)
    if clips.shape[-3] < 2:
        raise ValueError(f"clips: expected at least 2 frames, got {clips.shape[-3]}")
    num_phase = clips.shape[-3] - 1
    dtype = result_dtype(clips, dtype)
    _check_memory("clips", clips, num_phase, 1, nbands, levels, dtype)
    per_level = _windows_operator(
        compute_input(clips), num_phase, height, nbands, levels, unwrap, "valid", dtype
    )
    return tuple(x.squeeze(-4).unflatten(-3, (nbands, num_phase)) for x in per_level)


def phase_difference_windows(
    frames: Tensor,
    num_phase: int = 12,
    *,
    height: int = 4,
    nbands: int = 2,
    levels: Sequence[int] = (1, 2),
    unwrap: str = "full",
    boundary: str = "replicate",
    dtype: torch.dtype | None = None,
    out: Sequence[Tensor] | None = None,
) -> tuple[Tensor, ...]:
    """Phase differences of the window around every frame of a video.

    Equal to `phase_difference` of every window of ``num_phase + 1`` consecutive frames, but each
    frame is transformed once, not once for each window it is in. Definition and paper (Deng et al.,
    AAAI 2020): steps 1 to 4 of :ref:`docs/explanation/maths.md <maths-phase-differences>`; how
    windows share their frames, the equation of phase p_s(t) of a window that starts at s:
    :ref:`there too <maths-windows>`.

    Args:
        frames: ``[..., T, H, W]`` as `clips` of `phase_difference`.
        num_phase: P, differences per window, 1 to 65536.
        height, nbands, levels, unwrap, dtype: as in `phase_difference`.
        boundary: "replicate" gives T windows; that of frame t has the frames
            ``clamp(t - P // 2 + i, 0, T - 1)``, i = 0 ... P. "valid" gives the ``T - P`` windows
            that lie inside the video; window t starts at frame t.
        out: a tensor for each level that its windows are written into, such as an earlier result:
            contiguous, of the result's shape, dtype and device, in memory of its own. Nothing as
            large as a result is allocated then; gradients cannot be recorded.

    Returns:
        One tensor ``[..., windows, nbands * P, h, w]`` for each level, channels band-major; those
        of `out` if it is given.

    Raises:
        TypeError, ValueError: as `phase_difference`; also for ``T < P + 1`` with "valid", and, on
            the CPU, for windows that exceed the machine's memory; for an `out` that is not as said
            above, or where a gradient is needed.
    """
    height, nbands, levels = checks.check_phase_options(
        "frames", frames, height, nbands, levels, unwrap, "[..., T, H, W]"
    )
    _extension.check_device("frames", frames)
    num_phase = checks.check_window_count(frames.shape[-3], num_phase, boundary)
    dtype = result_dtype(frames, dtype)
    options = (num_phase, height, nbands, levels, unwrap, boundary, dtype)
    if out is not None:
        checks.check_level_tensors("out", out, len(levels))
        specs = _window_specs(frames, *options)
        check_out(
            [(f"out[{i}]", out[i], *spec) for i, spec in enumerate(specs)], {"frames": frames}
        )
        _windows_operator.into(out, compute_input(frames), *options)
        return tuple(out)
    windows = frames.shape[-3] - (num_phase if boundary == "valid" else 0)
    _check_memory("frames", frames, windows, num_phase, nbands, levels, dtype)
    return tuple(_windows_operator(compute_input(frames), *options))


def _check_memory(
    name: str,
    frames: Tensor,
    windows: int,
    num_phase: int,
    nbands: int,
    levels: Sequence[int],
    dtype: torch.dtype | None,
) -> None:
    """Refuse windows larger than the machine's memory; for `num_phase`, if fewer would fit."""
    if torch.compiler.is_compiling():  # `num_phase` may be symbolic, which no message holds
        return
    batch = (*frames.shape[:-3], windows)
    elements = band_elements(batch, frames.shape[-2:], nbands, levels)
    size = elements * (dtype or compute_dtype(frames.dtype)).itemsize
    checks.check_memory(name, frames, "differences", size)
    many = f"windows with num_phase={num_phase}"
    checks.check_memory("num_phase", frames, many, num_phase * size)


# --- What PyTorch has to know of the operators ---------------------------------------------------


def _window_specs(
    frames: Tensor,
    num_phase: int,
    height: int,
    nbands: int,
    levels: Sequence[int],
    unwrap: str,
    boundary: str,
    dtype: torch.dtype | None = None,
) -> list[tuple[tuple[int, ...], torch.dtype]]:
    """Shape and dtype of each level's windows."""
    dtype = dtype or compute_dtype(frames.dtype)
    *batch, length, h, w = frames.shape
    windows = length if boundary == "replicate" else length - num_phase
    sizes = level_sizes((2 * h, 2 * w), height)
    shapes = [(*batch, windows, nbands * num_phase, a // 2, b // 2) for a, b in sizes]
    return [(shapes[level - 1], dtype) for level in levels]


def _fake_windows(frames: Tensor, *options: Any) -> list[Tensor]:
    specs = _window_specs(frames, *options)
    return [frames.new_empty(shape, dtype=dtype) for shape, dtype in specs]


def _setup_windows(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    frames, *ctx.options, _ = inputs
    ctx.save_for_backward(frames)


def _windows_backward(ctx: Any, grads: list[Tensor]) -> tuple[Tensor | None, ...]:
    (frames,) = ctx.saved_tensors
    grads = [grad.to(compute_dtype(frames.dtype)) for grad in grads]
    grad = _backward_operator(grads, frames, *ctx.options)
    # The dispatcher leaves out a dtype that is None, and wants no gradient for what it left out.
    return grad, *(None for _ in ctx.needs_input_grad[1:])


def _fake_windows_backward(grads: list[Tensor], frames: Tensor, *options: Any) -> Tensor:
    return frames.new_empty(frames.shape)


def _refuse_second_derivative(ctx: Any, grad: Tensor) -> None:
    raise NotImplementedError("phase differences are differentiable once, not twice")


_windows_operator = Operator(
    "phase_difference_windows",
    fake=_fake_windows,
    setup=_setup_windows,
    backward=_windows_backward,
    has_out=True,
    reads_halves=True,
)
_backward_operator = Operator(
    "phase_difference_windows_backward",
    fake=_fake_windows_backward,
    backward=_refuse_second_derivative,
    reads_halves=True,
)
