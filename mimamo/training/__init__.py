"""Training: from a data set on disk to checkpoints on disk."""

from mimamo.training.config import TrainingConfig
from mimamo.training.features import extract_features
from mimamo.training.loop import Epoch, evaluate, fit
from mimamo.training.loss import ccc_loss
from mimamo.training.train import TrainResult, train

__all__ = [
    "Epoch",
    "TrainResult",
    "TrainingConfig",
    "ccc_loss",
    "evaluate",
    "extract_features",
    "fit",
    "train",
]
