"""The training loss."""

from __future__ import annotations

from torch import Tensor

from mimamo.metrics import concordance_cc


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
