"""From a video to the predictions of its faces in one pass, the stages working side by side.

    thread:   decode ─┐
    thread:           └─ find, follow and align the face ─┐
    caller:                                               └─ gather batches and clips, in order
    workers:                  a batch's features and grey frames; a clip's phases and network

Queues between them are short, so a stage that is ahead waits. What a clip needs is dropped once it
has been predicted: however long a video, a few hundred bytes a frame remain, and 2 KB more a frame
where the grey faces are to be kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from mimamo.faces import phase_frames
from mimamo.faces.detection import Detector
from mimamo.faces.observe import FaceObservation, Faces, observe_faces
from mimamo.model.features import SpatialFeatures
from mimamo.model.network import MIMAMONet
from mimamo.predict.clips import ClipAverages, ClipInput, ClipStream, evaluating, predict_clips
from mimamo.predict.stage_times import StageTimes
from mimamo.predict.table import Predictions, fill_missing
from mimamo.threads import Workers, ahead

if TYPE_CHECKING:
    from mimamo.video import Film

_FRAMES_AHEAD = 8  # decoded frames, and observed faces, that wait
_TASKS_AHEAD = 2  # batches, and clips, that wait for a worker, beside one for each worker
_NO_BOX, _NO_LANDMARKS = np.full((4,), np.nan, np.float32), np.full((5, 2), np.nan, np.float32)


@dataclass(frozen=True, eq=False)
class Observed:
    """What one pass over a video of T frames gives, F of them with a face.

    Attributes:
        predictions: of every frame.
        faces: where they are.
        frames: uint8 ``[F, S, S]``, the grey faces; none (F = 0) unless they were to be kept.
    """

    predictions: Predictions
    faces: Faces
    frames: np.ndarray


@dataclass(frozen=True, eq=False)
class Models:
    """What looks at the frames: the detector, the backbone, the network on clips of a length."""

    detector: Detector
    spatial: SpatialFeatures
    network: MIMAMONet
    search_every: int = 1
    clip_length: int = 64


def observe(
    video: Film,
    models: Models,
    pool: Workers,
    times: StageTimes,
    *,
    keep_frames: bool = False,
    advance: Callable[[], object] = lambda: None,
) -> Observed:
    """Read a video once and predict every frame that has a face.

    Args:
        video: what to read.
        models: of which the detector is used by one thread, the others by those of `pool`.
        pool: the workers, see `mimamo.threads.workers`.
        times: counts what every stage takes.
        keep_frames: return the grey faces.
        advance: is called after every frame.

    Raises what a stage raises, after the others have stopped.
    """
    with ExitStack() as stack:

        def working(stage: str, items: Iterable) -> Iterator:
            made = ahead(times.making(stage, items), _FRAMES_AHEAD, f"mimamo-{stage}")
            return stack.enter_context(closing(made))

        def read(source: Iterable) -> Iterator:
            return times.waiting("detection", working("decode", source))

        faces = observe_faces(video, models.detector, search_every=models.search_every, read=read)
        stack.enter_context(evaluating(models.network))
        gathering = _Gathering(models, pool, times, keep_frames)
        stack.callback(gathering.cancel)  # what has not begun
        for face in working("detection", faces):
            gathering.add(face)
            advance()
        return gathering.finish()


class _Gathering:
    """Keeps what the faces of a video give, and hands batches and clips to the workers.

    Batches and clips are taken back in the order in which they were given, so the result does not
    depend on which worker was faster.
    """

    def __init__(self, models: Models, pool: Workers, times: StageTimes, keep_frames: bool) -> None:
        self._models = models
        self._pool = pool
        self._times = times
        self._keep_frames = keep_frames
        self._limit = pool.count + _TASKS_AHEAD

        self._seconds: list[float] = []
        self._found: list[bool] = []
        self._boxes: list[np.ndarray] = []
        self._landmarks: list[np.ndarray] = []
        self._frames: list[Tensor] = []

        self._crops: list[np.ndarray] = []
        self._batches: deque[Future] = deque()
        length = models.clip_length
        self._stream = ClipStream(models.network.config.num_phase, length, length)
        self._clips: deque[tuple[ClipInput, Future]] = deque()
        self._averages = ClipAverages()

    def add(self, face: FaceObservation) -> None:
        """Take the next frame's face."""
        self._seconds.append(face.time)
        self._found.append(face.crop is not None)
        self._boxes.append(_NO_BOX if face.box is None else face.box)
        self._landmarks.append(_NO_LANDMARKS if face.landmarks is None else face.landmarks)
        if face.crop is not None:
            self._crops.append(face.crop)
            if len(self._crops) == self._models.spatial.batch_size:
                self._submit_batch()
                self._collect(self._limit)

    def finish(self) -> Observed:
        """Wait for all that is under way, and put everything together."""
        if self._crops:
            self._submit_batch()
        self._collect(0)
        # With nothing left to overlap with, the last clips may have all cores.
        for clip in self._stream.finish():
            self._averages.add([clip], predict_clips(self._models.network, [clip], self._times))
        size = self._models.network.config.phase_size
        frames = torch.cat([torch.empty(0, size, size, dtype=torch.uint8), *self._frames])
        found = np.array(self._found, bool)
        values = fill_missing(self._averages.values(self._stream.total), found)
        return Observed(
            Predictions(np.array(self._seconds, np.float64), found, values),
            Faces(np.array(self._boxes, np.float32), np.array(self._landmarks, np.float32)),
            frames.numpy(),
        )

    def cancel(self) -> None:
        """Take back what no worker has begun."""
        for future in (*self._batches, *(future for _, future in self._clips)):
            future.cancel()

    def _submit_batch(self) -> None:
        self._batches.append(self._pool.submit(self._look, np.stack(self._crops)))
        self._crops.clear()

    def _look(self, crops: np.ndarray) -> tuple[Tensor, Tensor]:
        """A worker's task: spatial features and grey frames of a batch."""
        with self._times.stage("backbone"):
            features = self._models.spatial(crops)
        with self._times.stage("phase"):
            return features, torch.from_numpy(
                phase_frames(crops, self._models.network.config.phase_size)
            )

    def _collect(self, limit: int) -> None:
        """Take back batches and clips, in order, until no more than `limit` of each are left."""
        while len(self._batches) > limit or (self._batches and self._batches[0].done()):
            features, frames = self._batches.popleft().result()
            if self._keep_frames:
                self._frames.append(frames)
            for clip in self._stream.push(features, frames):
                network, times = self._models.network, self._times
                self._clips.append((clip, self._pool.submit(predict_clips, network, [clip], times)))
        while len(self._clips) > limit or (self._clips and self._clips[0][1].done()):
            clip, future = self._clips.popleft()
            self._averages.add([clip], future.result())
