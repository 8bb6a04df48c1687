"""``mimamo demo``: the whole path on a face whose valence and arousal are known, from nothing.

A photograph is animated (`mimamo.demo.synth`), MIMAMO Net is trained on it, measured on clips it
has not seen, and run on a video from raw pixels.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from mimamo import __version__
from mimamo.data.dataset import TEST, TRAIN, VALIDATION
from mimamo.demo.folder import CONTENTS, claim_folder, write_notice
from mimamo.demo.synth.photo_set import write_photo_set
from mimamo.demo.synth.video import write_video
from mimamo.device import choose_device
from mimamo.errors import InputError
from mimamo.evaluate import evaluate_runs
from mimamo.evaluate.scores import Score, score
from mimamo.extract import extract
from mimamo.files import output_folder, write_json
from mimamo.locks import locked
from mimamo.model.checkpoint import load_checkpoint
from mimamo.model.config import MIMAMOConfig
from mimamo.predict.api import PredictSettings, predict_video
from mimamo.predict.render.plot import AROUSAL_COLOUR, VALENCE_COLOUR, save_figure
from mimamo.predict.table import Predictions
from mimamo.progress import Progress, Report, counted, silent
from mimamo.terminal import print_line
from mimamo.train import TrainingConfig, train


@dataclass(frozen=True)
class Size:
    """How much the demo does."""

    clips: dict[str, int]
    clip_frames: int
    video_frames: int
    image_size: int
    recipe: TrainingConfig


def _recipe(channels: tuple[int, ...], **settings: Any) -> TrainingConfig:
    """Far smaller and faster than the published recipe, for one face and two CPU cores."""
    parts = ("spatial", "conv", "temporal", "fusion", "rnn", "head")
    dropouts: dict[str, Any] = {f"{part}_dropout": 0.1 for part in parts}
    network = MIMAMOConfig(channels=channels, hidden=64, rnn_hidden=64, rnn_layers=1, **dropouts)
    return TrainingConfig(batch_size=4, learning_rate=0.05, network=network, **settings)


FULL = Size(
    clips={TRAIN: 24, VALIDATION: 4, TEST: 6},
    clip_frames=96,
    video_frames=300,
    image_size=64,
    recipe=_recipe((8, 16, 32), epochs=8, patience=8, milestones=(6,)),
)
QUICK = Size(
    clips={TRAIN: 2, VALIDATION: 1, TEST: 1},
    clip_frames=16,
    video_frames=30,
    image_size=32,
    recipe=_recipe((8, 8, 16), epochs=2, patience=2, milestones=(1,), clip_length=16, stride=16),
)


@dataclass(frozen=True)
class DemoResult:
    """What a demo came to.

    Attributes:
        out: its folder.
        unseen: on the clips that neither training nor the choice of the epoch has seen.
        video: on the frames of the video in which the detector found the face.
        seconds: wall time of each stage.
    """

    out: Path
    unseen: Score
    video: Score
    seconds: dict[str, float]


def run_demo(
    out: str | os.PathLike[str],
    *,
    device: str = "auto",
    seed: int = 0,
    quick: bool = False,
    report: Report = print_line,
    progress: Progress = silent,
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
        InputError: `out` holds something else or cannot be written to, another process writes into
            it, or there is no such device.
    """
    chosen = choose_device(device)
    demo = _Demo(Path(out), QUICK if quick else FULL, seed, chosen, report, progress)
    try:
        with locked(output_folder(out)):
            if claim_folder(out):
                report(f"{out}: holds an earlier demo, which is replaced")
            write_notice(demo.out)
            report("A photograph is animated to play a person whose valence and arousal are known.")
            demo.render_data()
            demo.train()
            result = DemoResult(demo.out, demo.measure(), demo.predict(), demo.seconds)
            demo.write_summary(result)
    except OSError as error:  # such as a full disk
        raise InputError(f"{out}: {error.strerror or error}") from error
    for line in _conclusion(result):
        report(line)
    return result


@dataclass
class _Demo:
    """The stages of a demo, in order."""

    out: Path
    size: Size
    seed: int
    device: torch.device
    report: Report
    progress: Progress
    seconds: dict[str, float] = field(default_factory=dict)

    def render_data(self) -> None:
        clips = self.size.clips
        with self._stage(
            "data", f"1. Rendering {counted(sum(clips.values()), 'clip')} of its face"
        ):
            faces = write_photo_set(
                self.out / "data",
                clips,
                frames=self.size.clip_frames,
                seed=self.seed,
                progress=partial(self.progress, "rendering clips"),
            )
            self._say(
                f"{counted(faces, 'aligned face')} in the layout of Aff-Wild2: "
                f"{counted(clips[TRAIN], 'clip')} to train",
                f"on, {clips[VALIDATION]} to choose the best epoch by, {clips[TEST]} unseen.",
            )

    def train(self) -> None:
        recipe, side = self.size.recipe, self.size.image_size
        with self._stage("training", "2. Training MIMAMO Net on them"):
            self._say(
                "No pretrained ResNet50 comes with this package: this one has random weights and",
                f"sees {side}x{side} pixels. The network behind it is smaller than the published",
                f"one, with a recipe of its own ({counted(recipe.epochs, 'epoch')} at a learning "
                "rate of",
                f"{recipe.learning_rate:g}).",
            )
            extract(
                self.out / "data",
                self.out / "cache",
                backbone="random",
                image_size=side,
                seed=self.seed,
                device=self.device,
                progress=self.progress,
            )
            train(
                self.out / "cache",
                self.out / "run",
                config=replace(recipe, seed=self.seed),
                device=self.device,
                report=self._say,
                progress=self.progress,
            )

    def measure(self) -> Score:
        with self._stage("unseen clips", "3. Predicting the clips it has not seen"):
            result = evaluate_runs(
                [self.out / "run"],
                self.out / "cache",
                subset=TEST,
                out=self.out / "evaluation",
                device=self.device,
                report=self._say,
                progress=self.progress,
            )
        return result.summary.faces

    def predict(self) -> Score:
        frames, folder = self.size.video_frames, self.out / "predictions"
        video = output_folder(self.out / "video") / "astronaut.mp4"
        with self._stage("video", f"4. Rendering a video of {counted(frames, 'frame')}"):
            show = partial(self.progress, "rendering the video")
            truth = write_video(video, frames=frames, seed=self.seed, progress=show)
            self._say(f"In {(~truth.in_view).sum()} of them the camera looks away from the face.")
        with self._stage("prediction", "5. Predicting it from its pixels, face detector included"):
            checkpoint = load_checkpoint(self.out / "run")
            settings = PredictSettings(device=self.device, render=True)
            result = predict_video(
                video, checkpoint, folder, settings, progress=self.progress, warn=self._say
            )
            predictions = result.predictions
            if predictions is None or not predictions.found.any():
                raise InputError(result.error or f"{video}: no face found")
            found = predictions.found
            ccc = score([(predictions.values[found], truth.values[found])])
            save_comparison(folder / "truth.png", predictions, truth.values, ccc)
            self._say(
                f"Face found in {counted(ccc.count, 'frame')}. The others repeat the last "
                "prediction, or say -5 before the first.",
                f"CCC on these frames: valence {ccc.valence:.3f}, arousal {ccc.arousal:.3f}",
            )
        return ccc

    def write_summary(self, result: DemoResult) -> None:
        content = {
            "made_by": f"mimamo demo {__version__}",
            "seed": self.seed,
            "device": str(self.device),
            "ccc_unseen_clips": asdict(result.unseen),
            "ccc_video": asdict(result.video),
            "seconds": {stage: round(seconds, 1) for stage, seconds in self.seconds.items()},
            **asdict(self.size),
        }
        write_json(self.out / "summary.json", content)

    def _say(self, *lines: str) -> None:
        for line in lines:
            self.report(f"   {line}")

    @contextmanager
    def _stage(self, name: str, title: str) -> Iterator[None]:
        self.report("")
        self.report(title)
        start = perf_counter()
        yield
        self.seconds[name] = perf_counter() - start
        self._say(f"{self.seconds[name]:.0f} s")


def _conclusion(result: DemoResult) -> list[str]:
    unseen, video = result.unseen, result.video
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

Took {sum(result.seconds.values()):.0f} s. In {result.out}:
{CONTENTS}"""
    return text.split("\n")


def save_comparison(path: Path, predictions: Predictions, truth: np.ndarray, ccc: Score) -> None:
    """Write a PNG of predicted and true trajectories, the latter ``[T, 2]``.

    Without a face nothing is predicted. Raises InputError if the file cannot be written.
    """
    figure = Figure(figsize=(12, 5.4), dpi=120, facecolor="white", layout="constrained")
    panels = figure.subplots(2, 1, sharex=True)
    shown = np.where(predictions.found[:, None], predictions.values, np.nan)
    names = (("valence", VALENCE_COLOUR), ("arousal", AROUSAL_COLOUR))
    for column, (axes, (name, colour)) in enumerate(zip(panels, names, strict=True)):
        axes.plot(predictions.times, truth[:, column], "--", color="#555555", label="truth")
        axes.plot(predictions.times, shown[:, column], color=colour, label="predicted")
        axes.set(ylim=(-1.2, 1.2), ylabel=name, title=f"CCC {getattr(ccc, name):.2f}")
        axes.grid(axis="y", color="#e8e8e8")
    panels[0].legend(loc="lower left", ncols=2)
    panels[1].set_xlabel("seconds")
    save_figure(path, figure)
