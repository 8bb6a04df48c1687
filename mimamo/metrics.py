"""The concordance correlation coefficient, the measure of the Aff-Wild2 challenge, and its loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np
import torch
from torch import Tensor

Pairs = tuple[np.ndarray, np.ndarray]  # predictions and labels, float64 [N, 2] each


@overload
def concordance_cc(
    prediction: Tensor, target: Tensor, dim: int | tuple[int, ...] | None = None
) -> Tensor: ...
@overload
def concordance_cc(prediction: np.ndarray, target: np.ndarray, dim: None = None) -> float: ...
@overload
def concordance_cc(
    prediction: np.ndarray, target: np.ndarray, dim: int | tuple[int, ...]
) -> np.ndarray: ...
def concordance_cc(
    prediction: Tensor | np.ndarray,
    target: Tensor | np.ndarray,
    dim: int | tuple[int, ...] | None = None,
) -> Tensor | np.ndarray | float:
    """Concordance correlation coefficient of two sequences (Lin, Biometrics 1989).

    ``CCC = 2 cov(x, y) / (var(x) + var(y) + (mean(x) - mean(y))²)``. The variances and the
    covariance are the population's (divided by n, not n - 1), as in the report on Aff-Wild2.
    1 is perfect agreement, 0 none. Where one of the two is constant there is nothing to agree
    with, and the result is exactly 0 (its gradient too): finite input never gives NaN.

    Args:
        prediction: array or tensor of any shape and real dtype; a tensor may require grad.
        target: the same shape; nothing is broadcast.
        dim: the dimension(s) that are the samples, e.g. 0 for ``[frames, 2]`` gives ``[2]``: one
            coefficient for valence, one for arousal. None: all elements are samples of one
            sequence, whatever the shape.

    Returns:
        For tensors a float64 tensor (computed in float64, differentiable) of the shape left when
        `dim` is removed; for arrays a float (`dim` None) or a float64 array.

    Raises:
        ValueError: the shapes differ, or there is not one sample.
    """
    as_tensor = isinstance(prediction, Tensor) or isinstance(target, Tensor)
    x = torch.as_tensor(prediction).double()
    y = torch.as_tensor(target).double()
    if x.shape != y.shape:
        raise ValueError(
            f"target: expected the shape of prediction, {list(x.shape)}, got {list(y.shape)}"
        )
    if x.numel() == 0:
        raise ValueError(f"prediction: expected at least one sample, got shape {list(x.shape)}")
    if dim is None:
        x, y, dim = x.flatten(), y.flatten(), 0

    # Compare extremes rather than test for zero variance: the mean of n equal numbers is rounded,
    # so a constant's computed variance is often a tiny positive number.
    constant = (x.amax(dim) == x.amin(dim)) | (y.amax(dim) == y.amin(dim))
    x_mean, y_mean = x.mean(dim, keepdim=True), y.mean(dim, keepdim=True)
    x_centred, y_centred = x - x_mean, y - y_mean
    covariance = (x_centred * y_centred).mean(dim)
    spread = x_centred.square().mean(dim) + y_centred.square().mean(dim)
    spread = spread + (x_mean - y_mean).square().mean(dim)
    undefined = constant | (spread == 0)  # squares of numbers below 1e-162 vanish even in float64
    # Dividing by 1 there, not by 0, keeps NaN out of the gradient of the branch not taken.
    ccc = 2 * covariance / torch.where(undefined, 1.0, spread)
    ccc = torch.where(undefined, 0.0, ccc)
    if as_tensor:
        return ccc
    return ccc.item() if ccc.ndim == 0 else ccc.numpy()


def pooled_ccc(pairs: Sequence[Pairs]) -> tuple[float, float]:
    """CCC of valence and of arousal over the pairs of some videos together; at least one pair."""
    predicted, labels = (np.concatenate(side) for side in zip(*pairs, strict=True))
    valence, arousal = concordance_cc(predicted, labels, dim=0)
    return float(valence), float(arousal)


def ccc_loss(prediction: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """Negative agreement with the labels, ``-(CCC_valence + CCC_arousal)``.

    Both coefficients are over all frames of the batch that count, clips pooled.

    Args:
        prediction: ``[..., 2]``: valence, arousal.
        labels: ``[..., 2]``; what stands where `mask` is False is not looked at.
        mask: bool ``[...]``, the frames that count; at least one.

    Returns:
        A scalar from -2 (perfect) to 2. It is float64, because a variance is a small difference
        of large sums, and its gradient is finite for any finite input: a constant prediction
        gives 0.

    Raises:
        ValueError: the shapes do not fit, or no frame counts.
    """
    return -concordance_cc(prediction[mask], labels[mask], dim=0).sum()
