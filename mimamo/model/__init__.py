"""The networks, their weights and their checkpoints."""

from mimamo.model.checkpoint import (
    Checkpoint,
    load_backbone,
    load_checkpoint,
    load_weights,
    save_backbone,
    save_checkpoint,
    weights_hash,
)
from mimamo.model.config import MIMAMOConfig
from mimamo.model.network import MIMAMONet
from mimamo.model.resnet50 import ResNet50
from mimamo.model.small_backbone import SmallBackbone

__all__ = [
    "Checkpoint",
    "MIMAMOConfig",
    "MIMAMONet",
    "ResNet50",
    "SmallBackbone",
    "load_backbone",
    "load_checkpoint",
    "load_weights",
    "save_backbone",
    "save_checkpoint",
    "weights_hash",
]
