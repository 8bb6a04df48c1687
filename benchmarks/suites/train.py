"""One training step of MIMAMO Net from a ready cache: where its time goes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks.paired_timing import Budget, Outcome, Side, compared, paired_timing
from benchmarks.rows import Row
from benchmarks.suites import Settings, SuiteRun
from benchmarks.suites.clips import moving_texture
from mimamo.data.augmentation import augment_clips
from mimamo.data.batches import epoch_batches
from mimamo.data.cached_video import CachedVideo
from mimamo.data.clips import Clip, ClipDataset
from mimamo.model import MIMAMONet
from mimamo.model.features import phase_windows
from mimamo.predict.stage_times import StageTimes
from mimamo.train import TrainingConfig, ccc_loss

STAGES = ("loading", "augmentation", "phase", "forward", "backward", "optimiser")
INPUT = ("loading", "phase")
INPUT_TARGET = 0.1


def run(settings: Settings) -> SuiteRun:
    """Time a step of the published recipe, made of the functions that training calls."""
    quick = {"batch_size": 2, "clip_length": 8, "stride": 4} if settings.quick else {}
    config = TrainingConfig(**quick)
    budget = Budget(1 if settings.quick else 3, 0.01)
    with TemporaryDirectory() as folder:
        step = TrainingStep(config, settings.device, Path(folder))
        settings.tell("train: steps")
        side = Side(step, gap=settings.operator_gap)
        whole = paired_timing({"step": side}, settings.threads, budget)["step"]
    note = None
    if whole.measured:
        speed = config.batch_size / whole.measured.median
        note = f"{speed:.2f} clips/s; float32, dropout and augmentation on"

    def row(name: str, what: str, *stages: str, **options: Any) -> Row:
        # The first step warmed up and does not count.
        seconds = [sum(times.seconds[stage] for stage in stages) for times in step.steps[1:]]
        ours = Outcome.of(seconds, settings.threads) if seconds else whole
        return compared(
            ours, whole, id=f"train/{name}", work=f"training step, {what}",
            against="the whole step", kind="share",
            size=f"{config.batch_size} clips of {config.clip_length} frames", **options,
        )  # fmt: skip

    rows = [row("input", "loader and phase op", *INPUT, target=INPUT_TARGET, note=note)]
    rows += [row(f"stage/{stage}", stage, stage) for stage in STAGES]
    return rows, {"data": "a cache of random features and moving texture, on disk"}


class TrainingStep:
    """A training step; each call is one, and adds the seconds of its stages to `steps`."""

    def __init__(self, config: TrainingConfig, device: str, folder: Path) -> None:
        torch.manual_seed(0)
        self.config, self.device, self.steps = config, device, []
        self.network = MIMAMONet(config.network).to(device).train()
        self.optimiser = torch.optim.SGD(
            self.network.parameters(), lr=config.learning_rate, momentum=config.momentum
        )
        self.generator = torch.Generator().manual_seed(0)
        self.batches = _batches(config, folder)

    def __call__(self) -> float:
        config = self.config
        self.steps.append(StageTimes(seconds=dict.fromkeys(STAGES, 0.0)))
        with self._stage("loading"):
            features, frames, labels, mask = (part.to(self.device) for part in next(self.batches))
        with self._stage("augmentation"):
            frames = augment_clips(frames, self.generator, flip=config.flip, crop=config.crop)
        with self._stage("phase"):
            phases = phase_windows(frames, config.network, context=True)
        with self._stage("forward"):
            loss = ccc_loss(self.network(features.float(), phases), labels, mask)
        with self._stage("backward"):
            self.optimiser.zero_grad()
            loss.backward()
        with self._stage("optimiser"):
            self.optimiser.step()
            return loss.item()

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        with self.steps[-1].stage(name):
            yield
            if self.device == "cuda":
                torch.cuda.synchronize()


def _batches(config: TrainingConfig, folder: Path) -> Iterator[Clip]:
    """Shuffled batches without end, from a video of a cache on disk."""
    length = config.clip_length + config.stride * (2 * config.batch_size - 1)
    path = folder / "video.safetensors"
    random_video(length, config.network.feature_dim).save(path)
    clips = ClipDataset(
        [CachedVideo.load(path).sequence], length=config.clip_length, stride=config.stride
    )
    for epoch in count(1):
        for batch in epoch_batches(len(clips), config.batch_size, 0, epoch):
            yield clips.gather(batch)


def random_video(length: int, feature_dim: int) -> CachedVideo:
    """A video of a cache: random features and labels, the moving texture as its faces."""
    generator = torch.Generator().manual_seed(0)
    return CachedVideo(
        name="random", subset="Train_Set",
        features=torch.rand(length, feature_dim, generator=generator).half(),
        frames=moving_texture(length),
        numbers=torch.arange(1, length + 1, dtype=torch.int32),
        annotations=2 * torch.rand(length, 2, generator=generator) - 1,
        frame_count=length, counted=True, unit="frame", source="generated",
    )  # fmt: skip
