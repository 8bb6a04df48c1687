"""The name tables: what the entries of known weight files are called, and what they are here.

A table maps a *module's* name in the file to the module's name here; what follows the last dot
(``weight``, ``running_mean``, ``weight_ih_l0_reverse``, …) is the same everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from mimamo.model.network import MIMAMONet
from mimamo.model.resnet50 import STAGES, ResNet50
from mimamo.model.small_backbone import SmallBackbone

NETWORK_PREFIX = "network"
BACKBONE_PREFIX = "backbone"


@dataclass(frozen=True)
class Naming:
    """How one kind of weight file names its entries."""

    label: str  # for messages: "this file was read as …"
    modules: Mapping[str, str]  # module name in the file -> module name here
    ignored: tuple[str, ...] = ()  # modules in the file that have no counterpart here, on purpose
    variant: str | None = None  # the ResNet50 variant these names belong to, if they tell

    def translate(self, entry: str) -> str | None:
        """Return our name of the file's `entry`; None if it has none or is ignored."""
        module, _, leaf = entry.rpartition(".")
        return f"{self.modules[module]}.{leaf}" if module in self.modules else None

    def ignores(self, entry: str) -> bool:
        """Whether the file's `entry` is left out on purpose."""
        return any(entry.startswith(f"{module}.") for module in self.ignored)


def namings(model: nn.Module) -> list[Naming]:
    """All the kinds of file that `model` can be loaded from; ours first.

    Raises TypeError if `model` is neither a MIMAMONet nor a ResNet50.
    """
    if isinstance(model, MIMAMONet):
        return [*_ours(model, NETWORK_PREFIX, BACKBONE_PREFIX), PUBLISHED]
    if isinstance(model, ResNet50):
        return [*_ours(model, BACKBONE_PREFIX, NETWORK_PREFIX), FERPLUS, TORCHVISION]
    if isinstance(model, SmallBackbone):
        return _ours(model, BACKBONE_PREFIX, NETWORK_PREFIX)
    raise TypeError(f"model: expected a MIMAMONet or a ResNet50, got {type(model).__name__}")


def _ours(model: nn.Module, prefix: str, other: str) -> list[Naming]:
    modules = [name for name, _ in model.named_modules() if name]
    return [
        Naming("this package's own names", {name: name for name in modules}),
        Naming(
            "a checkpoint of this package",
            {f"{prefix}.{name}": name for name in modules},
            ignored=(other,),
        ),
    ]


def _ferplus_modules() -> dict[str, str]:
    layers = {"1x1_reduce": "reduce", "3x3": "middle", "1x1_increase": "expand"}
    table = {"conv1_7x7_s2": "stem.conv", "conv1_7x7_s2_bn": "stem.bn"}
    for stage, (_, depth) in enumerate(STAGES):
        for block in range(depth):
            here = layers | ({"1x1_proj": "project"} if block == 0 else {})
            for theirs, ours in here.items():
                name = f"conv{stage + 2}_{block + 1}_{theirs}"
                table[name] = f"stages.{stage}.{block}.{ours}.conv"
                table[f"{name}_bn"] = f"stages.{stage}.{block}.{ours}.bn"
    return table


def _torchvision_modules() -> dict[str, str]:
    layers = {
        "conv1": "reduce.conv",
        "bn1": "reduce.bn",
        "conv2": "middle.conv",
        "bn2": "middle.bn",
        "conv3": "expand.conv",
        "bn3": "expand.bn",
    }
    projection = {"downsample.0": "project.conv", "downsample.1": "project.bn"}
    table = {"conv1": "stem.conv", "bn1": "stem.bn"}
    for stage, (_, depth) in enumerate(STAGES):
        for block in range(depth):
            here = layers | (projection if block == 0 else {})
            for theirs, ours in here.items():
                table[f"layer{stage + 1}.{block}.{theirs}"] = f"stages.{stage}.{block}.{ours}"
    return table


# `model_weights.pth.tar` of the authors. Its `phasenet.classifier` belongs to a training stage of
# the temporal stream alone; the network never calls it.
PUBLISHED = Naming(
    "the published MIMAMO Net",
    {
        "mlp.mlp.1": "spatial.fc1",
        "mlp.mlp.2": "spatial.bn1",
        "mlp.mlp.5": "spatial.fc2",
        "mlp.mlp.6": "spatial.bn2",
        "phasenet.conv_net.0.0": "temporal.blocks.0.conv1",
        "phasenet.conv_net.0.1": "temporal.blocks.0.bn1",
        "phasenet.conv_net.0.3": "temporal.blocks.0.conv2",
        "phasenet.conv_net.0.4": "temporal.blocks.0.bn2",
        "phasenet.conv_net.1.0": "temporal.blocks.1.conv1",
        "phasenet.conv_net.1.1": "temporal.blocks.1.bn1",
        "phasenet.conv_net.1.3": "temporal.blocks.1.conv2",
        "phasenet.conv_net.1.4": "temporal.blocks.1.bn2",
        "phasenet.conv_net.2.0": "temporal.blocks.2.conv1",
        "phasenet.conv_net.2.1": "temporal.blocks.2.bn1",
        "phasenet.conv_net.2.3": "temporal.blocks.2.conv2",
        "phasenet.conv_net.2.4": "temporal.blocks.2.bn2",
        "phasenet.fc.0": "temporal.fc1",
        "phasenet.fc.2": "temporal.bn1",
        "phasenet.fc.4": "temporal.fc2",
        "phasenet.fc.6": "temporal.bn2",
        "transform.0": "fusion.fc",
        "transform.2": "fusion.bn",
        "rnns": "gru",
        "classifier.1": "head.fc",
        "classifier.2": "head.bn",
    },
    ignored=("phasenet.classifier",),
)

# `resnet50_ferplus_dag.pth` and the VGGFace2 ResNet50 it was tuned from. The features are taken
# before the classifier, which is therefore left out (1x1 convolution or linear alike).
FERPLUS = Naming(
    "a FER+ or VGGFace2 ResNet50",
    _ferplus_modules(),
    ignored=("classifier",),
    variant="ferplus",
)

TORCHVISION = Naming(
    "a torchvision ResNet50",
    _torchvision_modules(),
    ignored=("fc",),
    variant="torchvision",
)
