"""One training step of MIMAMO Net from a ready cache: where its time goes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.clips import moving_texture
from benchmarks.contest import Side, contest
from benchmarks.rows import Row
from benchmarks.settings import Settings, SuiteRun
from benchmarks.stages import Stopwatch, share_row
from benchmarks.timing import Budget
from mimamo.data.augmentation import augment_clips
from mimamo.data.batches import epoch_batches
from mimamo.data.cache import CachedVideo
from mimamo.data.clips import Clip, ClipDataset
from mimamo.model import MIMAMONet
from mimamo.model.features import phase_windows
from mimamo.train import TrainingConfig, ccc_loss

STAGES = ("loading", "augmentation", "phase", "forward", "backward", "optimiser")
INPUT = ("loading", "phase")
INPUT_TARGET = 0.1
STEP = "the whole step"


def run(settings: Settings) -> SuiteRun:
    """Time a step of the published recipe, made of the functions that training calls."""
    quick = {"batch_size": 2, "clip_length": 8, "stride": 4} if settings.quick else {}
    config = TrainingConfig(**quick)
    clips, length = config.batch_size, config.clip_length
    size = f"{clips} clips of {length} frames"
    inputs = {"data": "a cache of random features and moving texture, on disk"}
    if settings.operator_gap:
        row = Row(
            "train/input", "training step, loader and phase op", STEP, size,
            settings.threads, kind="share", gap=settings.operator_gap,
        )  # fmt: skip
        return SuiteRun([row], inputs)

    settings.tell("train: steps")
    watch = Stopwatch(settings.device)
    budget = Budget(1 if settings.quick else 3, 0.01)
    with TemporaryDirectory() as folder:
        step = _Step(config, settings, watch, Path(folder))
        whole = contest({"step": Side(step)}, settings.threads, budget)["step"].sample
    note = f"{clips / whole.median:.2f} clips/s; float32, dropout and augmentation on"
    rows = [
        share_row(
            "train/input", "training step, loader and phase op", STEP, size,
            settings.threads, seconds=watch.seconds(*INPUT), whole=whole, target=INPUT_TARGET,
            note=note,
        )
    ]  # fmt: skip
    for stage in STAGES:
        rows.append(
            share_row(
                f"train/stage/{stage}", f"training step, {stage}", STEP, size,
                settings.threads, seconds=watch.seconds(stage), whole=whole,
            )
        )  # fmt: skip
    return SuiteRun(rows, inputs)


class _Step:
    """A training step; each call is one."""

    def __init__(
        self, config: TrainingConfig, settings: Settings, watch: Stopwatch, folder: Path
    ) -> None:
        torch.manual_seed(0)
        self.config, self.watch, self.device = config, watch, settings.device
        self.network = MIMAMONet(config.network).to(settings.device).train()
        self.optimiser = torch.optim.SGD(
            self.network.parameters(), lr=config.learning_rate, momentum=config.momentum
        )
        self.generator = torch.Generator().manual_seed(0)
        self.batches = _batches(config, folder)

    def __call__(self) -> float:
        watch, config = self.watch, self.config
        watch.begin()
        with watch.stage("loading"):
            features, frames, labels, mask = (part.to(self.device) for part in next(self.batches))
        with watch.stage("augmentation"):
            frames = augment_clips(frames, self.generator, flip=config.flip, crop=config.crop)
        with watch.stage("phase"):
            phases = phase_windows(frames, config.network, context=True)
        with watch.stage("forward"):
            loss = ccc_loss(self.network(features.float(), phases), labels, mask)
        with watch.stage("backward"):
            self.optimiser.zero_grad()
            loss.backward()
        with watch.stage("optimiser"):
            self.optimiser.step()
            return loss.item()


def _batches(config: TrainingConfig, folder: Path) -> Iterator[Clip]:
    """Shuffled batches without end, from a video of a cache that is mapped from disk."""
    length = config.clip_length + config.stride * (2 * config.batch_size - 1)
    path = folder / "video.safetensors"
    random_video(length, config.network.feature_dim).save(path)
    clips = ClipDataset(
        [CachedVideo.load(path).sequence], length=config.clip_length, stride=config.stride
    )
    for epoch in count(1):
        for batch in epoch_batches(len(clips), config.batch_size, 0, epoch):
            yield clips.gather(batch)


def random_video(length: int, feature_dim: int, seed: int = 0) -> CachedVideo:
    """A video of a cache: random features and labels, the moving texture as its faces."""
    generator = torch.Generator().manual_seed(seed)
    return CachedVideo(
        name=f"random-{seed}", subset="Train_Set",
        features=torch.rand(length, feature_dim, generator=generator).half(),
        frames=moving_texture(length, seed=seed),
        numbers=torch.arange(1, length + 1, dtype=torch.int32),
        annotations=2 * torch.rand(length, 2, generator=generator) - 1,
        frame_count=length, counted=True, unit="frame", source="generated",
    )  # fmt: skip
