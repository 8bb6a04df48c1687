"""From a video's features and grey frames to its valence and arousal, clip by clip.

A video is cut into clips while it is still being read; where clips overlap, predictions are
averaged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from mimamo.data.clips import clip_starts, context_indices
from mimamo.model.config import OUTPUTS
from mimamo.model.features import phase_windows
from mimamo.model.network import MIMAMONet
from mimamo.predict.stage_times import StageTimes
from mimamo.tensor_file import Rows

PUBLISHED_BATCH = 16  # clips beside each other where the GRU runs over them: the published recipe's


def predict_sequence(
    network: MIMAMONet,
    features: Rows | np.ndarray,
    frames: Rows | np.ndarray,
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
        batch_size: clips per pass; it does not change the result. A network whose GRU runs over
            clips has 16 beside each other, whatever it says.

    Returns:
        float32 ``[T, 2]``: valence, arousal, NaN for what the network does not give. T may be 0.

    Raises:
        ValueError: a shape, dtype or number that does not fit.
    """
    features, frames = torch.as_tensor(features[:]), torch.as_tensor(frames[:])
    _check(network, features, frames, clip_length, stride, batch_size)
    stream = ClipStream(network.config.num_phase, clip_length, stride)
    clips = chain(stream.push(features, frames), stream.finish())
    averages = ClipAverages()
    if beside(network) > 1:
        batch_size = beside(network)
    with evaluating(network):
        while batch := list(islice(clips, batch_size)):
            averages.add(batch, predict_clips(network, batch))
    return averages.values(len(frames))


class ClipInput(NamedTuple):
    """What the network needs of a clip of L frames.

    Attributes:
        start: its first frame.
        features: spatial features ``[L, D]``.
        frames: grey, uint8 ``[L + P, S, S]``: the clip with its context.
    """

    start: int
    features: Tensor
    frames: Tensor


class ClipStream:
    """Gives the clips of `clip_starts`, each as soon as its frames and their context are there.

    Between calls it holds one clip and its context, however long the video. The last clip ends
    with the video, so it comes from `finish`.

    Args:
        num_phase: phase differences of a frame's window, P.
        clip_length: frames of a clip, L; a shorter video is one clip.
        stride: frames from one clip to the next, at most `clip_length`.
    """

    def __init__(self, num_phase: int, clip_length: int = 64, stride: int = 64) -> None:
        self._num_phase = num_phase
        self._length = clip_length
        self._stride = stride
        self._total = 0  # frames so far
        self._next = 0  # start of the clip to come
        self._kept = 0  # the first frame still held
        self._features = self._frames = torch.empty(0)  # from the frame `_kept` on

    @property
    def total(self) -> int:
        """How many frames have come."""
        return self._total

    def push(self, features: Tensor, frames: Tensor) -> Iterator[ClipInput]:
        """Take the next frames, ``[n, D]`` and uint8 ``[n, S, S]``; yield clips now complete."""
        if self._total:
            features = torch.cat([self._features, features])
            frames = torch.cat([self._frames, frames])
        self._features, self._frames = features, frames
        self._total = self._kept + len(frames)
        after = self._num_phase - self._num_phase // 2
        # One frame more, even without context: only then it is not the last clip.
        while self._total >= self._next + self._length + max(1, after):
            yield self._clip(self._next, self._length)
            self._next += self._stride
        self._forget()

    def finish(self) -> Iterator[ClipInput]:
        """Yield the clips that are left; no frames may follow."""
        if not self._total:
            return
        length = min(self._length, self._total)
        for start in clip_starts(self._total, self._length, self._stride):
            if start >= self._next or start == self._total - length:
                yield self._clip(start, length)

    def _clip(self, start: int, length: int) -> ClipInput:
        around = context_indices(start, length, self._num_phase, self._total) - self._kept
        inside = slice(start - self._kept, start - self._kept + length)
        return ClipInput(start, self._features[inside], self._frames[torch.from_numpy(around)])

    def _forget(self) -> None:
        # The last clip starts at least one length before the end, wherever that will be.
        needed = min(self._next, self._total - self._length) - self._num_phase // 2
        if needed > self._kept:
            self._features = self._features[needed - self._kept :].clone()
            self._frames = self._frames[needed - self._kept :].clone()
            self._kept = needed


def beside(network: MIMAMONet) -> int:
    """How many clips of a video, in their order, a network has to be given together."""
    return PUBLISHED_BATCH if network.config.recurrence == "clips" else 1


@torch.inference_mode()
def predict_clips(
    network: MIMAMONet, clips: Sequence[ClipInput], times: StageTimes | None = None
) -> np.ndarray:
    """Predict clips of one length L: float64 ``[clips, L, 2]``, valence and arousal.

    What the network does not give is NaN.

    Args:
        network: in evaluation mode, on its own device.
        clips: of `ClipStream`.
        times: counts what the stages "phase" and "network" take.
    """
    times = times or StageTimes()
    # Where clips are many because they belong together, they are embedded one by one.
    apart = [[clip] for clip in clips] if beside(network) > 1 else [clips]
    embedded = torch.cat([_embedded(network, some, times) for some in apart])
    with times.stage("network"):
        return both(network, network.read_out(embedded).double().cpu().numpy())


def both(network: MIMAMONet, given: np.ndarray) -> np.ndarray:
    """What a network gives, ``[..., outputs]``, as ``[..., 2]``: NaN for what it does not."""
    values = np.full((*given.shape[:-1], len(OUTPUTS)), np.nan)
    values[..., [OUTPUTS.index(name) for name in network.config.outputs]] = given
    return values


def _embedded(network: MIMAMONet, clips: Sequence[ClipInput], times: StageTimes) -> Tensor:
    """What the GRU is given of clips: ``[clips, L, hidden]``."""
    weight = network.head.fc.weight
    with times.stage("phase"):
        frames = torch.stack([clip.frames for clip in clips]).to(weight.device)  # [B, L + P, S, S]
        if weight.dtype == torch.float64:
            frames = frames.double() / 255  # phases are as precise as what they come from
        phases = phase_windows(frames, network.config, context=True)
        phases = tuple(level.to(weight.dtype) for level in phases)
    with times.stage("network"):
        features = torch.stack([clip.features for clip in clips])
        return network.embed(features.to(weight), phases)


class ClipAverages:
    """Puts clips together again; where they overlap, predictions are averaged."""

    def __init__(self) -> None:
        self._parts: list[tuple[int, np.ndarray]] = []  # first frame, predictions [L, 2]

    def add(self, clips: Sequence[ClipInput], predictions: np.ndarray) -> None:
        """Add the predictions ``[clips, L, 2]`` of some clips."""
        self._parts += [(clip.start, own) for clip, own in zip(clips, predictions, strict=True)]

    def values(self, total: int) -> np.ndarray:
        """The predictions of all `total` frames, float32 ``[total, 2]``."""
        sums, counts = np.zeros((total, 2)), np.zeros((total, 1))
        for start, own in self._parts:
            sums[start : start + len(own)] += own
            counts[start : start + len(own)] += 1
        return (sums / counts).astype(np.float32)


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Keep a network in evaluation mode inside the block; afterwards it is as before."""
    was_training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was_training)


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
