"""Training from a cache to checkpoints on disk: what ``mimamo train`` does."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import InitProcessGroupKwargs

from mimamo.data.batches import Clips, MappedClips, ResidentClips
from mimamo.data.cache import Cache
from mimamo.data.clips import ClipDataset
from mimamo.errors import InputError
from mimamo.extract.backbone import stored_backbone
from mimamo.files import replacing
from mimamo.network.checkpoint import (
    Backbone,
    BackboneFile,
    load_backbone,
    renote,
    save_checkpoint,
    share_backbone,
    weights_hash,
)
from mimamo.network.config import MIMAMOConfig
from mimamo.network.mimamo_net import MIMAMONet
from mimamo.network.small_backbone import SmallBackbone
from mimamo.train import seeds
from mimamo.train.identity import check_identity
from mimamo.train.images import FaceImages
from mimamo.train.model import TrainedModel
from mimamo.train.recipe import TrainingConfig
from mimamo.train.run_folder import (
    BEST,
    CONFIG,
    FROZEN,
    HISTORY,
    LAST,
    LOGS,
    STATE,
    clear,
    results_in,
    run_folder,
    settings_of,
)
from mimamo.train.state import Epoch, load_state, save_state
from mimamo.train.tensorboard_log import Journal
from mimamo.train.trainer import Trainer
from mimamo.train.videos import choose_videos, label_statistics

Report = Callable[[str], None]


@dataclass(frozen=True)
class TrainResult:
    """What a training run came to.

    Attributes:
        out: the run's folder.
        epochs: all epochs, in order.
        stopped_early: whether it ended because it no longer got better.
    """

    out: Path
    epochs: tuple[Epoch, ...]
    stopped_early: bool

    @property
    def best(self) -> Epoch:
        """The epoch with the highest mean CCC on the validation videos."""
        return max(self.epochs, key=lambda epoch: epoch.score)

    @property
    def best_checkpoint(self) -> Path:
        """The network after its best epoch, with its backbone."""
        return self.out / BEST

    @property
    def last_checkpoint(self) -> Path:
        """The network after the last epoch, with its backbone."""
        return self.out / LAST


def train(
    cache: str | os.PathLike[str] | Cache,
    out: str | os.PathLike[str],
    *,
    config: TrainingConfig | None = None,
    backbone: str | os.PathLike[str] | None = None,
    device: torch.device | str = "cpu",
    resident: bool = False,
    overwrite: bool = False,
    resume: bool = False,
    save_seconds: float = 600.0,
    report: Report | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> TrainResult:
    """Train MIMAMO Net on the videos of a cache.

    Into `out` go ``config.toml``, ``frozen_backbone.safetensors`` where the backbone is not
    trained, after every epoch ``last.safetensors``, ``history.csv`` (one row per epoch) and
    ``state.safetensors`` (to resume from), after the best one yet ``best.safetensors``, and
    ``tensorboard/``. On the CPU, the same seed, data and number of
    threads give the same files but for the last, also if the run was killed and resumed. torch's
    global generator is left as it was. Processes started by ``torchrun`` share the batches.

    Args:
        cache: made by :func:`mimamo.extract.extraction`.
        out: the run's folder, made if need be.
        config: the recipe; None for the technical report's, or with `resume` for the run's. A run
            is resumed with its own, or with more epochs, which extend it, finished or not.
        backbone: a file of weights that the cache must be from; None to take the cache's word.
        device: where all is computed.
        resident: keep the training videos on the device.
        overwrite: replace a run that is in `out`.
        resume: go on with the run in `out`; without one, begin.
        save_seconds: how often to write the state within an epoch.
        report: called with each line of the account.
        progress: called with the name of a stage, the work done in it, and all of it.

    Raises:
        InputError: the cache is unusable or from other weights, `out` holds a run, or one with
            other settings, there is too little data, a file cannot be written, or the loss is no
            longer finite.
    """
    report = report or (lambda line: None)
    progress = progress or (lambda stage, done, total: None)
    if resume and overwrite:
        raise InputError("resume: expected either to go on with a run or to overwrite it, got both")
    cache = cache if isinstance(cache, Cache) else Cache(cache)
    folder = run_folder(out, overwrite, resume)
    resumed = resume and (folder / CONFIG).exists() and bool(results_in(folder))
    config = settings_of(folder, config, resume)
    if backbone is not None:
        _check_backbone(cache, backbone)
    accelerator = _accelerator(torch.device(device), config.precision)
    if not accelerator.is_main_process:
        report = _silent
    for name, reason in cache.skipped.items():
        report(f"{name} is not used: {reason}")
    chosen = choose_videos(cache, config.fold)
    for line in chosen.lines():
        report(line)
    config = replace(config, network=_network_config(cache, config))

    dataset = ClipDataset(
        [video.sequence for video in chosen.training],
        length=config.clip_length,
        stride=config.stride,
        num_phase=config.network.num_phase,
    )
    clips: Clips = ResidentClips(dataset, accelerator.device) if resident else MappedClips(dataset)
    with seeds.seeded(config.seed, accelerator.device):
        frozen = None if config.spatial == "small" else stored_backbone(cache.root, cache.manifest)
        torch.manual_seed(config.seed)
        trained = SmallBackbone(cache.manifest.phase_size) if frozen is None else None
        if config.spatial == "finetune":
            frozen, trained = None, frozen
        model = TrainedModel(MIMAMONet(config.network), trained)
        images = None
        if config.spatial == "finetune":
            images = FaceImages([*chosen.training, *chosen.validation])
        sequences = [video.sequence for video in chosen.validation]
        trainer = Trainer(model, clips, sequences, config, accelerator, images)
        if resumed and (folder / STATE).exists():
            trainer.progress = load_state(folder / STATE, model, trainer.optimizer)
            check_identity(folder / STATE, trainer.progress.identity, chosen.identity, cache.root)
            trainer.progress.finished = trainer.is_finished  # or not, where epochs were added
            done = len(trainer.progress.epochs)
            report(
                f"{folder}: resumed after {done} epochs and {len(trainer.progress.losses)} steps"
            )
        elif resume:
            report(f"{folder}: nothing to resume yet; begins")
        accelerator.wait_for_everyone()
        trainer.progress.identity = chosen.identity
        kept: Backbone | BackboneFile | None = trained
        if accelerator.is_main_process:
            clear(folder, everything=not resumed)
            config.save(folder / CONFIG)
            for path in (folder / BEST, folder / LAST):
                if path.exists():  # of a run that goes on, maybe to more epochs than it says
                    renote(path, {"training": config.to_dict()})
            if frozen is not None:
                kept = share_backbone(folder / FROZEN, frozen)
        run = _Run(
            folder, config, trainer, kept,
            {
                "labels": label_statistics(chosen.training),
                "trained_on": [video.name for video in chosen.training],
                "weights": chosen.identity["weights"],
            },
            accelerator, save_seconds, report, progress,
        )  # fmt: skip
        run.go()
    epochs = tuple(trainer.progress.epochs)
    result = TrainResult(folder, epochs, stopped_early=len(epochs) < config.epochs)
    if result.stopped_early:
        report(f"stopped early: no better CCC in {config.patience} epochs")
    best = result.best
    report(
        f"best epoch {best.number}: CCC valence {best.valence:.3f}, arousal {best.arousal:.3f}; "
        f"{result.best_checkpoint}"
    )
    return result


class _Run:
    """Writes what comes out of training."""

    def __init__(
        self,
        folder: Path,
        config: TrainingConfig,
        trainer: Trainer,
        backbone: Backbone | BackboneFile | None,
        info: dict[str, Any],
        accelerator: Accelerator,
        save_seconds: float,
        report: Report,
        progress: Callable[[str, int, int], None],
    ) -> None:
        self._folder, self._config, self._trainer = folder, config, trainer
        self._backbone, self._info = backbone, info
        self._main = accelerator.is_main_process
        self._save_seconds, self._report, self._progress = save_seconds, report, progress
        self._saved = time.monotonic()

    def go(self) -> None:
        config, trainer = self._config, self._trainer
        if trainer.progress.finished:
            self._report(f"{self._folder}: this run is finished")
            return
        journal = Journal(self._folder / LOGS, trainer.clips_done, enabled=self._main)
        with journal as self._journal:
            for epoch in trainer.epochs(self._on_step):
                finished = len(trainer.progress.epochs) >= config.epochs
                best = trainer.progress.best
                behind = epoch.number - (best.number if best else 0)
                trainer.progress.finished = finished or behind >= config.patience
                self._journal.epoch(trainer.clips_done, epoch)
                if self._main:
                    self._write(epoch)
                self._report(
                    f"epoch {epoch.number}/{config.epochs}: loss {epoch.loss:.4f}, "
                    f"CCC valence {epoch.valence:.3f}, arousal {epoch.arousal:.3f}"
                    + (", best so far" if epoch.is_best else "")
                )

    def _on_step(self, clips: int, loss: float) -> None:
        trainer = self._trainer
        self._progress("training", clips, trainer.clips_per_epoch * self._config.epochs)
        self._journal.step(clips, loss)
        if self._main and time.monotonic() - self._saved >= self._save_seconds:
            self._save_state()

    def _save_state(self) -> None:
        trainer = self._trainer
        save_state(self._folder / STATE, trainer.model, trainer.optimizer, trainer.progress)
        self._saved = time.monotonic()

    def _write(self, epoch: Epoch) -> None:
        """Write what is left of an epoch, each file whole or not at all, the state last."""
        network = self._trainer.model.network
        info = self._info | {"training": self._config.to_dict(), "epoch": asdict(epoch)}
        if epoch.is_best:
            save_checkpoint(self._folder / BEST, network, self._backbone, info)
        save_checkpoint(self._folder / LAST, network, self._backbone, info)
        write_history(self._folder / HISTORY, self._trainer.progress.epochs)
        self._save_state()


def write_history(path: Path, epochs: Sequence[Epoch]) -> None:
    """Write one row per epoch as CSV."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Epoch)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(asdict, epochs))


def _check_backbone(cache: Cache, path: str | os.PathLike[str]) -> None:
    found = weights_hash(load_backbone(path))
    expected = cache.manifest.weights_sha256
    if found != expected:
        raise InputError(
            f"{cache.root}: made with other weights (SHA-256 {expected[:12] or 'none'}…) than "
            f"{path} ({found[:12]}…)"
        )


def _network_config(cache: Cache, config: TrainingConfig) -> MIMAMOConfig:
    """The network's settings, with what the cache and the backbone decide."""
    manifest = cache.manifest
    if config.spatial != "small" and manifest.feature_dim == 0:
        raise InputError(
            f"{cache.root}: has no spatial features; train with the small backbone, or extract "
            "with ResNet50 weights"
        )
    if config.network.phase_size not in (manifest.phase_size, MIMAMOConfig().phase_size):
        raise InputError(
            f"config: phase_size: expected {manifest.phase_size}, as {cache.root} has it, got "
            f"{config.network.phase_size}"
        )
    width = SmallBackbone.feature_dim if config.spatial == "small" else manifest.feature_dim
    return replace(config.network, feature_dim=width, phase_size=manifest.phase_size)


def _accelerator(device: torch.device, precision: str) -> Accelerator:
    mixed = {"float32": "no", "bfloat16": "bf16"}[precision]
    if "RANK" not in os.environ:
        # Accelerate keeps the settings of the process's first run; ours may differ from run to run.
        AcceleratorState._reset_state(reset_partial_state=True)
    # The others wait while the first process predicts what a fold held out.
    waiting = InitProcessGroupKwargs(timeout=timedelta(hours=2))
    return Accelerator(cpu=device.type == "cpu", mixed_precision=mixed, kwargs_handlers=[waiting])


def _silent(line: str) -> None:
    """Only the first process reports."""
