"""Trains in float64 and prints the loss of each step; started by `test_processes.py`.

Arguments: cache, run, recipe. In float32 a fresh network, whose output BatchNorm blows up, turns
differences of rounding into visible ones within a few steps; in float64 they stay below 1e-9.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Sequence

import torch
from torch import Tensor

from mimamo.train import TrainedModel, Trainer, TrainingConfig


class DoubleModel(TrainedModel):
    """A model in float64."""

    def __init__(self, *parts: torch.nn.Module | None) -> None:
        super().__init__(*parts)
        self.double()

    def forward(self, seen: Tensor, phases: Sequence[Tensor]) -> Tensor:
        return super().forward(seen.double(), [level.double() for level in phases])


class DoubleTrainer(Trainer):
    """Leaves out validation, which is not in float64."""

    def _validate(self) -> tuple[float, float]:
        return 0.0, 0.0


def main() -> None:
    cache, out, recipe = sys.argv[1:]
    training = importlib.import_module("mimamo.train.training")
    training.TrainedModel, training.Trainer = DoubleModel, DoubleTrainer
    losses: list[float] = []
    training.TensorBoardLog.step = lambda self, clips, loss: losses.append(loss)
    training.train(cache, out, config=TrainingConfig.load(recipe))
    if os.environ.get("RANK", "0") == "0":
        print(json.dumps(losses))


if __name__ == "__main__":
    main()
