"""``mimamo demo``: the whole path on a face whose valence and arousal are known, from nothing.

A photograph is animated (`mimamo.demo.synth`), MIMAMO Net is trained on it, measured on clips it
has not seen, and run on a video from raw pixels.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch

from mimamo import __version__
from mimamo.data.dataset import TRAIN, VALIDATION
from mimamo.demo.folder import claim_folder, files_of, write_notice
from mimamo.demo.pictures import Comparison, pooled_ccc, save_comparison, save_face_grid
from mimamo.demo.synth.photo_set import UNSEEN, RenderedClip, write_dataset
from mimamo.demo.synth.video import VideoTruth, write_truth, write_video
from mimamo.device import choose_device
from mimamo.errors import InputError
from mimamo.extract import extract
from mimamo.files import output_folder, replacing
from mimamo.model.checkpoint import Checkpoint, load_checkpoint
from mimamo.model.config import MIMAMOConfig
from mimamo.predict.api import (
    PredictSettings,
    StageProgress,
    VideoResult,
    predict_many,
    predict_video,
)
from mimamo.train import TrainingConfig, train

Report = Callable[[str], object]


@dataclass(frozen=True)
class Size:
    """How much the demo does."""

    clips: dict[str, int]
    clip_frames: int
    video_frames: int
    image_size: int
    recipe: TrainingConfig


def _recipe(epochs: int, milestones: tuple[int, ...], channels: tuple[int, ...]) -> TrainingConfig:
    """Far smaller and faster than the report's, for one face and two CPU cores."""
    parts = ("spatial", "conv", "temporal", "fusion", "rnn", "head")
    dropouts: dict[str, Any] = {f"{part}_dropout": 0.1 for part in parts}
    network = MIMAMOConfig(channels=channels, hidden=64, rnn_hidden=64, rnn_layers=1, **dropouts)
    return TrainingConfig(
        epochs=epochs, patience=epochs, batch_size=4, learning_rate=0.05, milestones=milestones,
        network=network,
    )  # fmt: skip


FULL = Size({TRAIN: 24, VALIDATION: 4, UNSEEN: 6}, 96, 300, 64, _recipe(8, (6,), (8, 16, 32)))
QUICK = Size({TRAIN: 2, VALIDATION: 1, UNSEEN: 1}, 72, 60, 48, _recipe(2, (1,), (8, 8, 16)))


@dataclass(frozen=True)
class Agreement:
    """Agreement with the truth over so many frames."""

    frames: int
    valence: float
    arousal: float


@dataclass(frozen=True)
class DemoResult:
    """What a demo came to.

    Attributes:
        out: its folder.
        unseen: on the clips that neither training nor the choice of the epoch has seen.
        video: on the frames of the video in which the detector found the face.
        seconds: wall time of each stage.
        files: all that was written beside the data set, relative to `out`.
    """

    out: Path
    unseen: Agreement
    video: Agreement
    seconds: dict[str, float]
    files: list[Path]


def run_demo(
    out: str | os.PathLike[str],
    *,
    device: str = "auto",
    seed: int = 0,
    quick: bool = False,
    report: Report = print,
    progress: StageProgress | None = None,
) -> DemoResult:
    """Render a data set, train on it, measure, and predict a rendered video.

    Args:
        out: folder for all of it; new, empty, or that of an earlier demo, which is replaced.
        device: "auto", "cpu" or "cuda".
        seed: of the data and of the training.
        quick: the same path on very little data, for tests; it learns next to nothing.
        report: called with each line of the account.
        progress: called with a stage's name, the work done in it, and all of it if known.

    Raises:
        InputError: `out` holds something else or cannot be written to, or there is no such device.
    """
    chosen = choose_device(device)
    if claim_folder(out):
        report(f"{out}: holds an earlier demo, which is replaced")
    run = _Demo(Path(out), QUICK if quick else FULL, seed, report, progress or (lambda *_: None))
    try:
        return _go(run, chosen, quick)
    except OSError as error:  # such as a full disk
        raise InputError(f"{out}: {error.strerror or error}") from error


def _go(run: _Demo, device: torch.device, quick: bool) -> DemoResult:
    write_notice(run.out)
    run.report("A photograph is animated to play a person whose valence and arousal are known.")
    clips = run.render_data()
    checkpoint = run.train(device)
    unseen = run.measure(clips, checkpoint, PredictSettings(device=device, plot=False))
    truth = run.render_video()
    video = run.predict(truth, checkpoint, PredictSettings(device=device, render=True))
    summary = {
        "made_by": f"mimamo demo {__version__}",
        "quick": quick,
        "seed": run.seed,
        "device": str(device),
        "ccc_unseen_clips": asdict(unseen),
        "ccc_video": asdict(video),
        "seconds": {stage: round(seconds, 1) for stage, seconds in run.seconds.items()},
        "clips": run.size.clips,
        "clip_frames": run.size.clip_frames,
        "backbone": {"weights": "random", "image_size": run.size.image_size},
        "training": run.size.recipe.to_dict(),
    }
    with replacing(run.out / "summary.json") as temporary:
        temporary.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    files = files_of(run.out)
    for line in _conclusion(run, unseen, video, files):
        run.report(line)
    return DemoResult(run.out, unseen, video, run.seconds, files)


class _Demo:
    """The stages of a demo, in order."""

    def __init__(
        self, out: Path, size: Size, seed: int, report: Report, show: StageProgress
    ) -> None:
        self.out, self.size, self.seed = out, size, seed
        self.report, self.show = report, show
        self.seconds: dict[str, float] = {}

    def render_data(self) -> list[RenderedClip]:
        clips = self.size.clips
        with self._stage("data", f"1. Rendering {sum(clips.values())} clips of its face"):
            save_face_grid(self.out / "faces.png")
            written = write_dataset(
                self.out / "data",
                clips,
                frames=self.size.clip_frames,
                seed=self.seed,
                progress=lambda done, total: self.show("rendering clips", done, total),
            )
            faces = sum(int(clip.found.sum()) for clip in written)
            self.say(
                f"{faces} aligned faces in the layout of Aff-Wild2: {clips[TRAIN]} clips to train",
                f"on, {clips[VALIDATION]} to choose the best epoch by, {clips[UNSEEN]} unseen.",
            )
        return written

    def train(self, device: torch.device) -> Checkpoint:
        recipe, side = self.size.recipe, self.size.image_size
        with self._stage("training", "2. Training MIMAMO Net on them"):
            channels = ", ".join(map(str, recipe.network.channels))
            self.say(
                "No pretrained ResNet50 comes with this package: this one has random weights and",
                f"sees {side}x{side} pixels. The network behind it is smaller than the published",
                f"one (channels {channels}), with a recipe of its own ({recipe.epochs} epochs at",
                f"rate {recipe.learning_rate:g}).",
            )
            extract(
                self.out / "data",
                self.out / "cache",
                backbone="random",
                image_size=side,
                subsets=(TRAIN, VALIDATION),
                seed=self.seed,
                device=device,
                progress=self.show,
            )
            result = train(
                self.out / "cache",
                self.out / "run",
                config=replace(recipe, seed=self.seed),
                device=device,
                report=self.say,
                progress=self.show,
            )
            return load_checkpoint(result.best_checkpoint)

    def measure(
        self, clips: list[RenderedClip], checkpoint: Checkpoint, settings: PredictSettings
    ) -> Agreement:
        unseen = [clip for clip in clips if clip.subset == UNSEEN]
        folders = [self.out / "data" / "cropped_aligned" / clip.name for clip in unseen]
        predictions = self.out / "predictions"
        with self._stage("unseen clips", "3. Predicting the clips it has not seen"):
            out = predictions / "unseen"
            results = predict_many(
                folders, checkpoint, out, settings, progress=self.show, warn=self._warn
            )
            comparisons = [
                _compare(result, np.stack([clip.valence, clip.arousal], 1), clip.annotated)
                for result, clip in zip(results, unseen, strict=True)
            ]
            title = "Clips that training has not seen"
            save_comparison(predictions / "unseen_clips.png", comparisons, title)
            return self._score(comparisons, "on unseen clips, in light of their own")

    def render_video(self) -> VideoTruth:
        frames = self.size.video_frames
        with self._stage("video", f"4. Rendering a video of {frames} frames"):
            folder = output_folder(self.out / "video")
            truth = write_video(
                folder / "astronaut.mp4",
                frames=frames,
                seed=self.seed,
                progress=lambda done, total: self.show("rendering the video", done, total),
            )
            write_truth(folder / "astronaut_truth.csv", truth)
            away = int((~truth.in_view).sum())
            self.say(f"In {away} of them the camera looks away from the face.")
        return truth

    def predict(
        self, truth: VideoTruth, checkpoint: Checkpoint, settings: PredictSettings
    ) -> Agreement:
        folder = self.out / "predictions"
        with self._stage("prediction", "5. Predicting it from its pixels, face detector included"):
            video = self.out / "video" / "astronaut.mp4"
            result = predict_video(
                video, checkpoint, folder, settings, progress=self.show, warn=self._warn
            )
            comparison = _compare(result, truth.values, np.ones(len(truth.times), bool))
            title = "The video, where the face was found"
            save_comparison(folder / "astronaut_and_truth.png", [comparison], title)
            found = int(comparison.found.sum())
            self.say(
                f"Face found in {found} frames. The others repeat the last prediction, or say -5 "
                "before the first.",
            )
            return self._score([comparison], "on these frames")

    def say(self, *lines: str) -> None:
        for line in lines:
            self.report(f"   {line}")

    def _warn(self, message: str) -> None:
        self.say(f"warning: {message}")

    def _score(self, comparisons: list[Comparison], where: str) -> Agreement:
        valence, arousal = pooled_ccc(comparisons)
        frames = int(sum(c.counts.sum() for c in comparisons))
        self.say(f"CCC {where}: valence {valence:.3f}, arousal {arousal:.3f} ({frames} frames)")
        return Agreement(frames, valence, arousal)

    @contextmanager
    def _stage(self, name: str, title: str) -> Iterator[None]:
        self.report("")
        self.report(title)
        start = perf_counter()
        yield
        self.seconds[name] = perf_counter() - start
        self.say(f"{self.seconds[name]:.0f} s")


def _compare(result: VideoResult, truth: np.ndarray, annotated: np.ndarray) -> Comparison:
    """One video beside its truth [T, 2]; what was predicted may end before, with the last face."""
    if result.predictions is None:
        raise InputError(result.error or f"{result.source}: no predictions")
    predictions = result.predictions
    frames = len(predictions)
    return Comparison(
        result.source.stem, predictions.found, predictions.values, truth[:frames],
        predictions.found & annotated[:frames],
    )  # fmt: skip


def _conclusion(run: _Demo, unseen: Agreement, video: Agreement, files: list[Path]) -> list[str]:
    text = f"""
Measured (CCC: 1 is perfect, 0 is chance)   valence   arousal
   clips it has not seen                     {unseen.valence:6.3f}    {unseen.arousal:6.3f}
   the video, from its pixels                {video.valence:6.3f}    {video.arousal:6.3f}

These weights know this one toy face and nothing else: on real people their numbers mean
nothing. For real faces, use published weights of MIMAMO Net,
   mimamo predict VIDEO --weights model_weights.pth.tar --backbone resnet50_ferplus_dag.pth \\
      --out RESULTS
or train on Aff-Wild2, which its authors license for research:
   mimamo extract AFF-WILD2 --backbone resnet50_ferplus_dag.pth --out CACHE
   mimamo train CACHE --out RUN
   mimamo predict VIDEO --weights RUN --out RESULTS

Took {sum(run.seconds.values()):.0f} s. In {run.out}:
   data/
   cache/"""
    return [*text.split("\n"), *(f"   {path}" for path in files)]
