"""From videos to files of predictions: the whole path, one video after the other.

A video is read once, its stages working side by side (`mimamo.predict.pipeline`), and once more
where it is rendered. Frames, faces and features pass through and are not kept.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from mimamo.device import Precision, choose_precision, move
from mimamo.errors import InputError
from mimamo.faces.centerface import CenterFace
from mimamo.faces.detection import Detector
from mimamo.files import output_folder
from mimamo.model.checkpoint import Checkpoint
from mimamo.model.features import SpatialFeatures
from mimamo.model.small_backbone import SmallBackbone
from mimamo.predict.outputs import Outputs, check_outputs, mark_video, outputs_of
from mimamo.predict.pipeline import Models, Observed, observe
from mimamo.predict.progress import Progress
from mimamo.predict.render.plot import save_plot
from mimamo.predict.render.video import render_video
from mimamo.predict.rules import NO_FACE, fill_missing
from mimamo.predict.sources import find_sources, open_source
from mimamo.predict.stage_times import StageTimes
from mimamo.predict.table import Predictions, write_predictions
from mimamo.predict.threads import Workers, workers
from mimamo.video import AlignedFolder, VideoReader


@dataclass(frozen=True, eq=False)
class PredictSettings:
    """How to predict, and what to write.

    Attributes:
        detector: finds the faces; None for the default, CenterFace.
        device: where the networks run.
        precision: in which the ResNet50 computes: "float32", "bfloat16", or "auto", see
            `choose_precision`. All else is in float32.
        batch_size: faces per pass through the ResNet50, None for 8 on a CPU and 32 on a GPU; it
            does not change the result.
        search_every: search the whole picture for the face in every so manyth frame, and in those
            between where the face was; 1 is the most reliable, see `FaceTracker`.
        aligned_fps: frames per second of folders of aligned faces, which do not tell.
        plot: write ``<name>.png``.
        render: write ``<name>.mp4``.
        overwrite: replace files that are not results of an earlier run, too.
    """

    detector: Detector | None = None
    device: torch.device | str = "cpu"
    precision: Precision = "auto"
    batch_size: int | None = None
    search_every: int = 1
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
        times: how long it took, and its stages; None if there are no results.
        backbone: what computed the spatial features, "ResNet50" or "small backbone".
        precision: in which it computed, "float32" or "bfloat16".
    """

    source: Path
    outputs: Outputs
    predictions: Predictions | None = None
    error: str | None = None
    times: StageTimes | None = None
    backbone: str | None = None
    precision: str | None = None


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
    with _predictor(checkpoint, settings, progress or Progress()) as predictor:
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
    results = []
    with _predictor(checkpoint, settings, progress) as predictor:
        for source, outputs in zip(sources, planned, strict=True):
            try:
                result = predictor.predict(source, outputs)
            except InputError as error:
                result = VideoResult(source, outputs, error=str(error))
            progress.finish(result)
            results.append(result)
    return results


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


@contextmanager
def _predictor(
    checkpoint: Checkpoint, settings: PredictSettings, progress: Progress
) -> Iterator[_Predictor]:
    """A predictor with its workers, which end with the block."""
    with workers(settings.device) as pool:
        yield _Predictor(checkpoint, settings, progress, pool)


class _Predictor:
    """The models, ready to predict one video after the other."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        settings: PredictSettings,
        progress: Progress,
        pool: Workers,
    ) -> None:
        device = settings.device
        self._dtype = choose_precision(settings.precision, device)
        small = isinstance(checkpoint.backbone, SmallBackbone)
        self._backbone = "small backbone" if small else "ResNet50"
        self._models = Models(
            detector=settings.detector or CenterFace(),
            spatial=SpatialFeatures(
                checkpoint.backbone, device, settings.batch_size, dtype=self._dtype
            ),
            network=move(checkpoint.network, device),
            search_every=settings.search_every,
            clip_length=checkpoint.clip_length,
        )
        self._settings = settings
        self._progress = progress
        self._pool = pool

    def predict(self, source: Path, outputs: Outputs) -> VideoResult:
        """Predict a video and write its results; InputError if either fails."""
        times = StageTimes()
        with times.whole():
            video = open_source(source, self._settings.aligned_fps)
            observed = self._observe(source, video, times)
            times.frames = len(observed.times)
            truncation = _truncation(video, times.frames, outputs.table)
            self._warn(source, video, observed, truncation)
            if not np.isfinite(observed.values).all():
                raise InputError(
                    f"{source}: the weights give predictions that are not finite numbers"
                )
            predictions = Predictions(
                observed.times, observed.found, fill_missing(observed.values, observed.found)
            )
            try:
                with times.stage("writing"):
                    self._write(video, observed, predictions, outputs)
            except OSError as error:  # such as a full disk
                raise InputError(f"{outputs.table.parent}: {error.strerror or error}") from error
        precision = str(self._dtype).removeprefix("torch.")
        return VideoResult(
            source, outputs, predictions, truncation, times, self._backbone, precision
        )

    def _observe(
        self, source: Path, video: VideoReader | AlignedFolder, times: StageTimes
    ) -> Observed:
        self._progress.begin(f"{video.name}: predicting", video.frame_count)
        try:
            return observe(
                video,
                self._models,
                self._pool,
                times,
                keep_frames=self._settings.render,
                advance=self._progress.advance,
            )
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise InputError(
                f"{source}: the memory does not suffice; try a smaller batch size"
            ) from error
        except cv2.error as error:
            # Not `error.err`, which belongs to the class and may be an earlier error's.
            reason = " ".join(str(error).split())
            raise InputError(f"{source}: OpenCV fails on it: {reason}") from error

    def _warn(
        self,
        source: Path,
        video: VideoReader | AlignedFolder,
        observed: Observed,
        truncation: str | None,
    ) -> None:
        for message in video.warnings:
            if truncation is None or not message.startswith(f"{source}: the file is truncated"):
                self._progress.warn(message)
        if not observed.found.any():
            self._progress.warn(f"{source}: no face found; all predictions are {NO_FACE:g}")

    def _write(
        self,
        video: VideoReader | AlignedFolder,
        observed: Observed,
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
            config = self._models.network.config
            render_video(
                outputs.video, video, predictions, observed.faces, observed.frames, config,
                self._progress.advance,
            )  # fmt: skip
            mark_video(outputs.video)
