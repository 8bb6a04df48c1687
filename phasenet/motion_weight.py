"""What motion is worth: 1 / (1 + (e / 0.12)^2), e the error in pixels that is expected of it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from phasenet import motion_equations as equations
from phasenet import reference

_MODEL = 1e-4  # pixels squared: what the equations leave out, so that an edge is known across alone
_INDEPENDENT = 4.0  # equations of a window, of which many say the same
_LEAST = 1e-9  # 1 / pixels^2: what is known of nothing, so that gradients are finite
_HALF = 0.12  # pixels: the error that halves the weight
_APART = 0.5  # of the window's variance: how far what is seen may lie from where it is said to be


def what_is_known(xx: Tensor, xy: Tensor, yy: Tensor, rest: Tensor) -> Tensor:
    """The inverse of the motion's covariance, ``[..., 3, H, W]`` of xx, xy and yy, 1 / pixels^2.

    Args:
        xx, xy, yy: of the equations over their trace, with their prior, ``[..., H, W]``.
        rest: what the motion leaves unexplained, pixels squared.
    """
    return torch.stack([xx, xy, yy], dim=-3) / (rest + _MODEL)[..., None, :, :]


def weight_of(known: Tensor, doubt: Tensor) -> Tensor:
    """The weight ``[..., H, W]`` along where least is known, `doubt` a variance beside."""
    xx, xy, yy = known.unbind(-3)
    apart = ((xx - yy) / 2).square() + xy.square() + torch.finfo(xx.dtype).tiny
    least = (xx + yy) / 2 - apart.sqrt()
    # The difference may be less than its rounding.
    least = torch.maximum(least, (xx + yy) * torch.finfo(least.dtype).eps)
    return 1 / (1 + (1 / (_INDEPENDENT * least + _LEAST) + doubt) / _HALF**2)


def doubt_of_one_look(motion: Tensor, step: int) -> Tensor:
    """Variance ``[..., H, W]`` of motion that changes within the windows.

    A window tells the motion of where its structure is, somewhere in it: the steepest change
    nearby, times how far that may be. `step` is the distance of the coarsest level's samples.
    """
    right, down = torch.gradient(motion, dim=(-1, -2))
    slope = (right.square() + down.square()).sum(-3)
    slope = equations.blurred(slope[..., None, :, :])[..., 0, :, :]
    slope = slope / equations.blurred(torch.ones_like(slope[:1, :1]))
    return _APART * (step * reference.BLUR_STD) ** 2 * worst_nearby(slope)


def worst_nearby(variance: Tensor) -> Tensor:
    """The largest ``[..., H, W]`` in each pixel's window."""
    worst = variance.flatten(0, -3)[:, None]
    for taps in ((reference.BLUR_TAPS, 1), (1, reference.BLUR_TAPS)):
        worst = F.max_pool2d(worst, taps, 1, [side // 2 for side in taps])
    return worst.reshape(variance.shape)
