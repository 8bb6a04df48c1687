"""Training: from a cache to checkpoints on disk."""

from mimamo.metrics import ccc_loss
from mimamo.train.model import TrainedModel
from mimamo.train.recipe import TrainingConfig
from mimamo.train.state import Epoch
from mimamo.train.trainer import Trainer
from mimamo.train.training import TrainResult, train

__all__ = [
    "Epoch",
    "TrainResult",
    "TrainedModel",
    "Trainer",
    "TrainingConfig",
    "ccc_loss",
    "train",
]
