"""What a step of training does with a gradient: optimiser, learning rate, average of weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from mimamo.model.resnet50 import ResNet50
from mimamo.train.recipe import TrainingConfig
from mimamo.train.trained_model import TrainedModel

_SQUARES = 0.999  # AdamW's decay of the mean of squared gradients


def optimizer_of(model: TrainedModel, config: TrainingConfig) -> Optimizer:
    """The recipe's optimiser; a ResNet50 that is trained on has its own learning rate.

    AdamW (Loshchilov & Hutter, ICLR 2019) leaves the weights of biases and norms undecayed.
    """
    parts: list[tuple[nn.Module, float]] = [(model.network, 1.0)]
    if model.backbone is not None:
        pretrained = isinstance(model.backbone, ResNet50)
        parts.append((model.backbone, config.backbone_rate if pretrained else 1.0))
    rate, decay = config.learning_rate, config.weight_decay
    if config.optimizer == "sgd":
        groups = [{"params": list(part.parameters()), "factor": factor} for part, factor in parts]
        return SGD(groups, lr=rate, momentum=config.momentum, weight_decay=decay)
    groups = [
        {
            "params": [x for x in part.parameters() if (x.ndim > 1) == matrices],
            "factor": factor,
            "weight_decay": decay if matrices else 0.0,
        }
        for part, factor in parts
        for matrices in (True, False)
    ]
    return AdamW(groups, lr=rate, betas=(config.momentum, _SQUARES))


def rate_at(config: TrainingConfig, step: int, per_epoch: int) -> float:
    """The learning rate of a step of training, all epochs counted, from 0.

    It rises to the recipe's along a straight line over `config.warmup` epochs; meanwhile and then
    it is, of S steps in all, W of them of warm-up:

    - "steps": the recipe's, times `config.decay` for each milestone that is passed;
    - "cosine": ``rate · (1 + cos(π (step - W) / (S - W))) / 2`` after the warm-up (Loshchilov &
      Hutter, ICLR 2017, without restarts).

    Args:
        config: the recipe.
        step: which one.
        per_epoch: steps of an epoch.
    """
    rising = round(config.warmup * per_epoch)
    rate = config.learning_rate
    if config.schedule == "steps":
        epoch = step // per_epoch + 1
        rate *= config.decay ** sum(epoch > milestone for milestone in config.milestones)
    elif step >= rising:
        done = (step - rising) / (config.epochs * per_epoch - rising)
        rate *= (1 + math.cos(math.pi * done)) / 2
    return rate * (step + 1) / rising if step < rising else rate


class WeightAverage:
    """An exponential moving average of a model's weights and running statistics.

    After step n (from 1) it is ``d · average + (1 - d) · weights``, with ``d = min(decay, (1 + n) /
    (10 + n))``: at the beginning little is known that deserves to be kept.

    Args:
        model: whose first weights the average begins with; not changed.
        decay: d of a long training.

    Attributes:
        model: a copy of the model that has the average, in evaluation mode.
    """

    def __init__(self, model: TrainedModel, decay: float) -> None:
        self.model = deepcopy(model).eval().requires_grad_(False)
        self._decay = decay
        self._own = self.model.state_dict()  # the very tensors

    @torch.no_grad()
    def update(self, weights: Mapping[str, Tensor], step: int) -> None:
        """Take in the weights, a model's state, that step number `step` (from 1) has left."""
        kept = min(self._decay, (1 + step) / (10 + step))
        for name, own in self._own.items():
            if own.is_floating_point():
                own.lerp_(weights[name], 1 - kept)
            else:  # the count of a BatchNorm's batches
                own.copy_(weights[name])
