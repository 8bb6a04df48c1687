"""From a video to the predictions of its faces in one pass, the stages working side by side.

    thread:   decode ─┐
    thread:           └─ find, follow and align faces  ───┐
    caller:                                               └─ gather batches and clips, in order
    workers:          a batch's features and grey frames; a clip embedded; a clip's GRU

Batches are of whatever faces come; clips are of one face each, from the beginning of its track to
its end, so a face's predictions are those it would have alone. Clips that are embedded follow each
other; those that the GRU runs over may overlap (`Cut`), but never from one track to another.

Queues between them are short, so a stage that is ahead waits. What a clip needs is dropped once it
has been predicted: however long a video, a few hundred bytes a frame remain, and 2 KB more a frame
where the grey faces are to be kept. Where the GRU runs over the whole of a track, its embedded
frames wait for the end: 1 KB each, and while it runs 10 KB.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mimamo.faces import FaceChoice
from mimamo.faces.detection import Detector
from mimamo.faces.observe import FaceObservation, Faces, observe_faces
from mimamo.faces.small_grey import small_grey, stacked
from mimamo.model.features import SpatialFeatures
from mimamo.predict.clips import (
    OVERLAPPING,
    ClipAverages,
    ClipInput,
    Cut,
    EmbeddedClip,
    EmbeddedClips,
    clips_at_once,
    embed_clips,
    evaluating,
    read_out_clips,
)
from mimamo.predict.interpolation import FaceClips
from mimamo.predict.networks import JointFeatures, Member, averaged
from mimamo.predict.smoothing import smoothed
from mimamo.predict.stage_times import StageTimes
from mimamo.predict.table import NO_FACE, Predictions, fill_missing
from mimamo.threads import Workers, ahead

if TYPE_CHECKING:
    from mimamo.video import Film
    from mimamo.video.gaps import Gap

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
    cut: Cut = OVERLAPPING
    smooth: int = 0

    @property
    def gap(self) -> int:
        """Frames without a face that end its sequence: those of a window."""
        return max(1, *(member.network.config.num_phase for member in self.members))

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return self.members[0].network.head.fc.weight.device

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
        return gathering.finish(video.gaps)


class _Crop(NamedTuple):
    """An aligned face: its number, the picture, and whether its features are to be computed."""

    face: int
    image: np.ndarray | Tensor
    known: bool


class _TrackClips:
    """The clips of a face as one of the networks sees them, until the face is gone."""

    def __init__(self, member: Member, cut: Cut) -> None:
        length, stride = cut.of(member.clip_length)
        self.network, self.columns = member.network, member.columns
        self.faces = FaceClips(member.network.config.num_phase, member.clip_length)
        self.averages = ClipAverages(length - stride)
        self._embedded = EmbeddedClips(length, stride)
        self._waiting: list[EmbeddedClip] = []  # for others that belong beside them

    def together(self, clip: ClipInput, rows: Tensor) -> Iterator[list[EmbeddedClip]]:
        """Take what the next clip became; yield clips, as many as are to be read out together."""
        for part in self._embedded.push(clip, rows):
            self._waiting.append(part)
            if len(self._waiting) == clips_at_once(self.network):
                yield self._waiting
                self._waiting = []
        if clip.is_last and self._waiting:
            yield self._waiting


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
        self._embedding: deque[tuple[_TrackClips, ClipInput, Future]] = deque()
        self._clips: deque[tuple[ClipAverages, list[EmbeddedClip], Future]] = deque()
        # By face, for each of the networks:
        self._tracks: dict[int, list[_TrackClips]] = {}
        self._averages: dict[int, list[ClipAverages]] = {}
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

    def finish(self, gaps: Sequence[Gap]) -> Observed:
        """Wait for all that is under way, and put everything together; `gaps` are the video's."""
        if self._crops:
            self._submit_batch()
        self._collect(0)
        # With nothing left to overlap with, the last clips may have all cores.
        for track in chain.from_iterable(self._tracks.values()):
            for clip in track.faces.finish():
                (rows,) = embed_clips(track.network, [clip], self._times)
                for parts in track.together(clip, rows):
                    track.averages.add(parts, read_out_clips(track.network, parts, self._times))
        rows = np.array(self._rows, _ROW)
        face = rows["face"]
        return Observed(
            Predictions(rows["time"], face, self._values(face, rows["frame"]), rows["frame"], gaps),
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
        for *_, future in (*self._batches, *self._embedding, *self._clips):
            future.cancel()

    def _values(self, face: np.ndarray, frames: np.ndarray) -> np.ndarray:
        """Valence and arousal of every row, whose faces and frames are given."""
        values = np.full((len(face), 2), NO_FACE, np.float32)
        networks = [member.network for member in self._models.members]
        for number, averages in self._averages.items():
            own = np.flatnonzero(face == number)
            mean = averaged(networks, [each.values(len(own)) for each in averages])
            mean = mean.astype(np.float32)
            values[own] = smoothed(mean, frames[own], self._models.smooth)
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
        images = stacked([crop.image for crop in crops])
        if self._models.device.type != "cpu":  # where pictures of a folder are
            images = torch.as_tensor(images).to(self._models.device)
        known = [number for number, crop in enumerate(crops) if crop.known]
        with self._times.stage("backbone"):
            features = self._models.spatial(images[known]) if known else torch.empty(0)
        with self._times.stage("phase"):
            return features, small_grey(images, self._models.phase_size)

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
                for track in self._tracks.pop(number):
                    self._embed(track, track.faces.finish())
        while len(self._embedding) > limit or (self._embedding and self._embedding[0][-1].done()):
            track, clip, future = self._embedding.popleft()
            for parts in track.together(clip, future.result()[0]):
                read_out = self._pool.submit(read_out_clips, track.network, parts, self._times)
                self._clips.append((track.averages, parts, read_out))
        while len(self._clips) > limit or (self._clips and self._clips[0][-1].done()):
            averages, parts, future = self._clips.popleft()
            averages.add(parts, future.result())

    def _push(self, number: int, features: Tensor, known: np.ndarray, frames: Tensor) -> None:
        """Take the next grey frames of a face, and the features of those where they are known."""
        if number not in self._tracks:
            tracks = [_TrackClips(member, self._models.cut) for member in self._models.members]
            self._tracks[number] = tracks
            self._averages[number] = [track.averages for track in tracks]
        if self._keep_frames:
            self._frames[number].append(frames.cpu())
        which = known.tolist()
        for track in self._tracks[number]:
            self._embed(track, track.faces.push(features[..., track.columns], which, frames))

    def _embed(self, track: _TrackClips, clips: Iterable[ClipInput]) -> None:
        for clip in clips:
            future = self._pool.submit(embed_clips, track.network, [clip], self._times)
            self._embedding.append((track, clip, future))
