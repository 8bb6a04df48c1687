"""The networks, their weights and their checkpoints."""

from mimamo.network.checkpoint import (
    Checkpoint,
    load_backbone,
    load_checkpoint,
    save_backbone,
    save_checkpoint,
    weights_hash,
)
from mimamo.network.config import MIMAMOConfig
from mimamo.network.mimamo_net import MIMAMONet
from mimamo.network.resnet50 import ResNet50
from mimamo.network.small_backbone import SmallBackbone
from mimamo.network.weights import load_weights

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
