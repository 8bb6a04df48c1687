"""The training loop: epochs, learning rate, validation, early stop."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import MultiStepLR
from torch.utils.data import DataLoader

from mimamo.data.augmentation import augment_clips
from mimamo.data.clips import Clip, ClipDataset, VideoSequence
from mimamo.errors import InputError
from mimamo.features.temporal import phase_windows
from mimamo.inference import predict_sequence
from mimamo.metrics import concordance_cc
from mimamo.network.mimamo_net import MIMAMONet
from mimamo.training.config import TrainingConfig
from mimamo.training.loss import ccc_loss


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to.

    Attributes:
        number: from 1.
        learning_rate: during the epoch.
        loss: mean over its batches of -(CCC valence + CCC arousal), with augmentation and dropout.
        valence: CCC on the validation videos, over all their annotated frames, after the epoch.
        arousal: the same.
        is_best: whether no epoch before had as high a score.
    """

    number: int
    learning_rate: float
    loss: float
    valence: float
    arousal: float
    is_best: bool

    @property
    def score(self) -> float:
        """Mean of both CCCs, by which epochs are compared."""
        return (self.valence + self.arousal) / 2


def fit(
    network: MIMAMONet,
    training: Sequence[VideoSequence],
    validation: Sequence[VideoSequence],
    config: TrainingConfig,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Epoch]:
    """Train a network until the last epoch, or until it no longer gets better.

    Shuffling and augmentation are seeded by `config`; dropout draws from torch's global generator.

    Args:
        network: trained in place on the device it is on, where phases are computed too. It has the
            weights of the epoch that was yielded last.
        training: videos to cut clips from, at least one frame annotated.
        validation: videos that are predicted whole after each epoch, at least one frame annotated.
        config: the recipe; its `network` is not looked at.
        progress: called with the number of clips trained on so far, and in all epochs.

    Yields:
        Each epoch when it is done.

    Raises:
        InputError: the loss is no longer finite.
    """
    clips = ClipDataset(
        training,
        length=config.clip_length,
        stride=config.stride,
        num_phase=network.config.num_phase,
    )
    generator = torch.Generator().manual_seed(config.seed)
    loader = DataLoader(clips, batch_size=config.batch_size, shuffle=True, generator=generator)
    optimizer = SGD(
        network.parameters(),
        lr=config.learning_rate,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
    )
    schedule = MultiStepLR(optimizer, list(config.milestones), gamma=config.decay)

    best_score, best_number = -math.inf, 0
    done = 0
    for number in range(1, config.epochs + 1):
        learning_rate = optimizer.param_groups[0]["lr"]
        losses: list[float] = []
        network.train()
        for batch in loader:
            loss = _step(network, batch, optimizer, config, generator)
            if not math.isfinite(loss):
                raise InputError(
                    f"learning_rate: the loss is {loss} in step {len(losses) + 1} of epoch "
                    f"{number}, at {learning_rate:g}; try a lower one"
                )
            losses.append(loss)
            done += len(batch.mask)
            if progress:
                progress(done, len(clips) * config.epochs)
        schedule.step()
        valence, arousal = evaluate(network, validation)
        epoch = Epoch(
            number=number,
            learning_rate=learning_rate,
            loss=statistics.fmean(losses),
            valence=valence,
            arousal=arousal,
            is_best=(valence + arousal) / 2 > best_score,
        )
        if epoch.is_best:
            best_score, best_number = epoch.score, number
        yield epoch
        if number - best_number >= config.patience:
            return


def evaluate(network: MIMAMONet, videos: Sequence[VideoSequence]) -> tuple[float, float]:
    """Return the CCC of valence and of arousal over all annotated frames of some videos, pooled.

    Videos are predicted whole, just as `mimamo predict` does it. At least one frame must be
    annotated.
    """
    predictions = [
        predict_sequence(network, video.features, video.frames)[video.annotated.numpy()]
        for video in videos
    ]
    labels = [video.labels[video.annotated].numpy() for video in videos]
    ccc = concordance_cc(np.concatenate(predictions), np.concatenate(labels), dim=0)
    return float(ccc[0]), float(ccc[1])


def _step(
    network: MIMAMONet,
    batch: Clip,
    optimizer: Optimizer,
    config: TrainingConfig,
    generator: torch.Generator,
) -> float:
    """Train on one batch of clips and return its loss."""
    device = next(network.parameters()).device
    features, frames, labels, mask = (tensor.to(device) for tensor in batch)
    frames = augment_clips(frames, generator, flip=config.flip, crop=config.crop)
    phases = phase_windows(frames, network.config, context=True)
    loss = ccc_loss(network(features.float(), phases), labels, mask)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()
