"""The networks, their weights and their checkpoints."""

from mimamo.network.checkpoint import Checkpoint, load_backbone, load_checkpoint, save_checkpoint
from mimamo.network.config import MIMAMOConfig
from mimamo.network.mimamo_net import MIMAMONet
from mimamo.network.resnet50 import ResNet50
from mimamo.network.weights import load_weights

__all__ = [
    "Checkpoint",
    "MIMAMOConfig",
    "MIMAMONet",
    "ResNet50",
    "load_backbone",
    "load_checkpoint",
    "load_weights",
    "save_checkpoint",
]
