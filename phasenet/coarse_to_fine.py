"""Motion of several pixels a frame: from coarse to fine, by warping; and what it is worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from phasenet import motion_equations as equations
from phasenet.denoised_phase import mirrored_bands
from phasenet.motion_weight import weight_of, what_is_known, worst_nearby
from phasenet.pyramid import SteerablePyramid
from phasenet.warping import twice, warped

_LOOKS = 2  # at the frames, and as many more at each coarser scale, where they cost little
_OFF = 0.03  # pixels of a coarser scale that it may be off by at best
# The variance that is expected of one motion for a window: so many squares of the last step, of how
# much the motion differs from one pixel to the next, and of how much from its mean in the window,
# here or where that is most.
_STEP, _SLOPE, _BEND, _WORST = 16.0, 0.15, 32.0, 24.0
_ALIKE = 1e-4  # pixels squared of a scale: by which a window's motions differ at least
_REST = (1e-12, 1e6)  # pixels squared that no motion explains; so that nothing overflows


class Options(NamedTuple):
    """Of `motion_by_warping`.

    Attributes:
        nbands, levels: as in `phasenet.local_motion`.
        noise: standard deviation of that of a frame.
        largest: motion in pixels.
    """

    nbands: int
    levels: tuple[int, ...]
    noise: float
    largest: float


def motion_by_warping(frames: Tensor, options: Options) -> tuple[Tensor, Tensor]:
    """Motion from each frame to the next, where that frame has its pixels, and its weight.

    On the coarsest picture of a pyramid of lowpasses the equations are solved as for small motion.
    What is found warps the later picture back; what the phases say then is added to it; and so on,
    down to the frames. Between scales, what is not seen to move is taken to move as what is around
    it. The prior of each step is what the coarser scales know, as in Simoncelli,
    "Bayesian multi-scale differential optical flow", Handbook of Computer Vision and Applications,
    1999: a matrix at each pixel.

    Args:
        frames: floating ``[N, T, H, W]``.
        options: see there.

    Returns:
        ``[N, T - 1, 2, H, W]`` and ``[N, T - 1, H, W]``.
    """
    pictures = _pictures(frames, options)
    motion = known = step = frames.new_zeros(())
    for scale in range(len(pictures) - 1, -1, -1):
        picture = pictures[scale]
        size = picture.shape[-2:]
        if scale == len(pictures) - 1:
            motion = picture.new_zeros(*frames.shape[:1], frames.shape[1] - 1, 2, *size)
            small = (2 ** (max(options.levels) - 1) * equations.TYPICAL) ** -2
            known = torch.stack([motion[..., 0, :, :] + part for part in (small, 0, small)], -3)
        else:
            doubt = _doubt(motion, step)
            motion = _filled(motion, known)
            known = _doubted(known, _OFF**2 + doubt)
            motion, known = (equations.doubled(x, size) for x in (2 * motion, known / 4))
        power = equations.noise_power(options.noise, options.levels, picture.dtype) / 4**scale
        before, fine = _bands(picture[:, :-1], options), twice(picture[:, 1:])
        prior = known
        for _ in range(_LOOKS * (1 + scale)):
            step, known = _look(picture, fine, before, motion, prior, power, options)
            motion = motion + step
    return motion, _inside(motion) * weight_of(known, _doubt(motion, step, of_weight=True))


def _pictures(frames: Tensor, options: Options) -> list[Tensor]:
    """The frames, and at half the size of each other all that are large enough for the levels."""
    pyramid = SteerablePyramid(3, 1, boundary="symmetric")
    pictures = [frames]
    least = 2 ** max(options.levels)
    while 2 ** (len(pictures) - 1) < options.largest and min(pictures[-1].shape[-2:]) >= 2 * least:
        low = pyramid(pictures[-1]).unmirrored().lowpass
        pictures.append(low / 4)  # so that grey stays as bright
    return pictures


def _bands(picture: Tensor, options: Options) -> tuple[Tensor, ...]:
    return mirrored_bands(picture, max(options.levels) + 2, options.nbands, options.levels)


def _look(
    picture: Tensor,
    fine: Tensor,
    before: Sequence[Tensor],
    motion: Tensor,
    known: Tensor,
    power: float,
    options: Options,
) -> tuple[Tensor, Tensor]:
    """What is to be added to `motion`, and what is known of the sum then.

    Both in pixels of the picture; what is known as in `_doubted`. `fine` is `twice` of the later
    pictures, `before` the bands of the earlier ones.
    """
    seen = _inside(motion)
    later = torch.where(seen, warped(picture[:, 1:], motion, fine), picture[:, :-1])
    pairs = [torch.stack(pair, dim=-4) for pair in zip(before, _bands(later, options), strict=True)]
    height = max(options.levels) + 2
    sums = equations.window_sums(
        pairs, picture.shape[-2:], height, options.levels, seen[..., None, :, :], exactly=False
    )[..., 0, :, :, :]
    (xx, xy, yy, x_q, y_q), rest = equations.unexplained(sums, power)
    rest = rest.clamp(*_REST)
    prior_xx, prior_xy, prior_yy = (rest * part for part in known.unbind(-3))
    xx, xy, yy = xx + equations.RIDGE + prior_xx, xy + prior_xy, yy + equations.RIDGE + prior_yy
    step = torch.stack(equations.solved(xx, xy, yy, x_q, y_q, 0.0), dim=-3)
    return step, what_is_known(xx, xy, yy, rest)


def _inside(motion: Tensor) -> Tensor:
    """Which pixels ``[..., H, W]`` are still within the frame after `motion`."""
    height, width = motion.shape[-2:]
    x = motion[..., 0, :, :] + torch.arange(width, device=motion.device)
    y = motion[..., 1, :, :] + torch.arange(height, device=motion.device)[:, None]
    return (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)


def _doubted(known: Tensor, doubt: Tensor) -> Tensor:
    """What is known if a variance `doubt` is added in each direction.

    Args:
        known: the inverse of a covariance in pixels squared, ``[..., 3, H, W]``: xx, xy and yy.
        doubt: ``[..., H, W]``.
    """
    xx, xy, yy = known.unbind(-3)
    # With K for what is known, (K^-1 + d I)^-1 = (K + d det K I) / (1 + d tr K + d^2 det K).
    determinant = xx * yy - xy * xy
    below = 1 + doubt * (xx + yy) + doubt.square() * determinant
    more = doubt * determinant
    return torch.stack([xx + more, xy, yy + more], dim=-3) / below[..., None, :, :]


def _filled(motion: Tensor, known: Tensor) -> Tensor:
    """Motion where little is known of its own as what is around it moves; as it is elsewhere.

    That of the window around is one more observation, as good as the window moves alike.
    """
    xx, xy, yy = known.unbind(-3)
    x, y = motion.unbind(-3)
    right, down = xx * x + xy * y, xy * x + yy * y
    of_window = equations.blurred(torch.stack([xx, xy, yy, right, down], dim=-3))
    a, b, c, d, e = of_window.unbind(-3)
    mean_x, mean_y = equations.solved(a, b, c, d, e, equations.RIDGE * (a + c))
    off_x, off_y = x - mean_x, y - mean_y
    off = xx * off_x.square() + 2 * xy * off_x * off_y + yy * off_y.square()
    spread = equations.blurred(off[..., None, :, :])[..., 0, :, :] / (a + c)
    share = 1 / (_ALIKE + spread)
    right, down = right + share * mean_x, down + share * mean_y
    return torch.stack(equations.solved(xx, xy, yy, right, down, share), dim=-3)


def _doubt(motion: Tensor, step: Tensor, of_weight: bool = False) -> Tensor:
    """Variance ``[..., H, W]`` of what is one motion within a window; `step` was added last.

    For the weight it is that of the worst window nearby: between crests all seems straight.
    """
    whole = equations.blurred(torch.ones_like(motion[..., :1, :, :]))
    mean, steps = (
        equations.blurred(x) / whole for x in (motion, step.square().sum(-3, keepdim=True))
    )
    bend = (motion - mean).square().sum(-3)
    right, down = torch.gradient(motion, dim=(-1, -2))
    slope = (right.square() + down.square()).sum(-3)
    bend = _WORST * worst_nearby(bend) if of_weight else _BEND * bend
    return _STEP * steps[..., 0, :, :] + _SLOPE * slope + bend
