"""The temporal stream's input: small grey faces and the phase differences between them."""

from __future__ import annotations

import numpy as np
from PIL import Image
from torch import Tensor

import phasenet
from mimamo.network.config import MIMAMOConfig


def phase_frames(crops: np.ndarray, size: int = 48) -> np.ndarray:
    """Turn aligned faces into the small grey frames whose phases are compared.

    First grey (ITU-R 601 luma), then Lanczos with antialiasing, both by Pillow, as in the
    published method. OpenCV's Lanczos does not antialias: skipping source pixels would make
    motion out of texture.

    Args:
        crops: uint8 ``[N, H, W, 3]``, RGB (aligned faces are 112x112).
        size: height and width of the result, pixels.

    Returns:
        uint8 ``[N, size, size]``.

    Raises:
        ValueError: another dtype or shape.
    """
    crops = np.asarray(crops)
    if crops.dtype != np.uint8 or crops.ndim != 4 or crops.shape[3] != 3:
        raise ValueError(
            f"crops: expected uint8 [N, H, W, 3], got {crops.dtype} {list(crops.shape)}"
        )
    frames = np.empty((len(crops), size, size), np.uint8)
    for frame, crop in zip(frames, crops, strict=True):
        grey = Image.fromarray(crop).convert("L")
        frame[:] = np.asarray(grey.resize((size, size), Image.Resampling.LANCZOS))
    return frames


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
