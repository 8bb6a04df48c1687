"""Training from a cache to checkpoints on disk: what ``mimamo train`` does."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, astuple, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from mimamo.data.batches import ResidentClips
from mimamo.data.cache import Cache, stored_backbone
from mimamo.data.clips import ClipDataset
from mimamo.errors import InputError
from mimamo.files import output_folder, write_csv
from mimamo.locks import locked
from mimamo.model.checkpoint import (
    BackboneFile,
    FeatureSource,
    load_checkpoint,
    load_given,
    save_checkpoint,
    share_backbone,
    update_info,
    weights_hash,
)
from mimamo.model.config import MIMAMOConfig
from mimamo.model.given_features import GivenFeatures
from mimamo.model.network import MIMAMONet
from mimamo.model.onnx_backbone import OnnxBackbone
from mimamo.model.onnx_file import OnnxFile
from mimamo.model.run_files import BEST, CONFIG, STATE
from mimamo.model.small_backbone import SmallBackbone
from mimamo.predict.clips import predict_sequence
from mimamo.predict.smoothing import NOTE, choose_smooth, smooth_line
from mimamo.progress import Progress, Report, counted, silent
from mimamo.train.initial_weights import begin, seen_before
from mimamo.train.processes import is_first, joined_processes
from mimamo.train.recipe import TrainingConfig
from mimamo.train.run_folder import (
    FROZEN,
    HISTORY,
    LAST,
    LOGS,
    clear,
    results_in,
    run_folder,
    settings_of,
)
from mimamo.train.state import Epoch
from mimamo.train.tensorboard_log import TensorBoardLog, expect_name
from mimamo.train.trained_model import FaceImages, TrainedModel, video_features
from mimamo.train.trainer import Trainer
from mimamo.train.videos import Chosen, choose_videos


@dataclass(frozen=True)
class TrainResult:
    """What a training run came to.

    Attributes:
        out: the run's folder.
        epochs: all epochs, in order.
        stopped_early: whether it ended because it no longer got better.
        videos: what it was trained on and validated on.
    """

    out: Path
    epochs: tuple[Epoch, ...]
    stopped_early: bool
    videos: Chosen

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
    report: Report = silent,
    progress: Progress = silent,
) -> TrainResult:
    """Train MIMAMO Net on the videos of a cache.

    Into `out` go ``config.toml``, ``frozen_backbone.safetensors`` where the backbone is not
    trained, after every epoch ``last.safetensors``, ``history.csv`` (one row per epoch) and
    ``state.safetensors`` (to resume from), after the best one yet ``best.safetensors``, and
    ``tensorboard/``. On the CPU, the same seed, data and number of
    threads give the same files but for the last, also if the run was killed and resumed. torch's
    global generator is left as it was. Processes started by ``torchrun`` share the batches.

    Args:
        cache: made by :func:`mimamo.extract.extract`.
        out: the run's folder, made if need be.
        config: the recipe; None for the published code's, or with `resume` for the run's. A run
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
            other settings, or another process is training in it, or its name is not in UTF-8,
            there is too little data, a file cannot be written, or the loss is no longer finite.
    """
    if resume and overwrite:
        raise InputError("resume: expected either to go on with a run or to overwrite it, got both")
    expect_name(out)
    if not is_first():  # which alone reports and writes files
        report = silent
    cache = cache if isinstance(cache, Cache) else Cache(cache)
    with locked(output_folder(out)) if is_first() else nullcontext():
        folder = run_folder(out, overwrite, resume)
        resumed = resume and (folder / CONFIG).exists() and bool(results_in(folder))
        config = settings_of(folder, config, resume)
        if backbone is not None:
            _check_backbone(cache, backbone)
        with joined_processes(device) as processes, torch.random.fork_rng(processes.gpus):
            for name, reason in cache.skipped.items():
                report(f"{name} is not used: {reason}")
            chosen = choose_videos(cache, config.fold)
            for line in chosen.lines():
                report(line)
            config = replace(config, network=_network_config(cache, config))
            model, frozen = _model(cache, config)
            goes_on = resumed and (folder / STATE).exists()
            if config.init and not goes_on:
                begin(model, config, chosen, report)
            clips = _clips(chosen, config, processes.device if resident else None)
            images = None
            if config.spatial == "finetune":
                images = FaceImages([*chosen.training, *chosen.validation])
            validation = [video.sequence for video in chosen.validation]
            trainer = Trainer(model, clips, validation, config, processes, images)
            if goes_on:
                _go_on(trainer, folder, chosen, report)
            elif resume:
                report(f"{folder}: nothing to resume yet; begins")
            trainer.state.identity = chosen.identity
            processes.wait()  # the others have read what the first now replaces
            files = None
            if processes.is_first:
                notes = _notes(config, chosen, folder / LAST if goes_on else None)
                files = _RunFiles(
                    folder, config, trainer, frozen, notes, save_seconds, begins=not resumed
                )
            if trainer.is_finished:
                report(f"{folder}: this run is finished")
            else:
                _run(trainer, config, files, report, progress)
            if processes.is_first:
                _choose_smooth(folder, chosen, config, processes.device, images, report)
            epochs = tuple(trainer.state.epochs)
            del trainer, model, files  # while the group that DDP uses is there
    result = TrainResult(folder, epochs, stopped_early=len(epochs) < config.epochs, videos=chosen)
    if result.stopped_early:
        report(f"stopped early: no better CCC in {counted(config.patience, 'epoch')}")
    best = result.best
    report(
        f"best epoch {best.number}: CCC valence {best.valence:.3f}, arousal {best.arousal:.3f}; "
        f"{result.best_checkpoint}"
    )
    return result


def _clips(chosen: Chosen, config: TrainingConfig, device: torch.device | None) -> ClipDataset:
    """The clips to train on, kept on a device if one is given."""
    clip_set = ClipDataset if device is None else partial(ResidentClips, device=device)
    return clip_set(
        [video.sequence for video in chosen.training],
        length=config.clip_length,
        stride=config.stride,
        num_phase=config.network.num_phase,
    )


def _go_on(trainer: Trainer, folder: Path, chosen: Chosen, report: Report) -> None:
    """Load the state of a run. Raises InputError if it is of other videos."""
    trainer.load(folder / STATE)
    chosen.check(folder / STATE, trainer.state.identity)
    epochs = counted(len(trainer.state.epochs), "epoch")
    report(f"{folder}: resumed after {epochs} and {counted(len(trainer.state.losses), 'step')}")


def _notes(config: TrainingConfig, chosen: Chosen, last: Path | None) -> dict[str, Any]:
    """What checkpoints note of their training; `last` is that of a run that goes on."""
    notes = chosen.notes()
    if config.init:  # of a run that goes on, maybe without those weights
        before = seen_before(config, last if last is not None and last.exists() else None)
        notes["trained_on"] = sorted({*notes["trained_on"], *before})
    return notes


def _choose_smooth(
    folder: Path,
    chosen: Chosen,
    config: TrainingConfig,
    device: torch.device,
    images: FaceImages | None,
    report: Report,
) -> None:
    """Note in the best checkpoint how far to smooth what it predicts, unless it is there.

    Chosen on the validation videos, predicted as `mimamo evaluate` does where nothing is said.
    """
    path = folder / BEST
    checkpoint = load_checkpoint(path)
    if NOTE in checkpoint.info:
        return
    trained = None
    if not (
        config.spatial == "cached" or isinstance(checkpoint.backbone, GivenFeatures | OnnxBackbone)
    ):
        trained = checkpoint.backbone
    model = TrainedModel(checkpoint.network, trained).to(device).eval()
    predicted = {}
    for video in chosen.validation:
        features = video_features(model.backbone, video.sequence, images)
        values = predict_sequence(model.network, features, video.frames, config.clip_length)
        predicted[video.name] = values
    reach = choose_smooth(chosen.validation, predicted)
    update_info(path, {NOTE: reach})
    report(smooth_line(reach))


def _run(
    trainer: Trainer,
    config: TrainingConfig,
    files: _RunFiles | None,
    report: Report,
    progress: Progress,
) -> None:
    def on_step(clips: int, loss: float) -> None:
        progress("training", clips, trainer.clips_per_epoch * config.epochs)
        if files:
            files.step(clips, loss)

    with files or nullcontext():
        for epoch in trainer.epochs(on_step):
            if files:
                files.epoch(epoch)
            report(
                f"epoch {epoch.number}/{config.epochs}: loss {epoch.loss:.4f}, "
                f"CCC valence {epoch.valence:.3f}, arousal {epoch.arousal:.3f}"
                + (", best so far" if epoch.is_best else "")
            )


class _RunFiles:
    """Writes the files of a run, which the first process does; each is whole or not there."""

    def __init__(
        self,
        folder: Path,
        config: TrainingConfig,
        trainer: Trainer,
        frozen: FeatureSource | None,
        notes: dict[str, Any],
        save_seconds: float,
        *,
        begins: bool,
    ) -> None:
        self._folder, self._trainer, self._save_seconds = folder, trainer, save_seconds
        self._notes = notes | {"training": config.to_dict()}
        self._backbone: FeatureSource | BackboneFile | None = trainer.averaged.backbone
        self._saved = time.monotonic()
        clear(folder, everything=begins)
        config.save(folder / CONFIG)
        for path in (folder / BEST, folder / LAST):
            if path.exists():  # of a run that goes on, maybe to more epochs than it says
                update_info(path, {"training": config.to_dict()})
        if frozen is not None:
            self._backbone = share_backbone(folder / FROZEN, frozen)

    def __enter__(self) -> None:
        self._log = TensorBoardLog(self._folder / LOGS, self._trainer.clips_done)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._log.close(after_an_error=kind is not None)

    def step(self, clips: int, loss: float) -> None:
        """A step is done, `clips` clips in all."""
        self._log.step(clips, loss)
        if time.monotonic() - self._saved >= self._save_seconds:
            self._save_state()

    def epoch(self, epoch: Epoch) -> None:
        """An epoch is done; the state is written last."""
        self._log.epoch(self._trainer.clips_done, epoch)
        notes = self._notes | {"epoch": asdict(epoch)}
        for name in (BEST, LAST) if epoch.is_best else (LAST,):
            network = self._trainer.averaged.network
            save_checkpoint(self._folder / name, network, self._backbone, notes)
        write_csv(self._folder / HISTORY, history_rows(self._trainer.state.epochs))
        self._save_state()

    def _save_state(self) -> None:
        self._trainer.save(self._folder / STATE)
        self._saved = time.monotonic()


def history_rows(epochs: Sequence[Epoch]) -> list[Sequence[object]]:
    """The rows of ``history.csv``: one per epoch, below the names of the columns."""
    names = [field.name for field in fields(Epoch)]
    return [names, *(astuple(epoch) for epoch in epochs)]


def _model(cache: Cache, config: TrainingConfig) -> tuple[TrainedModel, FeatureSource | None]:
    """A fresh model, and what its features are from if that is not trained."""
    stored = None if config.spatial == "small" else stored_backbone(cache.root, cache.manifest)
    torch.manual_seed(config.seed)
    trained = None
    if config.spatial == "finetune":
        if isinstance(stored, GivenFeatures | OnnxBackbone):
            without = "without the backbone that is to be trained"
            is_onnx = isinstance(stored, OnnxBackbone)
            raise InputError(
                f"{cache.root}: holds features of {stored.label}, "
                f"{'which cannot be trained' if is_onnx else without}"
            )
        trained = stored
    if config.spatial == "small":
        trained = SmallBackbone(cache.manifest.phase_size)
    frozen = stored if trained is None else None
    return TrainedModel(MIMAMONet(config.network), trained), frozen


def _check_backbone(cache: Cache, path: str | os.PathLike[str]) -> None:
    given = load_given(path)
    if isinstance(given, OnnxFile):
        stored = stored_backbone(cache.root, cache.manifest)
        if isinstance(stored, OnnxBackbone) and stored.sha256 == given.sha256:
            return
    found = given.sha256 if isinstance(given, OnnxFile) else weights_hash(given)
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
