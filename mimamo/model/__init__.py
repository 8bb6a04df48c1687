"""The networks, their weights and their checkpoints."""

from mimamo.model.checkpoint import Checkpoint as Checkpoint
from mimamo.model.checkpoint import load_backbone as load_backbone
from mimamo.model.checkpoint import load_checkpoint as load_checkpoint
from mimamo.model.checkpoint import load_weights as load_weights
from mimamo.model.checkpoint import save_backbone as save_backbone
from mimamo.model.checkpoint import save_checkpoint as save_checkpoint
from mimamo.model.checkpoint import weights_hash as weights_hash
from mimamo.model.config import MIMAMOConfig as MIMAMOConfig
from mimamo.model.network import MIMAMONet as MIMAMONet
from mimamo.model.resnet50 import ResNet50 as ResNet50
from mimamo.model.small_backbone import SmallBackbone as SmallBackbone
