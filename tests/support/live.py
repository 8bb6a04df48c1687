"""What `mimamo live` has to give."""

from __future__ import annotations

import torch
from torch import Tensor

from mimamo.model.features import phase_windows
from mimamo.model.network import MIMAMONet


@torch.inference_mode()
def values_so_far(network: MIMAMONet, features: Tensor, frames: Tensor) -> list[list[float]]:
    """Valence and arousal of each of T faces, by the network on the clip that ends with it.

    `features` are ``[T, D]``, `frames` grey ``[T, S, S]``.
    """
    windows = phase_windows(frames, network.config, context=False)
    whole = [x[None] for x in (features, *windows)]
    clips = ([x[:, : number + 1] for x in whole] for number in range(len(frames)))
    return [network(clip[0], clip[1:])[0, -1].tolist() for clip in clips]
