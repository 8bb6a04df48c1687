"""The training loop: epochs, learning rate, validation, early stop."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel
from torch.optim import SGD, Optimizer

from mimamo.data.augmentation import augmentation_draws, transform_clips
from mimamo.data.batches import epoch_batches, own_part
from mimamo.data.clips import Clip, ClipDataset, VideoSequence
from mimamo.errors import InputError
from mimamo.metrics import ccc_loss, pooled_ccc
from mimamo.model.features import phase_windows
from mimamo.model.resnet50 import ResNet50
from mimamo.model.small_backbone import SmallBackbone
from mimamo.predict.clips import evaluating, predict_sequence
from mimamo.threads import ahead
from mimamo.train.model import FaceImages, TrainedModel, video_features
from mimamo.train.processes import Processes, gather_rows, use_global_batch_norm
from mimamo.train.recipe import TrainingConfig
from mimamo.train.state import Epoch, TrainingState, load_state, save_state

Step = tuple[int, slice, int, Clip, Tensor | None]  # number, rows, batch size, clips, images

# What a seed is for, so that no two purposes share one.
_AUGMENTATION, _DROPOUT = 1, 2


class Trainer:
    """Trains a model, one epoch after the other.

    Every draw is seeded by its place in training, so what follows a step depends on nothing but
    the weights, the optimiser and `state`.

    Args:
        model: trained in place; moved to this process's device.
        clips: to train on, at least one a process.
        validation: videos that are predicted whole after each epoch, at least one frame annotated.
        config: the recipe.
        processes: this one among those that share the batches, and its device.
        images: the faces' images, for a ResNet50 in training.
    """

    def __init__(
        self,
        model: TrainedModel,
        clips: ClipDataset,
        validation: Sequence[VideoSequence],
        config: TrainingConfig,
        processes: Processes,
        images: FaceImages | None = None,
    ) -> None:
        self.model = model.to(processes.device)
        self.state = TrainingState()
        self._clips, self._validation, self._images = clips, validation, images
        self._config, self._processes = config, processes
        self._optimizer = _optimizer(model, config)
        self._forward: Callable[..., Tensor] = model
        if processes.count > 1:
            use_global_batch_norm(model)
            self._forward = DistributedDataParallel(model)

    @property
    def clips_per_epoch(self) -> int:
        """How many clips an epoch has."""
        return len(self._clips)

    @property
    def clips_done(self) -> int:
        """How many clips were trained on so far, in all epochs."""
        config, state = self._config, self.state
        done = len(state.epochs)
        batches = epoch_batches(self.clips_per_epoch, config.batch_size, config.seed, done + 1)
        return done * self.clips_per_epoch + sum(map(len, batches[: len(state.losses)]))

    def load(self, path: Path) -> None:
        """Go on from what `save` wrote. Raises InputError as `load_state`."""
        self.state = load_state(path, self.model, self._optimizer)

    def save(self, path: Path) -> None:
        """Write all that it takes to go on from here. Raises InputError as `save_state`."""
        self.state.finished = self.is_finished
        save_state(path, self.model, self._optimizer, self.state)

    def epochs(self, on_step: Callable[[int, float], None] | None = None) -> Iterator[Epoch]:
        """Train until the last epoch, or until it no longer gets better.

        Args:
            on_step: called after each step with the number of clips trained on so far in all
                epochs, and its loss; `state` is then a place to go on from.

        Yields:
            Each epoch when it is done.

        Raises:
            InputError: the loss or a prediction is no longer finite, or there are fewer clips than
                processes.
        """
        config, state = self._config, self.state
        while not self.is_finished:
            number = len(state.epochs) + 1
            rate = config.learning_rate * config.decay ** sum(
                number > milestone for milestone in config.milestones
            )
            for group in self._optimizer.param_groups:
                group["lr"] = rate * group["factor"]
            self.model.train()
            clips = self.clips_done
            for step in ahead(self._steps(number, len(state.losses))):
                loss = self._step(number, step)
                if not math.isfinite(loss):
                    raise InputError(
                        f"learning_rate: the loss is {loss} in step {step[0] + 1} of epoch "
                        f"{number}, at {rate:g}; try a lower one"
                    )
                state.losses.append(loss)
                clips += step[2]
                if on_step:
                    on_step(clips, loss)
            valence, arousal = self._validate()
            if not math.isfinite(valence + arousal):
                raise InputError(
                    f"learning_rate: predictions are not finite after epoch {number}, at {rate:g}; "
                    "try a lower one"
                )
            best = state.best
            state.epochs.append(
                Epoch(
                    number=number,
                    learning_rate=rate,
                    loss=statistics.fmean(state.losses),
                    valence=valence,
                    arousal=arousal,
                    is_best=best is None or (valence + arousal) / 2 > best.score,
                )
            )
            state.losses = []
            yield state.epochs[-1]

    @property
    def is_finished(self) -> bool:
        """Whether there is no epoch left, or it no longer gets better."""
        epochs = self.state.epochs
        best = self.state.best
        return bool(epochs) and (
            len(epochs) >= self._config.epochs
            or len(epochs) - (best.number if best else 0) >= self._config.patience
        )

    def _steps(self, epoch: int, done: int) -> Iterator[Step]:
        """This process's part of the batches of an epoch, those that are done left out."""
        config, processes = self._config, self._processes
        batches = epoch_batches(self.clips_per_epoch, config.batch_size, config.seed, epoch)
        if min(map(len, batches)) < processes.count:
            raise InputError(
                f"batch_size: expected batches of at least {processes.count} clips, one a process, "
                f"got {min(map(len, batches))}"
            )
        for number, batch in enumerate(batches[done:], start=done):
            rows = own_part(batch, processes.index, processes.count)
            images = None if self._images is None else self._images.gather(self._clips, batch[rows])
            yield number, rows, len(batch), self._clips.gather(batch[rows]), images

    def _step(self, epoch: int, step: Step) -> float:
        """Train on one batch and return its loss."""
        number, rows, total, batch, images = step
        config, processes = self._config, self._processes
        generator = torch.Generator().manual_seed(_seed(config.seed, _AUGMENTATION, epoch, number))
        draws = augmentation_draws(total, generator)[rows]
        torch.manual_seed(_seed(config.seed, _DROPOUT, epoch, number, processes.index))
        features, frames, labels, mask = (
            part.to(processes.device, non_blocking=True) for part in batch
        )
        frames = transform_clips(frames, draws, flip=config.flip, crop=config.crop)
        phases = phase_windows(frames, config.network, context=True)
        seen = self._seen(features, frames, images, draws)
        with torch.autocast(
            processes.device.type, torch.bfloat16, enabled=config.precision == "bfloat16"
        ):
            predicted = self._forward(seen, phases)
        if processes.count > 1:
            predicted = gather_rows(predicted.double(), rows, total)
            labels = gather_rows(labels.nan_to_num(), rows, total)
            mask = gather_rows(mask.float(), rows, total) > 0
        loss = ccc_loss(predicted, labels, mask)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        return loss.item()

    def _seen(
        self, features: Tensor, frames: Tensor, images: Tensor | None, draws: Tensor
    ) -> Tensor:
        """What the spatial stream sees of a batch."""
        if isinstance(self.model.backbone, SmallBackbone):
            return centre(frames, features.shape[1])
        if images is None:
            return features.float()
        images = images.to(self._processes.device, non_blocking=True)
        return transform_clips(images, draws, flip=self._config.flip, crop=self._config.crop)

    def _validate(self) -> tuple[float, float]:
        """CCC on the validation videos, which the processes share."""
        processes, videos = self._processes, self._validation
        mine = range(processes.index, len(videos), processes.count)
        predicted = dict(
            processes.gather(
                [(i, predict(self.model, videos[i], self._config, self._images)) for i in mine]
            )
        )
        return pooled_ccc([video.pairs(predicted[i]) for i, video in enumerate(videos)])


def predict(
    model: TrainedModel,
    video: VideoSequence,
    config: TrainingConfig,
    images: FaceImages | None = None,
) -> np.ndarray:
    """Predict a video whole, in clips that do not overlap, as in the published code.

    So the epoch is chosen that the published code would choose. `mimamo predict`, `evaluate` and
    `submit` let clips overlap where nothing is said. Returns float32 ``[T, 2]``.

    Args:
        model: used in evaluation mode, left in the mode it was in.
        video: its features are not looked at where the model has a backbone.
        config: says how long a clip is.
        images: of the video, for a ResNet50 in training.
    """
    with evaluating(model):
        features = video_features(model.backbone, video, images)
        return predict_sequence(
            model.network, features, video.frames, config.clip_length, config.clip_length
        )


def centre(frames: Tensor, length: int) -> Tensor:
    """The frames of clips without their context: ``[B, L + P, S, S]`` → ``[B, L, S, S]``."""
    first = (frames.shape[1] - length) // 2
    return frames[:, first : first + length]


def _seed(seed: int, *keys: int) -> int:
    """A seed for one purpose and place in training, unlike that of any other."""
    return int(np.random.SeedSequence([seed, *keys]).generate_state(1, np.uint64)[0] >> 1)


def _optimizer(model: TrainedModel, config: TrainingConfig) -> Optimizer:
    """SGD; a ResNet50 that is trained on has its own learning rate."""
    pretrained = isinstance(model.backbone, ResNet50)
    groups = [{"params": list(model.network.parameters()), "factor": 1.0}]
    if model.backbone is not None:
        factor = config.backbone_rate if pretrained else 1.0
        groups.append({"params": list(model.backbone.parameters()), "factor": factor})
    return SGD(
        groups, lr=config.learning_rate, momentum=config.momentum, weight_decay=config.weight_decay
    )
