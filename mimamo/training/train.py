"""Training from a data set on disk to checkpoints on disk: what ``mimamo train`` does."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path

import torch

from mimamo.data.affwild2 import TRAIN, VALIDATION, AffWild2, AnnotatedVideo
from mimamo.data.clips import VideoSequence
from mimamo.errors import InputError
from mimamo.files import output_folder, replacing
from mimamo.network.checkpoint import load_backbone, save_checkpoint
from mimamo.network.mimamo_net import MIMAMONet
from mimamo.network.resnet50 import FEATURE_DIM, ResNet50
from mimamo.training.config import TrainingConfig
from mimamo.training.features import extract_features, sample_crops
from mimamo.training.loop import Epoch, fit

_BEST = "best.safetensors"
_LAST = "last.safetensors"
_HISTORY = "history.csv"
_CONFIG = "config.toml"
_FILES = (_BEST, _LAST, _HISTORY, _CONFIG)


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
        return self.out / _BEST

    @property
    def last_checkpoint(self) -> Path:
        """The network after the last epoch, with its backbone."""
        return self.out / _LAST


def train(
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    backbone: str | os.PathLike[str] | ResNet50 | None = None,
    image_size: int = 224,
    config: TrainingConfig | None = None,
    device: torch.device | str = "cpu",
    overwrite: bool = False,
    report: Callable[[str], None] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> TrainResult:
    """Train MIMAMO Net on ``Train_Set`` and validate it on ``Validation_Set``.

    Into `out` go ``config.toml``, after every epoch ``last.safetensors`` and ``history.csv`` (one
    row per epoch), and after the best one yet ``best.safetensors``. On the CPU, the same seed,
    data and number of threads give the same files. torch's global generator is left as it was.

    Args:
        data: a data set in the layout of Aff-Wild2 (see :mod:`mimamo.data.affwild2`).
        out: the run's folder, made if need be.
        backbone: where the spatial features come from: a file of ResNet50 weights; "random" for
            random weights, calibrated on training faces; or a ResNet50, used as it is and moved
            to `device`.
        image_size: of the ResNet50's input, pixels, where `backbone` does not say.
        config: the recipe; None for the technical report's.
        device: where the networks run.
        overwrite: replace a run that is in `out`.
        report: called with each line of the account: videos left out, CCC per epoch.
        progress: called with the name of a stage, the work done in it, and all of it.

    Raises:
        InputError: no backbone is given, `out` holds a run, something in `data` is malformed or
            there is too little of it, or the loss is no longer finite.
    """
    config = config or TrainingConfig()
    device = torch.device(device)
    report = report or (lambda line: None)
    progress = progress or (lambda stage, done, total: None)
    if backbone is None:
        raise InputError(
            "backbone: expected a file of ResNet50 weights (FER+, VGGFace2 or torchvision), or "
            "'random' for random features, got nothing"
        )
    if config.network.feature_dim != FEATURE_DIM:
        raise InputError(
            f"config: feature_dim: expected {FEATURE_DIM}, as the backbone has it, "
            f"got {config.network.feature_dim}"
        )
    out = _run_folder(out, overwrite)
    dataset = AffWild2(data)
    videos = {subset: dataset.videos(subset) for subset in (TRAIN, VALIDATION)}
    for line in dataset.unused:
        report(line)

    with _seeded(config.seed, device):
        model = _backbone(backbone, image_size, videos[TRAIN], config.seed, device)
    extract = partial(_extract, backbone=model, config=config, device=device, report=report)
    training, validation = (
        extract(subset, videos[subset], progress=partial(progress, f"features of {subset}"))
        for subset in (TRAIN, VALIDATION)
    )

    for name in _FILES:
        (out / name).unlink(missing_ok=True)
    config.save(out / _CONFIG)
    epochs: list[Epoch] = []
    with _seeded(config.seed, device):
        network = MIMAMONet(config.network).to(device)
        for epoch in fit(network, training, validation, config, partial(progress, "training")):
            epochs.append(epoch)
            _save(out, epochs, network, model, config)
            report(
                f"epoch {epoch.number}/{config.epochs}: loss {epoch.loss:.4f}, "
                f"CCC valence {epoch.valence:.3f}, arousal {epoch.arousal:.3f}"
                + (", best so far" if epoch.is_best else "")
            )
    result = TrainResult(out, tuple(epochs), stopped_early=len(epochs) < config.epochs)
    if result.stopped_early:
        report(f"stopped early: no better CCC in {config.patience} epochs")
    return result


def _run_folder(path: str | os.PathLike[str], overwrite: bool) -> Path:
    """Return the folder of a new run, made if need be; what is in it is not touched yet."""
    folder = output_folder(path)
    if not overwrite:
        for name in _FILES:
            if (folder / name).exists():
                raise InputError(
                    f"{folder}: holds a run ({name}); give another folder, or overwrite it"
                )
    return folder


def _backbone(
    backbone: str | os.PathLike[str] | ResNet50,
    image_size: int,
    videos: Sequence[AnnotatedVideo],
    seed: int,
    device: torch.device,
) -> ResNet50:
    if backbone == "random":
        model = ResNet50(image_size=image_size, seed=seed).to(device)
        model.calibrate(sample_crops(videos, torch.Generator().manual_seed(seed)))
        return model
    if isinstance(backbone, str | os.PathLike):
        return load_backbone(backbone, image_size)
    return backbone


def _extract(
    subset: str,
    videos: Sequence[AnnotatedVideo],
    *,
    backbone: ResNet50,
    config: TrainingConfig,
    device: torch.device,
    report: Callable[[str], None],
    progress: Callable[[int, int], None],
) -> list[VideoSequence]:
    """Extract the videos that have an annotated frame, and report the others."""
    sequences = extract_features(
        videos,
        backbone,
        phase_size=config.network.phase_size,
        dtype=getattr(torch, config.feature_dtype),
        device=device,
        progress=progress,
    )
    kept = []
    for video, sequence in zip(videos, sequences, strict=True):
        for line in video.faces.warnings:
            report(line)
        if sequence.annotated.any():
            kept.append(sequence)
        else:
            report(f"{video.faces.path}: no image has an annotation; not used")
    if not kept:
        raise InputError(f"{subset}: expected images with annotations, found none")
    faces = sum(map(len, kept))
    annotated = sum(int(sequence.annotated.sum()) for sequence in kept)
    report(f"{subset}: {len(kept)} videos, {faces} faces, {annotated} of them annotated")
    return kept


def _save(
    out: Path,
    epochs: Sequence[Epoch],
    network: MIMAMONet,
    backbone: ResNet50,
    config: TrainingConfig,
) -> None:
    """Write what is left of the last epoch, each file whole or not at all."""
    epoch = epochs[-1]
    info = {"training": config.to_dict(), "epoch": asdict(epoch)}
    if epoch.is_best:
        save_checkpoint(out / _BEST, network, backbone, info)
    save_checkpoint(out / _LAST, network, backbone, info)
    with (
        replacing(out / _HISTORY) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.DictWriter(file, [field.name for field in fields(Epoch)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(asdict, epochs))


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's global generators, and leave them afterwards as they were."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
