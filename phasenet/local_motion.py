"""Motion in pixels from the phases of complex bands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, overload

import numpy as np
import torch
from torch import Tensor

from phasenet import checks, reference
from phasenet import motion_equations as equations
from phasenet.coarse_to_fine import Options, motion_by_warping
from phasenet.denoised_phase import mirrored_bands
from phasenet.frames import grey_frames
from phasenet.motion_weight import doubt_of_one_look, weight_of, what_is_known
from phasenet.precision import compute_dtype
from phasenet.runs import in_runs


@overload
def local_motion(
    frames: Tensor | np.ndarray,
    *,
    height: int = ...,
    nbands: int = ...,
    levels: Sequence[int] = ...,
    noise: float | None = ...,
    full_scale: float | None = ...,
    color: bool = ...,
    largest: float | None = ...,
    return_weight: Literal[False] = ...,
) -> Tensor: ...


@overload
def local_motion(
    frames: Tensor | np.ndarray,
    *,
    height: int = ...,
    nbands: int = ...,
    levels: Sequence[int] = ...,
    noise: float | None = ...,
    full_scale: float | None = ...,
    color: bool = ...,
    largest: float | None = ...,
    return_weight: Literal[True],
) -> tuple[Tensor, Tensor]: ...


def local_motion(
    frames: Tensor | np.ndarray,
    *,
    height: int = 4,
    nbands: int = 4,
    levels: Sequence[int] = (1, 2),
    noise: float | None = None,
    full_scale: float | None = None,
    color: bool = False,
    largest: float | None = None,
    return_weight: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """Motion between consecutive frames, in pixels per frame, at every pixel.

    A phase moves with what it belongs to: its change in time is minus the motion along the band's
    local frequency, ``dp/dt + grad p . v = 0`` (Fleet & Jepson, "Computation of component image
    velocity from local phase information", IJCV 1990). Each band of each level gives one such
    equation; v solves all of them in the least squares sense within the 11 x 11 Gaussian window
    (standard deviation 2, on the grid of the level), each weighted by its squared amplitude. The
    local frequency is measured on the bands themselves, so no calibration enters.

    Each equation is further weighted by cos^2 of half its phase change, as a change by half a turn
    may have either sign. Phase changes that v leaves unexplained are taken for noise, at least
    `noise`, and weighed against a Gaussian prior of small motion whose standard
    deviation is the motion that the coarsest level measures well: half a pixel on level 1, one on
    level 2, and so on (Simoncelli, Adelson & Heeger, "Probability distributions of optical flow",
    CVPR 1991). So what the levels cannot measure (noise, what appears, motion beyond about twice
    that) is drawn towards zero and has a low weight.

    With `largest` motion of pixels is measured too: first on small pictures of the frames, then,
    with the later frame warped back by what has been found, on larger ones, down to the frames
    (Simoncelli, "Bayesian multi-scale differential optical flow", 1999). Motion is then that of
    what the earlier frame has at the pixel, follows fields that change from place to place, and is
    right up to the borders but for what leaves the frame. For 8 pixels it takes about six times
    as long as one look; ``python -m benchmarks --suite motion`` measures that, and the errors
    beside those of OpenCV's and scikit-image's optical flow.

    Where only one direction has structure (an edge), the motion along it is zero: what is given is
    the motion across. Where there is no structure at all it is zero. Borders are mirrored, so
    without `largest`, within about ten pixels of them, motion across the border is underestimated.
    Between equal frames, and where frames are flat or black, it is exactly zero. NaN or infinity in
    a frame makes the two motions that it takes part in NaN, and no other.

    Plain PyTorch on the compiled pyramid, differentiable, some frames at a time. One look at
    textures of waves of 2.5 to 40 pixels that move by known shifts is off by less than 2 % of the
    shift from 0.01 to 0.7 pixels, for frames that are not rounded. Rounding to 8 bits adds an error
    in pixels, whatever the shift: for textures of 30 grey levels (standard deviation) up to 0.0035
    pixels where there is much fine structure, 0.006 where amplitudes fall with the frequency, and
    0.025 where they fall with its square. That is 18, 32 and 85 % of a shift of 0.014 pixels, 3, 5
    and 23 % of 0.1, 1, 2 and 5 % of 0.5 (``tests/phasenet/test_local_motion.py``).

    Args:
        frames: ``[..., T, H, W]`` grey frames, T at least 2: a tensor or an array, floating in
            [0, 1], uint8, or of a camera of more bits uint16 or int16. With `color`
            ``[..., T, 3, H, W]``.
        height, levels: as in `phasenet.phase_difference`.
        nbands: orientations; at least 2, so that motion has two components.
        noise: standard deviation of the noise that each frame has, 0 to 1, the full scale; None for
            what rounding to the frames' dtype adds, ``1 / (255 * sqrt(12))`` for uint8 and next to
            nothing for float32. Frames that have been rounded and scaled since want to be told.
        full_scale: the value that stands for 1, such as 4095 of a camera of 12 bits; None for the
            greatest of an integer dtype, and 1 of a floating one.
        color: the frames are RGB, of which the luma (ITU-R BT.601) is taken.
        largest: motion in pixels a frame that is to be measured; None for one look at the frames,
            for motion below a pixel. Frames that are small have no scales for large motion: a side
            of `largest` times ``2 ** max(levels)`` pixels has.
        return_weight: also return what the motion is worth.

    Returns:
        ``[..., T - 1, 2, H, W]``, component 0 along x (to the right), 1 along y (downwards),
        float64 for float64 frames, else float32. With `return_weight` a pair of this and the weight
        ``[..., T - 1, H, W]``, 0 to 1: ``1 / (1 + (e / 0.12)^2)`` where e is the error expected of
        both components, in pixels: of noise and of whatever else the motion does not explain of the
        phases' changes; along an edge, of what the edge does not show; and of motion that changes
        within the window. So it is 0.9 at 0.04 pixels. With `largest` also of steps that have not
        ended, and it is 0 where the pixel leaves the frame. Of the pixels that have more than 0.9
        on the suite's pictures and fields 95 % are within 0.05 pixels; for one look these are where
        it moves by less than a pixel, much alike, for `largest` also its zooms and rotation; on
        steep sines next to nothing has so much (``tests/benchmarks/test_motion.py``).

    Raises:
        TypeError, ValueError: as `phasenet.phase_difference`, and for a `noise`, `full_scale` or
            `largest` that is no such number.

    Warns of frames ``[..., 3, H, W]`` without `color`, which may be 3 grey frames.
    """
    frames, rounding = grey_frames(frames, full_scale, color)
    noise = rounding if noise is None else checks.check_positive("noise", noise, zero=True)
    if noise > 1:  # such as one in grey values
        raise ValueError(f"noise: expected at most 1, the full scale, got {noise}")
    largest = None if largest is None else checks.check_positive("largest", largest)
    height, nbands, levels = checks.check_phase_options(
        "frames", frames, height, nbands, levels, "full", "[..., T, H, W]"
    )
    if frames.shape[-3] < 2:
        raise ValueError(f"frames: expected at least 2 frames, got {frames.shape[-3]}")
    size = (2 + return_weight) * frames.numel() * compute_dtype(frames.dtype).itemsize
    checks.check_memory("frames", frames, "motions", size)

    def bands_of(run: Tensor) -> tuple[Tensor, ...]:
        return mirrored_bands(run, height, nbands, levels)

    def of_bands(*bands: Tensor) -> tuple[Tensor, ...]:
        return _of_one_look(bands, frames.shape[-2:], height, levels, noise, return_weight)

    def of_frames(run: Tensor) -> tuple[Tensor, ...]:
        return motion_by_warping(reference._to_float(run), options)

    if largest is None:
        motion, *weight = in_runs(of_bands, frames, overlap=1, prepare=bands_of)
    else:
        options = Options(nbands, levels, noise, largest)
        motion, *weight = in_runs(of_frames, frames, overlap=1)
    # Of equal bands a product of complex numbers may have an imaginary part, its rounding.
    moved = (frames[..., 1:, :, :] != frames[..., :-1, :, :]).flatten(-2).any(-1)
    motion = torch.where(moved[..., None, None, None], motion, 0)
    return (motion, weight[0]) if return_weight else motion


def _of_one_look(
    bands: Sequence[Tensor],
    size: Sequence[int],
    height: int,
    levels: Sequence[int],
    noise: float,
    weighed: bool,
) -> tuple[Tensor, ...]:
    """Motion [..., 2, H, W] and, if it is `weighed`, its weight [..., H, W]."""
    sums = equations.window_sums(bands, size, height, levels)
    power = equations.noise_power(noise, levels, sums.dtype)
    (xx, xy, yy, x_q, y_q), rest = equations.unexplained(sums, power)
    step = 2 ** (max(levels) - 1)
    prior = equations.RIDGE + rest / (step * equations.TYPICAL) ** 2
    motion = torch.stack(equations.solved(xx, xy, yy, x_q, y_q, prior), dim=-3)
    if not weighed:
        return (motion,)
    known = what_is_known(xx, xy, yy, rest)  # without the prior, which is not seen
    return motion, weight_of(known, doubt_of_one_look(motion, step))
