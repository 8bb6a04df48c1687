"""Training: from a cache to checkpoints on disk."""

from mimamo.metrics import ccc_loss as ccc_loss
from mimamo.train.recipe import TrainingConfig as TrainingConfig
from mimamo.train.state import Epoch as Epoch
from mimamo.train.trained_model import TrainedModel as TrainedModel
from mimamo.train.trainer import Trainer as Trainer
from mimamo.train.training import TrainResult as TrainResult
from mimamo.train.training import train as train
