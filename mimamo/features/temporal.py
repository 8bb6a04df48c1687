"""The temporal stream's input: small grey faces and the phase differences between them."""

from __future__ import annotations

from torch import Tensor

import phasenet
from mimamo.faces.grey import phase_frames
from mimamo.network.config import MIMAMOConfig

__all__ = ["phase_frames", "phase_windows"]


def phase_windows(frames: Tensor, config: MIMAMOConfig, context: bool) -> tuple[Tensor, ...]:
    """Phase differences of every frame's window, with the network's settings.

    Args:
        frames: grey ``[..., T, S, S]``, uint8 or floating point in [0, 1], ``S = phase_size``.
        config: says how many differences, which levels and bands, and how to unwrap.
        context: True where `frames` brings ``num_phase`` frames of context, half of them on each
            side: only frames whose window is whole are returned. False where `frames` is a whole
            video: its first and last frame are repeated.

    Returns:
        Per level ``[..., T', nbands·num_phase, h, w]`` in radians; T' is ``T - num_phase`` with
        `context`, else T.
    """
    return phasenet.phase_difference_windows(
        frames,
        config.num_phase,
        height=config.height,
        nbands=config.nbands,
        levels=config.levels,
        unwrap=config.unwrap,
        boundary="valid" if context else "replicate",
    )
