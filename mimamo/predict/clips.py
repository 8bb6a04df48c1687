"""From a video's features and grey frames to its valence and arousal, clip by clip.

Every frame is embedded once, a clip at a time while the video is still being read. The GRU then
runs over clips of embedded frames, which may overlap, or over all of them.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from mimamo.data.clips import clip_starts, context_indices
from mimamo.errors import InputError
from mimamo.model.config import MOST_CLIP, OUTPUTS
from mimamo.model.features import phase_windows
from mimamo.model.network import MIMAMONet
from mimamo.predict.stage_times import StageTimes
from mimamo.settings import is_whole
from mimamo.tensor_file import Rows

PUBLISHED_BATCH = 16  # clips beside each other where the GRU runs over them: the published recipe's


@dataclass(frozen=True)
class Cut:
    """Over which frames of a sequence the GRU runs: clips that may overlap, or the whole of it.

    Attributes:
        stride: frames from one clip to the next, at most a clip; None for half a clip. With a whole
            clip there is no overlap, but that the last clip ends with the sequence.
        whole: no clips: the GRU runs over all frames at once.

    Raises InputError for another stride, or one beside `whole`.
    """

    stride: int | None = None
    whole: bool = False

    def __post_init__(self) -> None:
        if self.stride is None:
            return
        if not is_whole(self.stride, 1, MOST_CLIP):
            raise InputError(f"stride: expected 1 to {MOST_CLIP} frames, got {self.stride!r}")
        if self.whole:
            raise InputError(f"stride: expected none with whole, got {self.stride}")

    def of(self, clip_length: int) -> tuple[int, int]:
        """Length and stride of the clips of a network that was trained on clips of this length.

        Raises InputError if the stride is longer.
        """
        if self.whole:
            return sys.maxsize, sys.maxsize
        stride = max(1, clip_length // 2) if self.stride is None else self.stride
        if stride > clip_length:
            raise InputError(
                f"stride: expected 1 to {clip_length}, the frames of a clip, got {stride}"
            )
        return clip_length, stride


OVERLAPPING = Cut()  # where nothing is said


def predict_sequence(
    network: MIMAMONet,
    features: Rows | np.ndarray,
    frames: Rows | np.ndarray,
    clip_length: int = 64,
    stride: int | None = None,
    batch_size: int = 4,
    *,
    whole: bool = False,
) -> np.ndarray:
    """Predict the valence and arousal of every frame of a video.

    A frame's phase window reaches into the video's own frames before and after it; only at the
    video's ends its first and last frame are repeated. The GRU runs over clips, the last one
    aligned to the video's end; a shorter video is one clip. Where clips overlap, predictions are
    averaged with weights that fall towards a clip's ends (`ClipAverages`).

    Phases are computed on the network's device, a batch of clips at a time: what is in memory
    depends on `batch_size` and `clip_length` (18 MB of phases a clip of 64), not on the video;
    with `whole` beside it 10 KB a frame.

    Args:
        network: used in evaluation mode, on its own device; left in the mode it was in.
        features: spatial features ``[T, feature_dim]``, real.
        frames: grey frames of the same T, uint8 ``[T, phase_size, phase_size]``.
        clip_length: frames of a clip, over which the GRU runs.
        stride, whole: how clips are cut, see `Cut`.
        batch_size: clips per pass; it changes the result by rounding only. A network whose GRU
            runs over clips has 16 beside each other, whatever it says.

    Returns:
        float32 ``[T, 2]``: valence, arousal, NaN for what the network does not give. T may be 0.

    Raises:
        ValueError: a shape, dtype or number that does not fit.
    """
    features, frames = torch.as_tensor(features[:]), torch.as_tensor(frames[:])
    _check(network, features, frames, clip_length, batch_size)
    length, stride = Cut(stride, whole).of(clip_length)
    stream = ClipStream(network.config.num_phase, clip_length)
    embedded, averages = EmbeddedClips(length, stride), ClipAverages(length - stride)
    clips = chain(stream.push(features, frames), stream.finish())

    def ready() -> Iterator[EmbeddedClip]:
        while batch := list(islice(clips, batch_size)):
            for clip, rows in zip(batch, embed_clips(network, batch), strict=True):
                yield from embedded.push(clip, rows)

    together = clips_at_once(network) if clips_at_once(network) > 1 else batch_size
    with evaluating(network):
        parts = ready()
        while some := list(islice(parts, together)):
            averages.add(some, read_out_clips(network, some))
    return averages.values(len(frames))


class ClipInput(NamedTuple):
    """What the network needs of a clip of L frames, to embed them.

    Attributes:
        start: its first frame.
        features: spatial features ``[L, D]``.
        frames: grey, uint8 ``[L + P, S, S]``: the clip with its context.
        is_last: whether the video ends with it.
    """

    start: int
    features: Tensor
    frames: Tensor
    is_last: bool


class ClipStream:
    """Gives clips that follow each other, each as soon as its frames and their context are there.

    Between calls it holds one clip and its context, however long the video. The last clip ends
    with the video, so it comes from `finish`, and has frames of the one before.

    Args:
        num_phase: phase differences of a frame's window, P.
        clip_length: frames of a clip, L; a shorter video is one clip.
    """

    def __init__(self, num_phase: int, clip_length: int = 64) -> None:
        self._num_phase = num_phase
        self._length = clip_length
        self._total = 0  # frames so far
        self._next = 0  # start of the clip to come
        self._kept = 0  # the first frame still held
        self._features = self._frames = torch.empty(0)  # from the frame `_kept` on

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
            self._next += self._length
        self._forget()

    def finish(self) -> Iterator[ClipInput]:
        """Yield the clips that are left; no frames may follow."""
        if not self._total:
            return
        length = min(self._length, self._total)
        for start in clip_starts(self._total, self._length, self._length):
            if start >= self._next or start == self._total - length:
                yield self._clip(start, length, is_last=start == self._total - length)

    def _clip(self, start: int, length: int, is_last: bool = False) -> ClipInput:
        around = context_indices(start, length, self._num_phase, self._total) - self._kept
        inside = slice(start - self._kept, start - self._kept + length)
        frames = self._frames[torch.from_numpy(around)]
        return ClipInput(start, self._features[inside], frames, is_last)

    def _forget(self) -> None:
        # The last clip starts at least one length before the end, wherever that will be.
        needed = min(self._next, self._total - self._length) - self._num_phase // 2
        if needed > self._kept:
            self._features = self._features[needed - self._kept :].clone()
            self._frames = self._frames[needed - self._kept :].clone()
            self._kept = needed


class EmbeddedClip(NamedTuple):
    """A clip of L embedded frames: its first frame, and ``[L, hidden]``."""

    start: int
    frames: Tensor


class EmbeddedClips:
    """Gives the clips of `clip_starts` of embedded frames, each as soon as its frames are there.

    Between calls it holds two clips at most, or all frames where the clips are as long as that.

    Args:
        length, stride: of the clips, see `Cut.of`.
    """

    def __init__(self, length: int, stride: int) -> None:
        self._length, self._stride = length, stride
        self._next = 0  # start of the clip to come
        self._held: deque[EmbeddedClip] = deque()

    def push(self, clip: ClipInput, embedded: Tensor) -> Iterator[EmbeddedClip]:
        """Take what the next of `ClipStream`'s clips became, ``[n, hidden]``; yield clips."""
        self._held.append(EmbeddedClip(clip.start, embedded))
        total, stop = clip.start + len(embedded), 0
        while self._next + self._length <= total:
            stop = self._next + self._length
            yield self._clip(self._next, stop)
            self._next += self._stride
        if clip.is_last and stop < total:
            yield self._clip(max(0, total - self._length), total)
        # The last clip starts at least one length before the end, wherever that will be.
        needed = min(self._next, total - self._length)
        while len(self._held) > 1 and self._held[1].start <= needed:
            self._held.popleft()

    def _clip(self, start: int, stop: int) -> EmbeddedClip:
        """Frames from `start` to `stop`; those embedded twice as they were the last time."""
        parts, end = [], stop
        for at, rows in reversed(self._held):
            if at < end and start < end:
                parts.append(rows[max(0, start - at) : end - at])
                end = at
        return EmbeddedClip(start, torch.cat(parts[::-1]))


def clips_at_once(network: MIMAMONet) -> int:
    """How many clips of a video, in their order, a network has to read out together."""
    return PUBLISHED_BATCH if network.config.recurrence == "clips" else 1


def valence_and_arousal(network: MIMAMONet, given: np.ndarray) -> np.ndarray:
    """What a network gives, ``[..., outputs]``, as ``[..., 2]``: NaN for what it does not."""
    values = np.full((*given.shape[:-1], len(OUTPUTS)), np.nan)
    values[..., [OUTPUTS.index(name) for name in network.config.outputs]] = given
    return values


@torch.inference_mode()
def embed_clips(
    network: MIMAMONet, clips: Sequence[ClipInput], times: StageTimes | None = None
) -> Tensor:
    """Embed clips of one length L: ``[clips, L, hidden]``, on the network's device.

    Args:
        network: in evaluation mode, on its own device.
        clips: of `ClipStream`.
        times: counts what the stages "phase" and "network" take.
    """
    times = times or StageTimes()
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


@torch.inference_mode()
def read_out_clips(
    network: MIMAMONet, clips: Sequence[EmbeddedClip], times: StageTimes | None = None
) -> np.ndarray:
    """Valence and arousal of clips of one length L: float64 ``[clips, L, 2]``.

    What the network does not give is NaN. Arguments as for `embed_clips`.
    """
    with (times or StageTimes()).stage("network"):
        embedded = torch.stack([clip.frames for clip in clips])
        return valence_and_arousal(network, network.read_out(embedded).double().cpu().numpy())


class ClipAverages:
    """Puts clips together again; where they overlap, predictions are averaged.

    A clip's weights rise and fall along a straight line where it overlaps others, so that one
    clip's predictions pass into the next one's without a step; at the ends of the video they do
    not. Clips that do not overlap have equal weights.

    Args:
        overlap: how many frames a clip, but for the last, has of the one before.
    """

    def __init__(self, overlap: int = 0) -> None:
        self._overlap = overlap
        self._parts: list[tuple[int, np.ndarray]] = []  # first frame, predictions [L, 2]

    def add(self, clips: Sequence[EmbeddedClip], predictions: np.ndarray) -> None:
        """Add the predictions ``[clips, L, 2]`` of some clips."""
        self._parts += [(clip.start, own) for clip, own in zip(clips, predictions, strict=True)]

    def values(self, total: int) -> np.ndarray:
        """The predictions of all `total` frames, float32 ``[total, 2]``."""
        sums, weights = np.zeros((total, 2)), np.zeros((total, 1))
        for start, own in self._parts:
            stop = start + len(own)
            rise = np.arange(1, len(own) + 1).clip(max=self._overlap + 1) / (self._overlap + 1)
            weight = np.minimum(rise if start else 1.0, rise[::-1] if stop < total else 1.0)
            weight = np.broadcast_to(weight, len(own))[:, None]
            sums[start:stop] += weight * own
            weights[start:stop] += weight
        return (sums / weights).astype(np.float32)


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
    network: MIMAMONet, features: Tensor, frames: Tensor, clip_length: int, batch_size: int
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
