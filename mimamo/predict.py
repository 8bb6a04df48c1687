"""From videos to files of predictions: the whole path, one video after the other.

Of a video only what the network needs is held in memory: per frame with a face its features
(8 KB) and its small grey face (2 KB). Frames and aligned faces pass through in small batches.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mimamo.errors import InputError
from mimamo.faces.centerface import CenterFace
from mimamo.faces.detection import Detector
from mimamo.faces.extract import observe_faces
from mimamo.features import SpatialFeatures, phase_frames
from mimamo.files import output_folder
from mimamo.inference import predict_sequence
from mimamo.network.checkpoint import Checkpoint
from mimamo.predictions.outputs import Outputs, check_outputs, mark_video, outputs_of
from mimamo.predictions.panels import Faces
from mimamo.predictions.plot import save_plot
from mimamo.predictions.progress import Progress
from mimamo.predictions.render import render_video
from mimamo.predictions.rules import NO_FACE, fill_missing
from mimamo.predictions.sources import find_sources, open_source
from mimamo.predictions.table import Predictions, write_predictions
from mimamo.video import AlignedFolder, VideoReader


@dataclass(frozen=True, eq=False)
class PredictSettings:
    """How to predict, and what to write.

    Attributes:
        detector: finds the faces; None for the default, CenterFace.
        device: where the networks run.
        batch_size: faces per pass through the backbone; it does not change the result.
        aligned_fps: frames per second of folders of aligned faces, which do not tell.
        plot: write ``<name>.png``.
        render: write ``<name>.mp4``.
        overwrite: replace files that are not results of an earlier run, too.
    """

    detector: Detector | None = None
    device: torch.device | str = "cpu"
    batch_size: int = 32
    aligned_fps: float = 30.0
    plot: bool = True
    render: bool = False
    overwrite: bool = False


@dataclass(frozen=True, eq=False)
class VideoResult:
    """What became of one video.

    Attributes:
        source: the video file or folder of aligned faces.
        outputs: the files it is written to.
        predictions: of every frame that could be decoded; None if there are no results.
        error: what went wrong, in one line that names the file; None if all went well. A
            truncated video has both predictions, which are written, and an error.
    """

    source: Path
    outputs: Outputs
    predictions: Predictions | None = None
    error: str | None = None


def predict_video(
    source: str | os.PathLike[str],
    checkpoint: Checkpoint,
    out_dir: str | os.PathLike[str],
    settings: PredictSettings | None = None,
    progress: Progress | None = None,
) -> VideoResult:
    """Predict one video and write the results into `out_dir`.

    Args:
        source: a video file or a folder of aligned faces.
        checkpoint: is moved to the settings' device.
        out_dir: is made if need be. ``<name>.csv`` goes there, and what the settings ask for.
        settings: the defaults if None.
        progress: is told how it goes.

    Returns:
        The predictions; with an error, too, if the video is truncated.

    Raises:
        InputError: `source` cannot be used, or `out_dir` cannot be written to or holds a file in
            the way.
    """
    settings = settings or PredictSettings()
    source = Path(source)
    (outputs,) = _planned([source], out_dir, settings)
    predictor = _Predictor(checkpoint, settings, progress or Progress())
    return predictor.predict(source, outputs)


def predict_many(
    paths: Iterable[str | os.PathLike[str]],
    checkpoint: Checkpoint,
    out_dir: str | os.PathLike[str],
    settings: PredictSettings | None = None,
    progress: Progress | None = None,
) -> list[VideoResult]:
    """Predict videos one after the other; one that fails does not stop the others.

    Args:
        paths: video files, folders of aligned faces, and folders of either.
        checkpoint, out_dir, settings, progress: as for `predict_video`.

    Returns:
        One result per video, failed and truncated ones with their error, in the order of
        `paths`. A folder without videos is a failed one.

    Raises:
        InputError: before anything is read or written: two videos have one name, or `out_dir`
            cannot be written to or holds a file in the way.
    """
    settings = settings or PredictSettings()
    progress = progress or Progress()
    sources = find_sources(paths)
    planned = _planned(sources, out_dir, settings)
    predictor = _Predictor(checkpoint, settings, progress)
    results = []
    for source, outputs in zip(sources, planned, strict=True):
        try:
            result = predictor.predict(source, outputs)
        except InputError as error:
            result = VideoResult(source, outputs, error=str(error))
        progress.finish(result)
        results.append(result)
    return results


def choose_device(name: str) -> torch.device:
    """The device "cpu", "cuda", or with "auto" cuda where there is one; InputError otherwise."""
    if name not in ("auto", "cpu", "cuda"):
        raise InputError(f"device: expected auto, cpu or cuda, got {name!r}")
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise InputError("device: cuda asked for, but torch finds no CUDA device here")
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def _truncation(video: VideoReader | AlignedFolder, decoded: int, table: Path) -> str | None:
    """The error line of a video that was found to be truncated; None of any other."""
    if not (isinstance(video, VideoReader) and video.truncated):
        return None
    if video.frame_count is not None and video.frame_count > decoded:
        extent = f"{decoded} of {video.frame_count} frames decoded; the rest is missing"
    else:
        extent = f"{decoded} frames decoded; any after them are missing"
    return f"{video.path}: truncated: {extent} from {table}"


def _planned(
    sources: Sequence[Path], out_dir: str | os.PathLike[str], settings: PredictSettings
) -> list[Outputs]:
    """Where the results go, once it is sure that they may."""
    folder = Path(out_dir)
    planned = [
        outputs_of(source, folder, plot=settings.plot, render=settings.render) for source in sources
    ]
    check_outputs(sources, planned, settings.overwrite)
    output_folder(folder)
    return planned


@dataclass(frozen=True, eq=False)
class _Observed:
    """What is kept of a video with T frames, F of them with a face."""

    times: np.ndarray  # float64 [T], seconds
    found: np.ndarray  # bool [T]
    faces: Faces
    features: torch.Tensor  # float32 [F, 2048]
    frames: np.ndarray  # uint8 [F, S, S]


class _Predictor:
    """The models, ready to predict one video after the other."""

    def __init__(
        self, checkpoint: Checkpoint, settings: PredictSettings, progress: Progress
    ) -> None:
        self._network = checkpoint.network.to(settings.device)
        self._spatial = SpatialFeatures(checkpoint.backbone, settings.device, settings.batch_size)
        self._detector = settings.detector or CenterFace()
        self._settings = settings
        self._progress = progress

    def predict(self, source: Path, outputs: Outputs) -> VideoResult:
        """Predict a video and write its results; InputError if either fails."""
        video = open_source(source, self._settings.aligned_fps)
        try:
            observed = self._observe(video)
            self._progress.begin(f"{video.name}: predicting", None)
            values = predict_sequence(self._network, observed.features, observed.frames)
        except torch.OutOfMemoryError as error:
            raise InputError(
                f"{source}: the GPU's memory does not suffice; try a smaller batch size"
            ) from error
        truncation = _truncation(video, len(observed.times), outputs.table)
        for message in video.warnings:
            if truncation is None or not message.startswith(f"{source}: the file is truncated"):
                self._progress.warn(message)
        if not np.isfinite(values).all():
            raise InputError(f"{source}: the weights give predictions that are not finite numbers")
        if not observed.found.any():
            self._progress.warn(f"{source}: no face found; all predictions are {NO_FACE:g}")
        predictions = Predictions(
            observed.times, observed.found, fill_missing(values, observed.found)
        )
        try:
            self._write(video, observed, predictions, outputs)
        except OSError as error:  # such as a full disk
            raise InputError(f"{outputs.table.parent}: {error.strerror or error}") from error
        return VideoResult(source, outputs, predictions, truncation)

    def _observe(self, video: VideoReader | AlignedFolder) -> _Observed:
        """Read a video once: find its faces and compute what the network needs of them."""
        self._progress.begin(f"{video.name}: faces", video.frame_count)
        times: list[float] = []
        found: list[bool] = []
        boxes: list[np.ndarray] = []
        landmarks: list[np.ndarray] = []
        crops: list[np.ndarray] = []
        features: list[torch.Tensor] = []
        frames: list[np.ndarray] = []

        def flush() -> None:
            batch = np.stack(crops)
            features.append(self._spatial(batch))
            frames.append(phase_frames(batch, self._network.config.phase_size))
            crops.clear()

        nowhere = np.full((4,), np.nan, np.float32), np.full((5, 2), np.nan, np.float32)
        for face in observe_faces(video, self._detector):
            times.append(face.time)
            found.append(face.crop is not None)
            boxes.append(nowhere[0] if face.box is None else face.box)
            landmarks.append(nowhere[1] if face.landmarks is None else face.landmarks)
            if face.crop is not None:
                crops.append(face.crop)
            if len(crops) == self._settings.batch_size:
                flush()
            self._progress.advance()
        if crops:
            flush()

        size, width = self._network.config.phase_size, self._network.config.feature_dim
        return _Observed(
            times=np.array(times, np.float64),
            found=np.array(found, bool),
            faces=Faces(np.array(boxes, np.float32), np.array(landmarks, np.float32)),
            features=torch.cat([torch.empty(0, width), *features]),
            frames=np.concatenate([np.empty((0, size, size), np.uint8), *frames]),
        )

    def _write(
        self,
        video: VideoReader | AlignedFolder,
        observed: _Observed,
        predictions: Predictions,
        outputs: Outputs,
    ) -> None:
        if outputs.table.exists():
            self._progress.warn(f"{outputs.table}: replaced")
        write_predictions(outputs.table, predictions)
        if outputs.plot is not None:
            save_plot(outputs.plot, predictions, video.name)
        if outputs.video is not None:
            self._progress.begin(f"{video.name}: rendering", len(predictions))
            config = self._network.config
            render_video(
                outputs.video, video, predictions, observed.faces, observed.frames, config,
                self._progress.advance,
            )  # fmt: skip
            mark_video(outputs.video)
