"""From videos to files of predictions: the whole path, one video after the other.

A video is read once, its stages working side by side (`mimamo.predict.pipeline`), and once more
where it is rendered. Frames, faces and features pass through and are not kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch

from mimamo.device import Precision, choose_precision
from mimamo.errors import OUT_OF_MEMORY, InputError, is_out_of_memory
from mimamo.faces.batched_centerface import centerface
from mimamo.faces.detection import Detector
from mimamo.faces.observe import Faces
from mimamo.faces.tracks import FaceChoice
from mimamo.files import output_folder, unreadable
from mimamo.model.checkpoint import Checkpoint
from mimamo.model.onnx_backbone import OnnxBackbone
from mimamo.model.small_backbone import SmallBackbone
from mimamo.predict.clips import Cut
from mimamo.predict.networks import checked_cut, joined, several
from mimamo.predict.notices import NETWORK_FPS, far_rate, no_face, no_rows, others_there
from mimamo.predict.outputs import (
    Outputs,
    check_outputs,
    distinct_names,
    mark_video,
    outputs_of,
    source_name,
)
from mimamo.predict.pipeline import Models, Observed, observe
from mimamo.predict.render.page import save_page
from mimamo.predict.render.plot import save_plot
from mimamo.predict.render.video import render_video
from mimamo.predict.smoothing import reach_of
from mimamo.predict.sources import Folders, find_sources, open_source
from mimamo.predict.stage_times import StageTimes
from mimamo.predict.table import Predictions, write_predictions
from mimamo.progress import Progress, Report, silent
from mimamo.shards import ALL, Shard
from mimamo.threads import Workers, decoders, workers
from mimamo.video import AlignedFolder, FrameFolder
from mimamo.video.folder import FOLDER_FPS

if TYPE_CHECKING:
    from mimamo.video import Film


@dataclass(frozen=True, eq=False)
class PredictSettings:
    """How to predict, and what to write.

    Attributes:
        detector: finds the faces; None for the default, CenterFace, on `device`.
        device: where the networks run.
        precision: in which the backbone computes: "float32", "bfloat16", or "auto", see
            `choose_precision`. All else is in float32.
        batch_size: faces per pass through the backbone, None for 8 on a CPU and 32 on a GPU; it
            changes the result by rounding only.
        search_every: search the whole picture for the face in every Nth frame, and in the frames
            between only where the face was; 1 is the most reliable, see `FaceTracks`.
        features_every: compute the spatial features of every Nth face and interpolate between,
            see `FeatureInterpolation`; faster, and near to the predictions of 1, not equal.
        stride, whole: over which frames of a face's track the GRU runs, see
            `mimamo.predict.clips.Cut`: clips of the length that it was trained on, half a clip
            apart, where nothing is said. `whole` needs 10 KB a frame of the longest track.
        smooth: mean over the rows of a face in up to so many frames before and after; "auto" for
            what the weights' training chose on its validation videos.
        faces: whose rows there are: "main", "all", "left" or "right", see `FaceTracks`.
        folders: what the pictures in a folder are: aligned faces, whole frames, or what they look
            like, see `open_source`.
        folder_fps: frame rate of such folders, which do not state one.
        thin: take at most that many frames a second, of films and whole frames; None for all.
        depth: how many folders deep a folder is searched for videos.
        plot: write ``<name>.png``.
        render: write ``<name>.mp4``.
        page: write ``<name>.html``, see `mimamo.page.write_page`.
        overwrite: replace files that are not results of an earlier run, too.
    """

    detector: Detector | None = None
    device: torch.device | str = "cpu"
    precision: Precision = "auto"
    batch_size: int | None = None
    search_every: int = 1
    features_every: int = 1
    stride: int | None = None
    whole: bool = False
    smooth: int | str = 0
    faces: FaceChoice = "main"
    folders: Folders = "auto"
    folder_fps: float = FOLDER_FPS
    thin: float | None = None
    depth: int = 1
    plot: bool = True
    render: bool = False
    page: bool = False
    overwrite: bool = False


@dataclass(frozen=True, eq=False)
class VideoResult:
    """What became of one video.

    Attributes:
        source: the video file or folder of pictures.
        outputs: the files it is written to.
        predictions: of every frame that could be decoded; None if there are no results.
        faces: where the faces are, in the rows of `predictions`.
        error: what went wrong, in one line that names the file; None if all went well. A
            video of which frames are missing has both predictions, which are written, and an error.
        times: how long it took, and its stages; None if there are no results.
        read_as: what a folder's pictures were taken for, and their rate; None of a file.
    """

    source: Path
    outputs: Outputs
    predictions: Predictions | None = None
    error: str | None = None
    times: StageTimes | None = None
    read_as: str | None = None
    faces: Faces | None = None


def predict_video(
    source: str | os.PathLike[str],
    checkpoint: Checkpoint | Sequence[Checkpoint],
    out_dir: str | os.PathLike[str],
    settings: PredictSettings | None = None,
    *,
    progress: Progress = silent,
    warn: Report = silent,
) -> VideoResult:
    """Predict one video and write the results into `out_dir`.

    Args:
        source: a video file or a folder of pictures, see `open_source`.
        checkpoint: is moved to the settings' device; several are averaged.
        out_dir: is made if need be. ``<name>.csv`` goes there, and what the settings ask for.
        settings: the defaults if None.
        progress: called with the stage, its frames done, and of how many if that is known.
        warn: called with what a user should know, in one line that names the file.

    Returns:
        The predictions; with an error, too, if frames of the video are missing.

    Raises:
        InputError: `source` cannot be used, or `out_dir` cannot be written to or holds a file in
            the way, or the weights do not fit a stride or know no smoothing.
    """
    settings, checkpoints = settings or PredictSettings(), several(checkpoint)
    passes, source = _passes(checkpoints, settings), Path(source)
    (outputs,) = _planned([source], out_dir, settings)
    with workers(settings.device, settings.features_every) as pool:
        predictor = _Predictor(checkpoints, settings, passes, pool, progress, warn)
        return predictor.predict(source, outputs)


def predict_many(
    paths: Iterable[str | os.PathLike[str]],
    checkpoint: Checkpoint | Sequence[Checkpoint],
    out_dir: str | os.PathLike[str],
    settings: PredictSettings | None = None,
    *,
    shard: Shard = ALL,
    progress: Progress = silent,
    warn: Report = silent,
    finish: Callable[[VideoResult], object] = silent,
) -> list[VideoResult]:
    """Predict videos one after the other; one that fails does not stop the others.

    Args:
        paths: video files, folders of pictures, and folders of either, see `find_sources`.
        checkpoint, out_dir, settings, progress, warn: as for `predict_video`.
        shard: which of the videos are this process's, of several that are given the same.
        finish: called with each video's result as soon as it is there.

    Returns:
        One result per video of this process, failed and incomplete ones with their error, in the
        order of `paths`. A folder without videos is a failed one.

    Raises:
        InputError: before anything is written: `out_dir` cannot be written to or holds a file in
            the way, or the weights do not fit a stride or know no smoothing.
    """
    settings, checkpoints = settings or PredictSettings(), several(checkpoint)
    passes = _passes(checkpoints, settings)
    sources = find_sources(paths, settings.folders, settings.depth)
    planned = _planned(sources, out_dir, settings)
    mine = [(sources[number], planned[number]) for number in sorted(shard.share(sources))]
    for source, outputs in mine:
        if (own := outputs.table.stem) != (name := source_name(source)):
            why = "a long name" if name.startswith(own) else f"others are called {name} too"
            warn(f"{source}: {why}; its results are {own}.*")
    results = []
    with workers(settings.device, settings.features_every) as pool:
        predictor = _Predictor(checkpoints, settings, passes, pool, progress, warn)
        for source, outputs in mine:
            try:
                result = predictor.predict(source, outputs)
            except InputError as error:
                result = VideoResult(source, outputs, error=str(error))
            except OSError as error:  # such as of a folder that is gone meanwhile
                result = VideoResult(source, outputs, error=str(unreadable(source, error)))
            finish(result)
            results.append(result)
    return results


def _passes(checkpoints: Sequence[Checkpoint], settings: PredictSettings) -> tuple[Cut, int]:
    """How the GRU passes over the frames, and how far to smooth. InputError if it cannot be."""
    cut = Cut(settings.stride, settings.whole)
    checked_cut(cut, checkpoints)
    return cut, reach_of(settings.smooth, [(own.path, own.info) for own in checkpoints])


def _planned(
    sources: Sequence[Path], out_dir: str | os.PathLike[str], settings: PredictSettings
) -> list[Outputs]:
    """Where the results go, once it is sure that they may."""
    folder = Path(out_dir)
    names = distinct_names(sources)
    wanted = {"plot": settings.plot, "render": settings.render, "page": settings.page}
    planned = [outputs_of(name, folder, **wanted) for name in names]
    check_outputs(sources, planned, settings.overwrite)
    output_folder(folder)
    return planned


def _read_as(video: Film) -> str | None:
    """What the pictures of a folder were taken for."""
    kinds = {AlignedFolder: "aligned faces", FrameFolder: "whole frames"}
    kind = kinds.get(type(getattr(video, "film", video)))
    return None if kind is None else f"{kind} at {video.fps:g} a second"


class _Predictor:
    """The models, ready to predict one video after the other."""

    def __init__(
        self,
        checkpoints: Sequence[Checkpoint],
        settings: PredictSettings,
        passes: tuple[Cut, int],
        pool: Workers,
        progress: Progress,
        warn: Report,
    ) -> None:
        device = settings.device
        dtype = choose_precision(settings.precision, device)
        cut, smooth = passes
        files = [own.backbone.file for own in checkpoints if isinstance(own.backbone, OnnxBackbone)]
        small = all(isinstance(own.backbone, SmallBackbone) for own in checkpoints)
        precision = str(dtype).removeprefix("torch.")
        self._backbone = f"{'small backbone' if small else 'ResNet50'} ({precision})"
        if files:  # which has a precision of its own
            self._backbone = files[0]
        spatial, members = joined(checkpoints, device, settings.batch_size, dtype)
        for note in spatial.notes:
            warn(note)
        self._models = Models(
            detector=settings.detector or centerface(device),
            spatial=spatial,
            members=members,
            search_every=settings.search_every,
            features_every=settings.features_every,
            faces=settings.faces,
            cut=cut,
            smooth=smooth,
        )
        self._settings, self._pool = settings, pool
        self._progress, self._warn = progress, warn

    def predict(self, source: Path, outputs: Outputs) -> VideoResult:
        """Predict a video and write its results; InputError if either fails."""
        times = StageTimes(backbone=self._backbone)
        with times.whole():
            settings = self._settings
            how = settings.folder_fps, settings.folders, settings.thin
            video = open_source(source, *how, decoders(settings.device))
            observed = self._observe(source, video, times)
            predictions = observed.predictions
            times.frames = predictions.frame_count
            warnings, missing = list(video.warnings), None
            if video.missing:
                missing = no_rows(video.missing, outputs.table)
            if rate := far_rate(source, video.fps):
                can = not isinstance(video, AlignedFolder) and video.fps > NETWORK_FPS
                warnings.append(rate + "; --thin takes fewer" * can)
            if not predictions.found.any():
                warnings.append(no_face(source))
            if observed.others and settings.faces == "main":
                warnings.append(others_there(source, observed.others, predictions.frame_count))
            for warning in warnings:
                self._warn(warning)
            if not np.isfinite(predictions.values).all():
                raise InputError(
                    f"{source}: the weights give predictions that are not finite numbers"
                )
            try:
                with times.stage("writing"):
                    self._write(video, observed, outputs)
            except OSError as error:  # such as a full disk
                raise InputError(f"{outputs.table.parent}: {error.strerror or error}") from error
        return VideoResult(
            source, outputs, predictions, missing, times, _read_as(video), observed.faces
        )

    def _counting(self, stage: str, frames: int | None) -> Callable[[], None]:
        """Report that a stage begins; calling what is returned reports one more frame as done."""
        done = count()

        def advance() -> None:
            self._progress(stage, next(done), frames)

        advance()
        return advance

    def _observe(self, source: Path, video: Film, times: StageTimes) -> Observed:
        advance = self._counting(f"{video.name}: predicting", video.frame_count)
        keep_frames = self._settings.render
        try:
            return observe(
                video, self._models, self._pool, times, keep_frames=keep_frames, advance=advance
            )
        except Exception as error:
            if is_out_of_memory(error):
                raise InputError(f"{source}: {OUT_OF_MEMORY}") from error
            if not isinstance(error, cv2.error):
                raise
            # Not `error.err`, which belongs to the class and may be an earlier error's.
            reason = " ".join(str(error).split())
            raise InputError(f"{source}: OpenCV fails on it: {reason}") from error

    def _write(self, video: Film, observed: Observed, outputs: Outputs) -> None:
        predictions, people = observed.predictions, self._settings.faces == "all"
        if outputs.table.exists():
            self._warn(f"{outputs.table}: replaced")
        write_predictions(outputs.table, predictions, observed.faces)
        if outputs.plot is not None:
            save_plot(outputs.plot, predictions, outputs.table.stem, people=people)
        if outputs.video is not None:
            advance = self._counting(f"{video.name}: rendering", predictions.frame_count)
            config = self._models.members[0].network.config
            render_video(
                outputs.video, video, predictions, observed.faces, observed.frames, config, advance,
                self._warn, people=people,
            )  # fmt: skip
            mark_video(outputs.video)
        if outputs.page is not None:
            save_page(outputs.page, video, predictions, observed.faces, self._warn)
