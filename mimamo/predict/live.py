"""Valence and arousal of a face while it is being filmed, frame by frame.

A frame's window of phase differences is complete when half a window of later frames is there, so a
prediction comes that many frames late (6 with the published settings). The GRU then runs over the
frames of a clip that ends with the current frame: of its future it knows what the window shows. A
gap without a face that is as long as a window ends the sequence, as the end of a video does;
shorter ones are passed over. Frames, windows and features are dropped as soon as they are used.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from torch import Tensor

from mimamo.device import move
from mimamo.faces import Detector, FaceTracker, align_face, phase_frames
from mimamo.files import open_new, replacing
from mimamo.model.checkpoint import Checkpoint
from mimamo.model.features import SpatialFeatures
from mimamo.predict.table import HEADER, NO_FACE, table_row
from mimamo.video import VideoFrame
from phasenet import PhaseStream

LIVE_HEADER = f"{HEADER},latency_ms"
_RECENT = 30  # frames over which the frame rate is measured
_LATENCIES = 10_000  # of the newest predictions, kept for the summary


@dataclass(frozen=True, eq=False)
class LivePrediction:
    """What is known of a frame, some frames after it.

    Attributes:
        index, time: of the frame: its number from 0, and its time in seconds.
        found: whether it shows a face.
        valence, arousal: of the frame; without a face those of the frame before, and
            `NO_FACE` before the first face.
        latency: seconds from the moment the frame was there to this prediction.
    """

    index: int
    time: float
    found: bool
    valence: float
    arousal: float
    latency: float


class LivePredictor:
    """Takes frames one after the other and gives predictions as they become known.

    Args:
        checkpoint: network and backbone; the network is moved to `device` and set to evaluation.
        detector: finds the face.
        device: where the networks run.
        dtype: in which the backbone computes, see `mimamo.model.features.choose_precision`.
        search_every: as for `FaceTracker`.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        detector: Detector,
        device: torch.device | str = "cpu",
        *,
        dtype: torch.dtype = torch.float32,
        search_every: int = 1,
    ) -> None:
        self.network = move(checkpoint.network, device).eval()
        self._spatial = SpatialFeatures(checkpoint.backbone, device, batch_size=1, dtype=dtype)
        self._tracker = FaceTracker(detector, search_every=search_every)
        config = self.network.config
        self._phases = PhaseStream(
            config.num_phase,
            height=config.height,
            nbands=config.nbands,
            levels=config.levels,
            unwrap=config.unwrap,
        )
        self._features: deque[Tensor] = deque()  # of faces whose window is not complete
        self._clip: deque[Tensor] = deque(maxlen=checkpoint.clip_length)
        # Frames that wait: number, time, whether there is a face, and when it came.
        self._pending: deque[tuple[int, float, bool, float]] = deque()
        self._values: deque[tuple[float, float]] = deque()  # of faces whose frame waits
        self._last = (NO_FACE, NO_FACE)
        self._without = 0  # frames since the last face
        #: Box of the face in the last frame, float32 [4], None if there was none.
        self.box: np.ndarray | None = None

    def push(self, frame: VideoFrame) -> list[LivePrediction]:
        """Take the next frame; returns the predictions that it completes, in order of frames."""
        came = perf_counter()
        face = self._tracker(frame.image, frame.time)
        self.box = None if face is None else face.box
        self._pending.append((frame.index, frame.time, face is not None, came))
        self._without = 0 if face is not None else self._without + 1
        if face is not None:
            crop = align_face(frame.image, face.landmarks)[None]
            self._features.append(self._spatial(crop)[0])
            grey = torch.from_numpy(phase_frames(crop, self.network.config.phase_size)[0])
            for _, levels in self._phases.push(grey):
                self._predict(levels)
        elif self._without == self.network.config.num_phase:
            return self.finish()  # else the last faces would wait for one that may never come
        return list(self._complete())

    def finish(self) -> list[LivePrediction]:
        """Wait for no more frames: returns the predictions that are left.

        Windows that are not complete repeat the last frame, as at the end of a video.
        """
        for _, levels in self._phases.flush():
            self._predict(levels)
        return list(self._complete())

    @torch.inference_mode()
    def _predict(self, levels: tuple[Tensor, ...]) -> None:
        """The prediction of the oldest face that waits, of which `levels` is the window."""
        weight = self.network.head.fc.weight
        features = self._features.popleft()[None, None].to(weight)
        phases = [level[None, None].to(weight) for level in levels]
        self._clip.append(self.network.embed(features, phases)[0, 0])
        values = self.network.read_out(torch.stack(list(self._clip))[None])[0, -1].tolist()
        self._values.append((values[0], values[1]))

    def _complete(self) -> Iterator[LivePrediction]:
        while self._pending and (self._values or not self._pending[0][2]):
            index, time, found, came = self._pending.popleft()
            self._last = self._values.popleft() if found else self._last
            yield LivePrediction(index, time, found, *self._last, perf_counter() - came)


@dataclass
class LiveSpeed:
    """Counts predictions: how fast they come, and how late.

    Attributes:
        frames: predictions so far.
        latencies: of the newest 10,000, seconds.
    """

    frames: int = 0
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=_LATENCIES))
    _started: float = field(default_factory=perf_counter)
    _recent: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT + 1))

    def add(self, prediction: LivePrediction) -> None:
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
        seconds = perf_counter() - self._started
        if not self.latencies:
            return f"0 frames in {seconds:.1f} s"
        median, slow = np.percentile(1000 * np.array(self.latencies), [50, 95])
        kept = len(self.latencies)
        which = "latency" if kept == self.frames else f"latency of the last {kept} frames"
        return (
            f"{self.frames} frames in {seconds:.1f} s, {self.frames / seconds:.1f} frames/s; "
            f"{which} {median:.0f} ms median, {slow:.0f} ms for the slowest 5 %"
        )


@contextmanager
def live_table(path: Path) -> Iterator[Callable[[LivePrediction], None]]:
    """A CSV file that appears under its name when the block ends; call it with each prediction."""
    with replacing(path) as temporary, open_new(temporary) as file:
        file.write(f"{LIVE_HEADER}\n")

        def write(x: LivePrediction) -> None:
            row = table_row(x.index, x.time, x.found, (x.valence, x.arousal))
            file.write(f"{row},{1000 * x.latency:.1f}\n")

        yield write
