"""The training loop: epochs, learning rate, validation, early stop."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor
from torch.optim import SGD, Optimizer

from mimamo.data.augmentation import augmentation_draws, transform_clips
from mimamo.data.batches import Clips, ahead, epoch_batches, own_part
from mimamo.data.clips import Clip, VideoSequence
from mimamo.errors import InputError
from mimamo.features.temporal import phase_windows
from mimamo.inference import predict_sequence
from mimamo.metrics import concordance_cc
from mimamo.network.mimamo_net import MIMAMONet
from mimamo.network.resnet50 import ResNet50
from mimamo.network.small_backbone import SmallBackbone
from mimamo.train import seeds
from mimamo.train.features import video_features
from mimamo.train.images import FaceImages
from mimamo.train.loss import ccc_loss
from mimamo.train.model import TrainedModel
from mimamo.train.processes import gather_rows, use_global_batch_norm
from mimamo.train.recipe import TrainingConfig
from mimamo.train.shared_dropout import Part, use_shared_dropout
from mimamo.train.state import Epoch, Progress

Step = tuple[int, slice, int, Clip, Tensor | None]  # number, rows, batch size, clips, images


class Trainer:
    """Trains a model, one epoch after the other.

    Every draw is seeded by its place in training, so what follows a step depends on nothing but
    the weights, the optimiser and `progress`.

    Args:
        model: trained in place; moved to the accelerator's device.
        clips: to train on, at least one a process.
        validation: videos that are predicted whole after each epoch, at least one frame annotated.
        config: the recipe.
        accelerator: device, precision and processes.
        images: the faces' images, for a ResNet50 in training.
    """

    def __init__(
        self,
        model: TrainedModel,
        clips: Clips,
        validation: Sequence[VideoSequence],
        config: TrainingConfig,
        accelerator: Accelerator,
        images: FaceImages | None = None,
    ) -> None:
        self.model = model.to(accelerator.device)
        self.progress = Progress()
        self._clips, self._validation, self._images = clips, validation, images
        self._config, self._accelerator = config, accelerator
        self.optimizer = _optimizer(model, config)
        self._ready, self._part = model, Part()
        if accelerator.num_processes > 1:
            use_global_batch_norm(model)
            use_shared_dropout(model, self._part)
            self._ready = accelerator.prepare(model)

    @property
    def clips_per_epoch(self) -> int:
        """How many clips an epoch has."""
        return len(self._clips.dataset)

    @property
    def clips_done(self) -> int:
        """How many clips were trained on so far, in all epochs."""
        config, progress = self._config, self.progress
        done = len(progress.epochs)
        batches = epoch_batches(self.clips_per_epoch, config.batch_size, config.seed, done + 1)
        return done * self.clips_per_epoch + sum(map(len, batches[: len(progress.losses)]))

    def epochs(self, on_step: Callable[[int, float], None] | None = None) -> Iterator[Epoch]:
        """Train until the last epoch, or until it no longer gets better.

        Args:
            on_step: called after each step with the number of clips trained on so far in all
                epochs, and its loss; `progress` is then a place to go on from.

        Yields:
            Each epoch when it is done.

        Raises:
            InputError: the loss or a prediction is no longer finite, or there are fewer clips than
                processes.
        """
        config, progress = self._config, self.progress
        while not self.is_finished:
            number = len(progress.epochs) + 1
            rate = config.learning_rate * config.decay ** sum(
                number > milestone for milestone in config.milestones
            )
            for group in self.optimizer.param_groups:
                group["lr"] = rate * group["factor"]
            self.model.train()
            clips = self.clips_done
            for step in ahead(self._steps(number, len(progress.losses))):
                loss = self._step(number, step)
                if not math.isfinite(loss):
                    raise InputError(
                        f"learning_rate: the loss is {loss} in step {step[0] + 1} of epoch "
                        f"{number}, at {rate:g}; try a lower one"
                    )
                progress.losses.append(loss)
                clips += step[2]
                if on_step:
                    on_step(clips, loss)
            valence, arousal = self._validate()
            if not math.isfinite(valence + arousal):
                raise InputError(
                    f"learning_rate: predictions are not finite after epoch {number}, at {rate:g}; "
                    "try a lower one"
                )
            best = progress.best
            progress.epochs.append(
                Epoch(
                    number=number,
                    learning_rate=rate,
                    loss=statistics.fmean(progress.losses),
                    valence=valence,
                    arousal=arousal,
                    is_best=best is None or (valence + arousal) / 2 > best.score,
                )
            )
            progress.losses = []
            yield progress.epochs[-1]

    @property
    def is_finished(self) -> bool:
        """Whether there is no epoch left, or it no longer gets better."""
        epochs = self.progress.epochs
        best = self.progress.best
        return bool(epochs) and (
            len(epochs) >= self._config.epochs
            or len(epochs) - (best.number if best else 0) >= self._config.patience
        )

    def _steps(self, epoch: int, done: int) -> Iterator[Step]:
        """This process's part of the batches of an epoch, those that are done left out."""
        config, processes = self._config, self._accelerator.num_processes
        batches = epoch_batches(self.clips_per_epoch, config.batch_size, config.seed, epoch)
        if min(map(len, batches)) < processes:
            raise InputError(
                f"batch_size: expected batches of at least {processes} clips, one a process, got "
                f"{min(map(len, batches))}"
            )
        for number, batch in enumerate(batches[done:], start=done):
            rows = own_part(batch, self._accelerator.process_index, processes)
            images = (
                None
                if self._images is None
                else self._images.gather(self._clips.dataset, batch[rows])
            )
            yield number, rows, len(batch), self._clips.gather(batch[rows]), images

    def _step(self, epoch: int, step: Step) -> float:
        """Train on one batch and return its loss."""
        number, rows, total, batch, images = step
        config, accelerator = self._config, self._accelerator
        draws = augmentation_draws(
            total, seeds.generator(config.seed, seeds.AUGMENTATION, epoch, number)
        )[rows]
        self._part.rows, self._part.total = rows, total
        torch.manual_seed(seeds.derived(config.seed, seeds.DROPOUT, epoch, number, 0))
        features, frames, labels, mask = (
            part.to(accelerator.device, non_blocking=True) for part in batch
        )
        frames = transform_clips(frames, draws, flip=config.flip, crop=config.crop)
        phases = phase_windows(frames, config.network, context=True)
        seen = self._seen(features, frames, images, draws)
        with accelerator.autocast():
            predicted = self._ready(seen, phases)
        if accelerator.num_processes > 1:
            predicted = gather_rows(predicted, rows, total)
            labels = gather_rows(labels.nan_to_num(), rows, total)
            mask = gather_rows(mask.float(), rows, total) > 0
        loss = ccc_loss(predicted, labels, mask)
        self.optimizer.zero_grad()
        accelerator.backward(loss)
        self.optimizer.step()
        return loss.item()

    def _seen(
        self, features: Tensor, frames: Tensor, images: Tensor | None, draws: Tensor
    ) -> Tensor:
        """What the spatial stream sees of a batch."""
        if isinstance(self.model.backbone, SmallBackbone):
            return centre(frames, features.shape[1])
        if images is None:
            return features.float()
        images = images.to(self._accelerator.device, non_blocking=True)
        return transform_clips(images, draws, flip=self._config.flip, crop=self._config.crop)

    def _validate(self) -> tuple[float, float]:
        """CCC on the validation videos, which the processes share."""
        accelerator = self._accelerator
        mine = range(accelerator.process_index, len(self._validation), accelerator.num_processes)
        predicted = [
            (index, predict(self.model, self._validation[index], self._config, self._images))
            for index in mine
        ]
        if accelerator.num_processes > 1:
            predicted = sorted(gather_object(predicted), key=lambda pair: pair[0])
        return pooled_ccc([values for _, values in predicted], self._validation)


def predict(
    model: TrainedModel,
    video: VideoSequence,
    config: TrainingConfig,
    images: FaceImages | None = None,
) -> np.ndarray:
    """Predict a video whole, as `mimamo predict` does: float32 ``[T, 2]``.

    Args:
        model: used in evaluation mode, left in the mode it was in.
        video: its features are not looked at where the model has a backbone.
        config: says how long a clip is.
        images: of the video, for a ResNet50 in training.
    """
    was_training = model.training
    model.eval()
    try:
        features = video_features(model.backbone, video, images)
        return predict_sequence(
            model.network, features, video.frames, config.clip_length, config.clip_length
        )
    finally:
        model.train(was_training)


def centre(frames: Tensor, length: int) -> Tensor:
    """The frames of clips without their context: ``[B, L + P, S, S]`` → ``[B, L, S, S]``."""
    first = (frames.shape[1] - length) // 2
    return frames[:, first : first + length]


def pooled_ccc(
    predictions: Sequence[np.ndarray], videos: Sequence[VideoSequence]
) -> tuple[float, float]:
    """CCC of valence and of arousal over all annotated frames, or utterances, of some videos."""
    pairs = [video.pairs(values) for values, video in zip(predictions, videos, strict=True)]
    predicted, labels = (np.concatenate(side) for side in zip(*pairs, strict=True))
    ccc = concordance_cc(predicted, labels, dim=0)
    return float(ccc[0]), float(ccc[1])


def evaluate(
    network: MIMAMONet, videos: Sequence[VideoSequence], clip_length: int = 64
) -> tuple[float, float]:
    """Return the CCC of valence and of arousal over all annotated frames, or utterances, pooled.

    Videos are predicted whole, just as `mimamo predict` does it. At least one frame must be
    annotated.
    """
    predictions = [
        predict_sequence(network, video.features, video.frames, clip_length, clip_length)
        for video in videos
    ]
    return pooled_ccc(predictions, videos)


def _optimizer(model: TrainedModel, config: TrainingConfig) -> Optimizer:
    """SGD; a ResNet50 that is trained on has its own learning rate."""
    pretrained = isinstance(model.backbone, ResNet50)
    groups = [{"params": list(model.network.parameters()), "factor": 1.0}]
    if model.backbone is not None:
        factor = config.backbone_rate if pretrained else 1.0
        groups.append({"params": list(model.backbone.parameters()), "factor": factor})
    return SGD(
        groups,
        lr=config.learning_rate,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
    )
