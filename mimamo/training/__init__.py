"""Training: from a cache to checkpoints on disk."""

from mimamo.training.config import TrainingConfig
from mimamo.training.loop import Trainer, evaluate
from mimamo.training.loss import ccc_loss
from mimamo.training.model import TrainedModel
from mimamo.training.state import Epoch
from mimamo.training.train import TrainResult, train

__all__ = [
    "Epoch",
    "TrainResult",
    "TrainedModel",
    "Trainer",
    "TrainingConfig",
    "ccc_loss",
    "evaluate",
    "train",
]
