"""The training loop: epochs, learning rate, validation, early stop."""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from mimamo.data.augmentation import augmentation_draws, transform_clips
from mimamo.data.batches import epoch_batches, own_part
from mimamo.data.clips import Clip, ClipDataset, VideoSequence
from mimamo.errors import InputError
from mimamo.metrics import ccc_loss, pooled_ccc
from mimamo.model.features import phase_windows
from mimamo.model.small_backbone import SmallBackbone
from mimamo.predict.clips import evaluating, predict_sequence
from mimamo.progress import counted
from mimamo.threads import ahead
from mimamo.train.optimisation import WeightAverage, optimizer_of, rate_at
from mimamo.train.processes import Processes, gather_rows, use_global_batch_norm
from mimamo.train.recipe import TrainingConfig
from mimamo.train.state import Epoch, Pool, TrainingState, load_state, save_state
from mimamo.train.trained_model import FaceImages, TrainedModel, video_features

Step = tuple[int, slice, int, Clip, Tensor | None]  # number, rows, batch size, clips, images

# What a seed is for, so that no two purposes share one.
_AUGMENTATION, _DROPOUT, _MOVES = 1, 2, 3


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
        self._optimizer = optimizer_of(model, config)
        self._average = WeightAverage(self.model, config.ema) if config.ema else None
        #: Predictions and labels of the batches before, over which the loss is, too.
        self._pool: deque[tuple[Tensor, Tensor]] = deque(maxlen=config.pool - 1)
        self._forward: Callable[..., Tensor] = model
        if processes.count > 1:
            use_global_batch_norm(model)
            self._forward = DistributedDataParallel(model)

    @property
    def averaged(self) -> TrainedModel:
        """What is validated and kept: the model, or the average of its weights if there is one."""
        return self.model if self._average is None else self._average.model

    @property
    def clips_per_epoch(self) -> int:
        """How many clips an epoch has."""
        return len(self._clips)

    @property
    def _steps_per_epoch(self) -> int:
        return -(-self.clips_per_epoch // self._config.batch_size)

    @property
    def clips_done(self) -> int:
        """How many clips were trained on so far, in all epochs."""
        config, state = self._config, self.state
        done = len(state.epochs)
        batches = epoch_batches(self.clips_per_epoch, config.batch_size, config.seed, done + 1)
        return done * self.clips_per_epoch + sum(map(len, batches[: len(state.losses)]))

    def load(self, path: Path) -> None:
        """Go on from what `save` wrote. Raises InputError as `load_state`."""
        config = self._config
        frames = (config.pool - 1) * config.batch_size * config.clip_length
        most = frames * 2 * 2 * 8  # predictions and labels, in float64 at most
        average = None if self._average is None else self._average.model
        self.state, pool = load_state(path, self.model, self._optimizer, average, most)
        self._pool.extend(
            (x.to(self._processes.device), y.to(self._processes.device)) for x, y in pool
        )

    def save(self, path: Path) -> None:
        """Write all that it takes to go on from here. Raises InputError as `save_state`."""
        self.state.finished = self.is_finished
        average = None if self._average is None else self._average.model
        save_state(path, self.model, self._optimizer, self.state, average, self._pool)

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
            before = (number - 1) * self._steps_per_epoch  # steps of the epochs that are done
            self.model.train()
            clips = self.clips_done
            for step in ahead(self._steps(number, len(state.losses))):
                rate = rate_at(config, before + step[0], self._steps_per_epoch)
                for group in self._optimizer.param_groups:
                    group["lr"] = rate * group["factor"]
                loss = self._step(number, step)
                if not math.isfinite(loss):
                    raise InputError(
                        f"learning_rate: the loss is {loss} in step {step[0] + 1} of epoch "
                        f"{number}, at {rate:g}; try a lower one"
                    )
                if self._average is not None:
                    self._average.update(self.model.state_dict(), before + step[0] + 1)
                state.losses.append(loss)
                clips += step[2]
                if on_step:
                    on_step(clips, loss)
            rate = rate_at(config, before + self._steps_per_epoch - 1, self._steps_per_epoch)
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
        clips = self._clips
        if config.mixed_stride:
            random = np.random.default_rng([config.seed, epoch, _MOVES])
            most = config.stride // 2
            clips = clips.moved(random.integers(-most, most + 1, len(clips)).tolist())
        if min(map(len, batches)) < processes.count:
            raise InputError(
                f"batch_size: expected batches of at least "
                f"{counted(processes.count, 'clip')}, one a process, "
                f"got {min(map(len, batches))}"
            )
        for number, batch in enumerate(batches[done:], start=done):
            rows = own_part(batch, processes.index, processes.count)
            images = None if self._images is None else self._images.gather(clips, batch[rows])
            yield number, rows, len(batch), clips.gather(batch[rows]), images

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
        own = predicted[mask], labels[mask]
        loss = pooled_loss(*own, self._pool)
        self._optimizer.zero_grad()
        loss.backward()
        if config.clip_gradient:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), config.clip_gradient)
        self._optimizer.step()
        self._pool.append((own[0].detach(), own[1]))
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
                [(i, predict(self.averaged, videos[i], self._config, self._images)) for i in mine]
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


def pooled_loss(predicted: Tensor, labels: Tensor, earlier: Pool) -> Tensor:
    """`ccc_loss` over a batch and earlier ones together; a gradient flows to the batch alone.

    What few clips of a batch lack, the spread between people, comes from those before, as they were
    predicted then (a memory as in Wang et al., "Cross-Batch Memory", CVPR 2020).

    Args:
        predicted, labels: of the batch's frames that count, ``[N, 2]``.
        earlier: the same of batches before.
    """
    x = torch.cat([predicted, *(own for own, _ in earlier)])
    y = torch.cat([labels, *(own for _, own in earlier)])
    return ccc_loss(x, y, torch.ones(len(x), dtype=torch.bool, device=x.device))
