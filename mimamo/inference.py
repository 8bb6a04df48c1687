"""From a video's features and grey frames to its valence and arousal, clip by clip."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mimamo.data.clips import clip_starts, context_indices
from mimamo.features.temporal import phase_windows
from mimamo.network.mimamo_net import MIMAMONet


@torch.inference_mode()
def predict_sequence(
    network: MIMAMONet,
    features: Tensor | np.ndarray,
    frames: Tensor | np.ndarray,
    clip_length: int = 64,
    stride: int = 64,
    batch_size: int = 4,
) -> np.ndarray:
    """Predict the valence and arousal of every frame of a video.

    The video is cut into clips, the last one aligned to its end; a shorter video is one clip. A
    clip's phase windows reach into the video's own frames before and after it; only at the video's
    ends its first and last frame are repeated. Where clips overlap, predictions are averaged.

    Phases are computed on the network's device, a batch of clips at a time: what is in memory
    depends on `batch_size` and `clip_length` (18 MB of phases a clip of 64), not on the video.

    Args:
        network: used in evaluation mode, on its own device; left in the mode it was in.
        features: spatial features ``[T, feature_dim]``, real.
        frames: grey frames of the same T, uint8 ``[T, phase_size, phase_size]``.
        clip_length: frames of a clip, over which the GRU runs.
        stride: frames from one clip to the next, at most `clip_length`.
        batch_size: clips per pass; it does not change the result.

    Returns:
        float32 ``[T, 2]``: valence, arousal. T may be 0.

    Raises:
        ValueError: a shape, dtype or number that does not fit.
    """
    features, frames = torch.as_tensor(features), torch.as_tensor(frames)
    _check(network, features, frames, clip_length, stride, batch_size)
    total = len(frames)
    length = min(clip_length, total)
    sums = np.zeros((total, 2))
    counts = np.zeros((total, 1))
    starts = clip_starts(total, clip_length, stride) if total else []
    was_training = network.training
    network.eval()
    try:
        for first in range(0, len(starts), batch_size):
            batch = starts[first : first + batch_size]
            predictions = _predict_clips(network, features, frames, batch, length)
            for start, prediction in zip(batch, predictions, strict=True):
                sums[start : start + length] += prediction
                counts[start : start + length] += 1
    finally:
        network.train(was_training)
    return (sums / counts).astype(np.float32)


def _predict_clips(
    network: MIMAMONet, features: Tensor, frames: Tensor, starts: list[int], length: int
) -> np.ndarray:
    """Predict clips of one length: float64 ``[clips, length, 2]``."""
    weight = network.head.fc.weight
    around = [
        context_indices(start, length, network.config.num_phase, len(frames)) for start in starts
    ]
    clip_frames = frames[torch.from_numpy(np.stack(around))].to(weight.device)  # [B, L + P, S, S]
    if weight.dtype == torch.float64:
        clip_frames = clip_frames.double() / 255  # phases are as precise as what they come from
    phases = phase_windows(clip_frames, network.config, context=True)
    clip_features = torch.stack([features[start : start + length] for start in starts])
    predictions = network(
        clip_features.to(weight), tuple(level.to(weight.dtype) for level in phases)
    )
    return predictions.double().cpu().numpy()


def _check(
    network: MIMAMONet,
    features: Tensor,
    frames: Tensor,
    clip_length: int,
    stride: int,
    batch_size: int,
) -> None:
    config = network.config
    size = config.phase_size
    if features.ndim != 2 or features.shape[1] != config.feature_dim:
        raise ValueError(
            f"features: expected [T, {config.feature_dim}], got {list(features.shape)}"
        )
    if frames.dtype != torch.uint8 or list(frames.shape) != [len(features), size, size]:
        raise ValueError(
            f"frames: expected uint8 [{len(features)}, {size}, {size}], "
            f"got {frames.dtype} {list(frames.shape)}"
        )
    if clip_length < 1 or batch_size < 1:
        raise ValueError(
            f"clip_length, batch_size: expected at least 1, got {clip_length}, {batch_size}"
        )
    if not 1 <= stride <= clip_length:
        raise ValueError(f"stride: expected 1 to clip_length ({clip_length}), got {stride}")
