"""Valence and arousal of faces while they are being filmed, frame by frame.

A frame's window of phase differences is complete when half a window of later frames is there, so a
prediction comes that many frames late (6 with the published settings). The GRU then runs over the
frames of a clip that ends with the current frame: of its future it knows what the window shows.
Each face has its own sequence, which ends where its track does (`FaceTracks`): at a cut, at another
face in its place, or at a gap as long as a window; shorter ones are passed over. Frames, windows
and features are dropped as soon as they are used.

Spatial features are needed as late as the window, so they are computed beside the frames that
follow; where that does not keep up, in every Nth frame (`mimamo.predict.interpolation`).
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from torch import Tensor

from mimamo.errors import InputError
from mimamo.faces import Detector, FaceChoice, FaceTracks
from mimamo.faces.small_grey import small_grey, stacked
from mimamo.files import open_new, replacing
from mimamo.model.checkpoint import Checkpoint
from mimamo.predict.clips import clips_at_once, valence_and_arousal
from mimamo.predict.interpolation import FeatureInterpolation
from mimamo.predict.networks import averaged, joined
from mimamo.predict.pace import Pace
from mimamo.predict.table import HEADER, NO_FACE, table_row
from mimamo.progress import counted
from mimamo.threads import Workers
from mimamo.video import VideoFrame
from phasenet import PhaseStream

LIVE_HEADER = f"{HEADER},latency_ms"
_RECENT = 30  # frames over which the frame rate is measured
_LATENCIES = 10_000  # of the newest predictions, kept for the summary


@dataclass(frozen=True, eq=False)
class LivePrediction:
    """What is known of a face of a frame, or of a frame without one, some frames after it.

    Attributes:
        index, time: of the frame: its number from 0, and its time in seconds.
        face: number of the face, from 1; 0 for none.
        valence, arousal: of the face; without one those of the prediction before, and `NO_FACE`
            before the first face, or where all faces are predicted.
        latency: seconds from the moment the frame was there to this prediction.
        box, score: of the face, as in `Detection`; None and 0 for none.
    """

    index: int
    time: float
    face: int
    valence: float
    arousal: float
    latency: float
    box: np.ndarray | None = None
    score: float = 0.0

    @property
    def found(self) -> bool:
        """Whether there is a face."""
        return self.face > 0


@dataclass(eq=False)
class _Sequence:
    """Of one face what is needed to predict it; the lists have an entry for each network."""

    phases: list[PhaseStream]
    clips: list[deque[Tensor]]
    windows: list[deque[tuple[Tensor, ...]]]  # without features so far
    after: int = 0  # faces since the last whose features were asked for, that one included
    # Those asked for: the task, the face's row in its result, and how far after the one before.
    asked: deque[tuple[Future[tuple[Tensor, float]], int, int]] = field(default_factory=deque)
    between: FeatureInterpolation = field(default_factory=FeatureInterpolation)
    features: deque[Tensor] = field(default_factory=deque)  # whose window is not complete


@dataclass(frozen=True, eq=False)
class _Row:
    """A face, or a frame without one, that waits for its prediction."""

    index: int
    time: float
    came: float
    face: int = 0
    box: np.ndarray | None = None
    score: float = 0.0


class LivePredictor:
    """Takes frames one after the other and gives predictions as they become known.

    Args:
        checkpoint: network and backbone; the network is moved to `device` and set to evaluation.
            Several are averaged.
        detector: finds the faces.
        device: where the networks run.
        dtype: in which the backbone computes, see `mimamo.model.features.choose_precision`.
        search_every, faces: as for `FaceTracks`.
        features_every: compute the spatial features of every Nth face; None for the smallest N, up
            to half a window, that keeps up with `fps`. It is an attribute, too.
        fps: frames a second that come.

    Raises:
        InputError: a network's GRU runs over clips, of which there is one at a time here; or
            checkpoints do not go together.
    """

    def __init__(
        self,
        checkpoint: Checkpoint | Sequence[Checkpoint],
        detector: Detector,
        device: torch.device | str = "cpu",
        *,
        dtype: torch.dtype = torch.float32,
        search_every: int = 1,
        faces: FaceChoice = "main",
        features_every: int | None = 1,
        fps: float = 30.0,
    ) -> None:
        if features_every is not None and features_every < 1:
            raise ValueError(f"features_every: expected at least 1, got {features_every}")
        self._spatial, self._members = joined(checkpoint, device, dtype=dtype)
        self._networks = [member.network.eval() for member in self._members]
        if any(clips_at_once(network) > 1 for network in self._networks):
            raise InputError(
                "live: expected networks whose GRU runs over frames, got one whose GRU runs over "
                "clips, of which there is one at a time"
            )
        num_phase = max(network.config.num_phase for network in self._networks)
        self._hold = faces != "all"
        self._tracks = FaceTracks(
            detector,
            faces,
            patience=max(1, num_phase),
            search_every=search_every,
        )
        # Beside it a core is left to the search for faces.
        self._beside = Workers(1, max(1, torch.get_num_threads() - 1))
        self.features_every = features_every or 1
        self._pace = None if features_every else Pace(fps, max(1, num_phase - num_phase // 2))
        # By the number of the face: what goes on, and predictions whose frame waits.
        self._sequences: dict[int, _Sequence] = {}
        self._values: dict[int, deque[tuple[float, float]]] = defaultdict(deque)
        self._pending: deque[_Row] = deque()
        self._last = (NO_FACE, NO_FACE)
        #: What is to be told of where the networks run.
        self.notes = self._spatial.notes
        #: Of the faces in the last frame: number and box, float32 [4].
        self.boxes: list[tuple[int, np.ndarray]] = []
        #: In how many frames a face was found that was not chosen.
        self.others = 0

    def push(self, frame: VideoFrame, lost: int = 0) -> list[LivePrediction]:
        """Take the next frame; returns the predictions that it completes, in order of frames.

        `lost` frames are missing before it (`mimamo.video.gaps.LostFrames`).
        """
        came = perf_counter()
        predictions = self._push(frame, came, lost)
        if self._pace is not None:
            self.features_every = self._pace.frame(perf_counter() - came, self.features_every)
        return predictions

    def _push(self, frame: VideoFrame, came: float, lost: int) -> list[LivePrediction]:
        batch = self._tracks.prepare([frame.image])
        found = self._tracks.follow(batch.views[0], frame.time, lost)
        self.boxes = [(number, face.box) for number, face in found]
        self.others += self._tracks.others > 0
        self._end(set(self._sequences) - self._tracks.alive)
        if not found:
            self._pending.append(_Row(frame.index, frame.time, came))
            return list(self._complete())
        crops = stacked([*batch.align([0] * len(found), [face for _, face in found])])
        self._ask([number for number, _ in found], crops)
        # The windows, much larger than the frames, are made where the networks take them.
        home = self._networks[0].head.fc.weight.device
        grey = small_grey(crops, self._networks[0].config.phase_size).to(home)
        for (number, face), picture in zip(found, grey, strict=True):
            row = _Row(frame.index, frame.time, came, number, face.box, face.score)
            self._pending.append(row)
            sequence = self._sequences[number]
            for phases, windows in zip(sequence.phases, sequence.windows, strict=True):
                windows.extend(levels for _, levels in phases.push(picture))
            self._predict(number)
        return list(self._complete())

    def finish(self) -> list[LivePrediction]:
        """Wait for no more frames: returns the predictions that are left.

        Windows that are not complete repeat the last frame, as at the end of a video.
        """
        self._end(set(self._sequences))
        self._beside.shutdown()
        return list(self._complete())

    def _begin(self) -> _Sequence:
        phases = [
            PhaseStream(
                config.num_phase,
                height=config.height,
                nbands=config.nbands,
                levels=config.levels,
                unwrap=config.unwrap,
            )
            for config in (network.config for network in self._networks)
        ]
        clips = [deque[Tensor](maxlen=member.clip_length) for member in self._members]
        return _Sequence(phases, clips, [deque() for _ in self._members])

    def _ask(self, numbers: Sequence[int], crops: np.ndarray | Tensor) -> None:
        """Have the features computed of those faces, of the next frame's, whose turn it is."""
        due = []
        for row, number in enumerate(numbers):
            is_new = number not in self._sequences
            if is_new:
                self._sequences[number] = self._begin()
            sequence = self._sequences[number]
            sequence.after += 1
            if is_new or sequence.after >= self.features_every:
                due.append((row, sequence))
        if not due:
            return
        task = self._beside.submit(self._look, crops[[row for row, _ in due]])
        for row, (_, sequence) in enumerate(due):
            sequence.asked.append((task, row, sequence.after))
            sequence.after = 0

    def _look(self, crops: np.ndarray | Tensor) -> tuple[Tensor, float]:
        """Spatial features, and the seconds that they took."""
        begun = perf_counter()
        return self._spatial(crops).cpu(), perf_counter() - begun  # waits for a GPU

    def _end(self, numbers: Iterable[int]) -> None:
        """Faces will not come again: their last ones would wait for ever."""
        for number in numbers:
            sequence = self._sequences[number]
            for phases, windows in zip(sequence.phases, sequence.windows, strict=True):
                windows.extend(levels for _, levels in phases.flush())
            self._predict(number)
            sequence.features.extend(sequence.between.rest(len(sequence.windows[0])))
            self._predict(number)
            del self._sequences[number]

    @torch.inference_mode()
    def _predict(self, number: int) -> None:
        """Predict a face wherever windows and features are known, or can be waited for."""
        sequence = self._sequences[number]
        while all(sequence.windows):
            if not sequence.features:
                if not sequence.asked:
                    return
                task, row, after = sequence.asked.popleft()
                sequence.features.extend(sequence.between.push(self._answer(task)[row], after))
            features = sequence.features.popleft()
            values = []
            for member, clip, windows in zip(
                self._members, sequence.clips, sequence.windows, strict=True
            ):
                network, weight = member.network, member.network.head.fc.weight
                given = features[member.columns][None, None].to(weight)
                phases = [level[None, None].to(weight) for level in windows.popleft()]
                clip.append(network.embed(given, phases)[0, 0])
                read = network.read_out(torch.stack(list(clip))[None])[0, -1]
                values.append(valence_and_arousal(network, read.double().cpu().numpy()))
            valence, arousal = averaged(self._networks, values).tolist()
            self._values[number].append((valence, arousal))

    def _answer(self, task: Future[tuple[Tensor, float]]) -> Tensor:
        begun = perf_counter()
        features, seconds = task.result()
        if self._pace is not None:
            self._pace.features(seconds / len(features), perf_counter() - begun)
        return features

    def _complete(self) -> Iterator[LivePrediction]:
        while self._pending:
            row = self._pending[0]
            if row.face and not self._values.get(row.face):
                return
            self._pending.popleft()
            values = self._last
            if row.face:
                values = self._values[row.face].popleft()
                if not self._values[row.face]:
                    del self._values[row.face]
                if self._hold:
                    self._last = values
            seen, late = (row.index, row.time, row.face), perf_counter() - row.came
            yield LivePrediction(*seen, *values, late, row.box, row.score)


@dataclass
class LiveSpeed:
    """Counts predicted frames: how fast they come, and how late.

    Attributes:
        frames: so far.
        found: how many of the predictions are of a face.
        latencies: of the newest 10,000, seconds.
    """

    frames: int = 0
    found: int = 0
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=_LATENCIES))
    _started: float = field(default_factory=perf_counter)
    _recent: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT + 1))
    _index: int = -1

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return perf_counter() - self._started

    def add(self, prediction: LivePrediction) -> None:
        self.found += prediction.found
        if prediction.index == self._index:  # another face of the same frame
            return
        self._index = prediction.index
        self.frames += 1
        self.latencies.append(prediction.latency)
        self._recent.append(perf_counter())

    @property
    def latency(self) -> float:
        """Seconds by which the newest prediction came after its frame; 0 before the first."""
        return self.latencies[-1] if self.latencies else 0.0

    @property
    def frames_per_second(self) -> float:
        """Over the last 30 predictions; 0 before there are two."""
        if len(self._recent) < 2 or self._recent[-1] == self._recent[0]:
            return 0.0
        return (len(self._recent) - 1) / (self._recent[-1] - self._recent[0])

    def summary(self) -> str:
        """One line: frames, frames per second from the beginning, and latencies.

        Where latencies are not of all frames, it says of how many.
        """
        seconds = self.seconds
        if not self.latencies:
            return f"0 frames in {seconds:.1f} s"
        median, slow = np.percentile(1000 * np.array(self.latencies), [50, 95])
        kept = len(self.latencies)
        which = (
            "latency" if kept == self.frames else f"latency of the last {counted(kept, 'frame')}"
        )
        return (
            f"{counted(self.frames, 'frame')} in {seconds:.1f} s, "
            f"{self.frames / seconds:.1f} frames/s; "
            f"{which} {median:.0f} ms median, {slow:.0f} ms for the slowest 5 %"
        )


@contextmanager
def live_table(path: Path) -> Iterator[Callable[[LivePrediction], None]]:
    """A CSV file that appears under its name when the block ends; call it with each prediction."""
    with replacing(path) as temporary, open_new(temporary) as file:
        file.write(f"{LIVE_HEADER}\n")

        def write(x: LivePrediction) -> None:
            row = table_row(x.index, x.time, x.face, (x.valence, x.arousal), x.box, x.score)
            file.write(f"{row},{1000 * x.latency:.1f}\n")

        yield write
