"""From a video to the predictions of its faces in one pass, the stages working side by side.

    thread:   decode ─┐
    thread:           └─ find, follow and align faces  ───┐
    caller:                                               └─ gather batches and clips, in order
    workers:                  a batch's features and grey frames; a clip's phases and network

Batches are of whatever faces come; clips are of one face each, from the beginning of its track to
its end, so a face's predictions are those it would have alone.

Queues between them are short, so a stage that is ahead waits. What a clip needs is dropped once it
has been predicted: however long a video, a few hundred bytes a frame remain, and 2 KB more a frame
where the grey faces are to be kept.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from mimamo.faces import FaceChoice, phase_frames
from mimamo.faces.detection import Detector
from mimamo.faces.observe import FaceObservation, Faces, observe_faces
from mimamo.model.features import SpatialFeatures
from mimamo.model.network import MIMAMONet
from mimamo.predict.clips import ClipAverages, ClipInput, beside, evaluating, predict_clips
from mimamo.predict.interpolation import FaceClips
from mimamo.predict.networks import JointFeatures, Member, averaged
from mimamo.predict.stage_times import StageTimes
from mimamo.predict.table import NO_FACE, Predictions, fill_missing
from mimamo.threads import Workers, ahead

if TYPE_CHECKING:
    from mimamo.video import Film

_FRAMES_AHEAD = 8  # decoded frames, or batches of them, and observed faces, that wait
_CROPS = 8  # of a batch, for each whose features are computed
_TASKS_AHEAD = 2  # batches, and clips, that wait for a worker, beside one for each worker
_ROW = np.dtype([("frame", np.int64), ("time", np.float64), ("face", np.int64)])
_NO_BOX, _NO_LANDMARKS = np.full((4,), np.nan, np.float32), np.full((5, 2), np.nan, np.float32)


@dataclass(frozen=True, eq=False)
class Observed:
    """What one pass over a video gives, in T rows, F of them with a face.

    Attributes:
        predictions: of every frame, and with "all" faces of every face.
        faces: where they are.
        frames: uint8 ``[F, S, S]``, the grey faces; none (F = 0) unless they were to be kept.
        others: in how many frames a face was found that was not chosen.
    """

    predictions: Predictions
    faces: Faces
    frames: np.ndarray
    others: int


@dataclass(frozen=True, eq=False)
class Models:
    """What looks at the frames: the detector, the backbones, the networks on their clips.

    The networks see grey faces of one size; their predictions are averaged.
    """

    detector: Detector
    spatial: SpatialFeatures | JointFeatures
    members: Sequence[Member]
    search_every: int = 1
    features_every: int = 1
    faces: FaceChoice = "main"

    @property
    def gap(self) -> int:
        """Frames without a face that end its sequence: those of a window."""
        return max(1, *(member.network.config.num_phase for member in self.members))

    @property
    def phase_size(self) -> int:
        """Height and width of the grey faces."""
        return self.members[0].network.config.phase_size


def observe(
    video: Film,
    models: Models,
    pool: Workers,
    times: StageTimes,
    *,
    keep_frames: bool = False,
    advance: Callable[[], object] = lambda: None,
) -> Observed:
    """Read a video once and predict the chosen faces of every frame.

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

        faces = observe_faces(
            video, models.detector, models.faces,
            patience=models.gap, search_every=models.search_every, read=read,
        )  # fmt: skip
        for member in models.members:
            stack.enter_context(evaluating(member.network))
        gathering = _Gathering(models, pool, times, keep_frames)
        stack.callback(gathering.cancel)  # what has not begun
        for face in working("detection", faces):
            if gathering.add(face):
                advance()
        return gathering.finish()


class _Crop(NamedTuple):
    """An aligned face: its number, the picture, and whether its features are to be computed."""

    face: int
    image: np.ndarray
    known: bool


_Task: TypeAlias = tuple[ClipAverages, MIMAMONet, list[ClipInput]]  # where the values of clips go


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

        self._index = -1  # of the newest frame
        self._rows: list[tuple[int, float, int]] = []  # frame, seconds, number of the face
        self._boxes: list[np.ndarray] = []
        self._landmarks: list[np.ndarray] = []
        self._scores: list[float] = []
        self._others = 0

        self._crops: list[_Crop] = []
        self._seen: Counter[int] = Counter()  # crops of each face
        self._last: dict[int, int] = {}  # where faces were last seen whose tracks may go on
        # Of each: its crops, the tracks that have ended with it, features and grey frames.
        self._batches: deque[tuple[list[_Crop], list[int], Future]] = deque()
        # By face, for each of the networks:
        self._streams: dict[int, list[FaceClips]] = {}
        self._waiting: dict[int, list[list[ClipInput]]] = {}  # for others that belong beside them
        self._averages: dict[int, list[ClipAverages]] = {}
        self._clips: deque[tuple[ClipAverages, list[ClipInput], Future]] = deque()
        # By face:
        self._frames: dict[int, list[Tensor]] = defaultdict(list)

    def add(self, face: FaceObservation) -> bool:
        """Take the next face, or frame without one; whether it is of a new frame."""
        is_new, self._index = face.index > self._index, face.index
        self._others += is_new and face.others > 0
        self._rows.append((face.index, face.time, face.face))
        self._boxes.append(_NO_BOX if face.box is None else face.box)
        self._landmarks.append(_NO_LANDMARKS if face.landmarks is None else face.landmarks)
        self._scores.append(face.score)
        if face.crop is not None:
            known = self._seen[face.face] % self._models.features_every == 0
            self._seen[face.face] += 1
            self._crops.append(_Crop(face.face, face.crop, known))
            self._last[face.face] = face.index
            most = self._models.spatial.batch_size
            computed = sum(crop.known for crop in self._crops)
            if computed == most or len(self._crops) == _CROPS * most:
                self._submit_batch()
                self._collect(self._limit)
        return is_new

    def finish(self) -> Observed:
        """Wait for all that is under way, and put everything together."""
        if self._crops:
            self._submit_batch()
        self._collect(0)
        # With nothing left to overlap with, the last clips may have all cores.
        for number in self._streams:
            for averages, network, clips in self._ending(number):
                averages.add(clips, predict_clips(network, clips, self._times))
        rows = np.array(self._rows, _ROW)
        face = rows["face"]
        return Observed(
            Predictions(rows["time"], face, self._values(face), rows["frame"]),
            Faces(
                np.array(self._boxes, np.float32).reshape(-1, 4),
                np.array(self._landmarks, np.float32).reshape(-1, 5, 2),
                np.array(self._scores, np.float32),
            ),
            self._grey(face[face > 0]),
            self._others,
        )

    def cancel(self) -> None:
        """Take back what no worker has begun."""
        for *_, future in (*self._batches, *self._clips):
            future.cancel()

    def _values(self, face: np.ndarray) -> np.ndarray:
        """Valence and arousal of every row, whose faces are given."""
        values = np.full((len(face), 2), NO_FACE, np.float32)
        networks = [member.network for member in self._models.members]
        for number, averages in self._averages.items():
            own = face == number
            values[own] = averaged(networks, [each.values(int(own.sum())) for each in averages])
        # Where all faces have rows, what follows is nobody's.
        return values if self._models.faces == "all" else fill_missing(values[face > 0], face > 0)

    def _grey(self, face: np.ndarray) -> np.ndarray:
        """The grey faces, uint8 ``[F, S, S]``, in the order of rows, whose faces are given."""
        size = self._models.phase_size
        frames = np.empty((len(face) if self._frames else 0, size, size), np.uint8)
        for number, own in self._frames.items():
            frames[face == number] = torch.cat(own).numpy()
        return frames

    def _submit_batch(self) -> None:
        crops, self._crops = self._crops, []
        ended = [x for x, last in self._last.items() if last + self._models.gap < self._index]
        for number in ended:
            del self._last[number], self._seen[number]
        self._batches.append((crops, ended, self._pool.submit(self._look, crops)))

    def _look(self, crops: list[_Crop]) -> tuple[Tensor, Tensor]:
        """A worker's task: spatial features, where they are to be known, and grey frames."""
        known = [crop.image for crop in crops if crop.known]
        with self._times.stage("backbone"):
            features = self._models.spatial(np.stack(known)) if known else torch.empty(0)
        with self._times.stage("phase"):
            grey = phase_frames(np.stack([crop.image for crop in crops]), self._models.phase_size)
            return features, torch.from_numpy(grey)

    def _collect(self, limit: int) -> None:
        """Take back batches and clips, in order, until no more than `limit` of each are left."""
        while len(self._batches) > limit or (self._batches and self._batches[0][-1].done()):
            crops, ended, future = self._batches.popleft()
            features, frames = future.result()
            whose = np.array([crop.face for crop in crops])
            known = np.array([crop.known for crop in crops])
            for number in dict.fromkeys(whose.tolist()):
                own = whose == number
                self._push(number, features[own[known]], known[own], frames[own])
            for number in ended:
                self._predict(self._ending(number))
                del self._streams[number], self._waiting[number]
        while len(self._clips) > limit or (self._clips and self._clips[0][-1].done()):
            averages, clips, future = self._clips.popleft()
            averages.add(clips, future.result())

    def _push(self, number: int, features: Tensor, known: np.ndarray, frames: Tensor) -> None:
        """Take the next grey frames of a face, and the features of those where they are known."""
        members = self._models.members
        if number not in self._streams:
            self._streams[number] = [
                FaceClips(x.network.config.num_phase, x.clip_length) for x in members
            ]
            self._waiting[number] = [[] for _ in members]
            self._averages[number] = [ClipAverages() for _ in members]
        if self._keep_frames:
            self._frames[number].append(frames)
        which = known.tolist()
        self._predict(
            self._together(
                number,
                (
                    stream.push(features[..., member.columns], which, frames)
                    for member, stream in zip(members, self._streams[number], strict=True)
                ),
            )
        )

    def _ending(self, number: int) -> Iterator[_Task]:
        """What is left to predict of a face; it does not come again."""
        streams = self._streams[number]
        yield from self._together(number, (stream.finish() for stream in streams), last=True)

    def _together(
        self, number: int, clips: Iterable[Iterable[ClipInput]], last: bool = False
    ) -> Iterator[_Task]:
        """The clips of a face that each network is given together; those that come are `clips`."""
        for member, waiting, averages, new in zip(
            self._models.members, self._waiting[number], self._averages[number], clips, strict=True
        ):
            for clip in new:
                waiting.append(clip)
                if len(waiting) == beside(member.network):
                    yield averages, member.network, waiting.copy()
                    waiting.clear()
            if last and waiting:
                yield averages, member.network, waiting.copy()

    def _predict(self, tasks: Iterable[_Task]) -> None:
        for averages, network, clips in tasks:
            future = self._pool.submit(predict_clips, network, clips, self._times)
            self._clips.append((averages, clips, future))
