"""Weight files, whatever names they use: read without running anything in them, all or nothing.

A name table maps a *module's* name in the file to the module's name here; what follows the last dot
(``weight``, ``running_mean``, ``weight_ih_l0_reverse``, …) is the same everywhere.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from mimamo.errors import InputError
from mimamo.files import MOST_WEIGHTS, open_file
from mimamo.model.given_features import GivenFeatures
from mimamo.model.network import MIMAMONet
from mimamo.model.onnx_backbone import OnnxBackbone
from mimamo.model.resnet50 import STAGES, ResNet50
from mimamo.model.small_backbone import SmallBackbone
from mimamo.model.torch_file import read_torch, torch_outline
from mimamo.tensor_file import TensorFile, named_under

Model = TypeVar("Model", bound=nn.Module)

NETWORK_PREFIX, BACKBONE_PREFIX = "network", "backbone"  # of a checkpoint's entries
_TORCH_SUFFIXES = (".pth", ".pt", ".tar")
_SHOWN = 3  # entries of each kind that a message lists


@dataclass(frozen=True)
class WeightFile:
    """What a weight file holds: named tensors, and the metadata of a safetensors."""

    path: Path
    outline: dict[str, Tensor]  # on the meta device, which has no numbers
    read: Callable[[], dict[str, Tensor]]  # all of them from the file
    metadata: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        """All of them, on the CPU. Raises InputError if the file is damaged."""
        return self.read()


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


def read_weights(path: str | os.PathLike[str]) -> WeightFile:
    """Read what a weight file holds; its numbers are read when they are asked for.

    Args:
        path: ``.safetensors``, or ``.pth``, ``.pt`` or ``.pth.tar`` with a state dict or a dict
            that holds one as ``state_dict``. A ``module.`` that all names start with, left by
            ``DataParallel``, is taken off.

    Raises:
        InputError: the file is missing, empty, damaged, of another kind, or holds anything but
            tensors under names.
    """
    path = Path(path)
    if not os.path.exists(path):
        raise InputError(f"{path}: no such weights file")
    with open_file(path, MOST_WEIGHTS, "a weights file") as file:
        if not file.read(1):
            raise InputError(f"{path}: expected a weights file, got an empty one")
    metadata: dict[str, str] = {}
    read: Callable[[], dict[str, Tensor]]
    if path.suffix == ".safetensors":
        stored = _safetensors(path)
        outline, read, metadata = stored.outline(), stored.tensors, stored.metadata
    elif path.suffix in _TORCH_SUFFIXES:
        outline, read = torch_outline(path), partial(read_torch, path)
    else:
        raise InputError(
            f"{path}: expected .safetensors, .pth, .pt or .pth.tar, got {path.suffix!r}"
        )
    prefix = "module." if all(name.startswith("module.") for name in outline) else ""
    return WeightFile(
        path, named_under(prefix, outline), lambda: named_under(prefix, read()), metadata
    )


def fit(model: Model, file: WeightFile, variant: str | None = None) -> Model:
    """Load what was read into `model` and return it; unchanged where anything does not fit.

    Arguments and what it raises are those of `fitted`.
    """
    model.load_state_dict(fitted(model, file, variant))
    return model


def built(make: Callable[[], Model], file: WeightFile, variant: str | None = None) -> Model:
    """What `make` makes, with the weights of a file.

    Sizes may come from that file too: nothing is allocated before it is known that they fit.
    Raises what `fitted` and `make` raise.
    """
    with torch.device("meta"):
        outline = make()
    state = fitted(outline, file, variant)
    model = make()
    model.load_state_dict(state)
    return model


def fitted(model: nn.Module, file: WeightFile, variant: str | None = None) -> dict[str, Tensor]:
    """What was read, as the state of `model`, of which only names, shapes and dtypes are used.

    `variant`: the ResNet50 variant that the file says it is for; None: its names may tell.

    Raises InputError, which lists what is missing, unexpected or misshapen; TypeError for a model
    of another class.
    """
    naming = naming_of(model, file)
    variant = variant or variant_of(file)
    if isinstance(model, ResNet50) and variant not in (None, model.variant):
        raise InputError(
            f"{file.path}: expected weights of ResNet50(variant={model.variant!r}), got those of "
            f"variant {variant!r} ({naming.label})"
        )
    own = model.state_dict()
    known = {entry: naming.translate(entry) for entry in file.outline}
    names = {entry: name for entry, name in known.items() if name in own}
    unexpected = [e for e in file.outline if e not in names and not naming.ignores(e)]
    absent = [name for name in own if name not in names.values()]
    missing = [name for name in absent if not name.endswith(".num_batches_tracked")]

    def renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        state = {name: tensors[entry] for entry, name in names.items()}
        unfit = [f"{name}: {why}" for name, x in state.items() if (why := _unfit(x, own[name]))]
        kinds = {"missing": missing, "unexpected": unexpected, "misshapen": unfit}
        if problems := [_list(kind, entries) for kind, entries in kinds.items() if entries]:
            raise InputError(
                f"{file.path}: does not fit {type(model).__name__} (read as {naming.label}): "
                + "; ".join(problems)
            )
        return state

    renamed(file.outline)  # before the numbers are read
    state = renamed(file.tensors)
    return state | {name: torch.zeros_like(own[name], device="cpu") for name in absent}


def naming_of(model: nn.Module, file: WeightFile) -> Naming:
    """How a file that `model` is to be loaded from names its entries, as well as they tell."""
    return _best(_namings(model), file)


def variant_of(file: WeightFile) -> str | None:
    """Return the ResNet50 variant that the names in `file` belong to; None if they do not tell."""
    naming = _best([FERPLUS, TORCHVISION], file)
    return naming.variant if _matches(naming, file.outline) else None


def _blocks() -> Iterator[tuple[int, int]]:
    """The stage and the number in it of every block of a ResNet50."""
    yield from ((stage, block) for stage, (_, depth) in enumerate(STAGES) for block in range(depth))


def _ferplus_modules() -> dict[str, str]:
    layers = {"1x1_reduce": "reduce", "3x3": "middle", "1x1_increase": "expand"}
    table = {"conv1_7x7_s2": "stem.conv", "conv1_7x7_s2_bn": "stem.bn"}
    for stage, block in _blocks():
        here = layers | ({"1x1_proj": "project"} if block == 0 else {})
        for theirs, ours in here.items():
            name = f"conv{stage + 2}_{block + 1}_{theirs}"
            table[name] = f"stages.{stage}.{block}.{ours}.conv"
            table[f"{name}_bn"] = f"stages.{stage}.{block}.{ours}.bn"
    return table


def _torchvision_modules() -> dict[str, str]:
    table = {"conv1": "stem.conv", "bn1": "stem.bn"}
    for stage, block in _blocks():
        theirs, ours = f"layer{stage + 1}.{block}", f"stages.{stage}.{block}"
        for number, layer in enumerate(("reduce", "middle", "expand"), start=1):
            table[f"{theirs}.conv{number}"] = f"{ours}.{layer}.conv"
            table[f"{theirs}.bn{number}"] = f"{ours}.{layer}.bn"
        if block == 0:
            table[f"{theirs}.downsample.0"] = f"{ours}.project.conv"
            table[f"{theirs}.downsample.1"] = f"{ours}.project.bn"
    return table


def _published_modules() -> dict[str, str]:
    layers = {0: "conv1", 1: "bn1", 3: "conv2", 4: "bn2"}
    return {
        "mlp.mlp.1": "spatial.fc1",
        "mlp.mlp.2": "spatial.bn1",
        "mlp.mlp.5": "spatial.fc2",
        "mlp.mlp.6": "spatial.bn2",
        **{
            f"phasenet.conv_net.{block}.{number}": f"temporal.blocks.{block}.{layer}"
            for block in range(3)
            for number, layer in layers.items()
        },
        "phasenet.fc.0": "temporal.fc1",
        "phasenet.fc.2": "temporal.bn1",
        "phasenet.fc.4": "temporal.fc2",
        "phasenet.fc.6": "temporal.bn2",
        "transform.0": "fusion.fc",
        "transform.2": "fusion.bn",
        "rnns": "gru",
        "classifier.1": "head.fc",
        "classifier.2": "head.bn",
    }


# `model_weights.pth.tar` of the authors. Its `phasenet.classifier` belongs to a training stage of
# the temporal stream alone; the network never calls it.
PUBLISHED = Naming(
    "the published MIMAMO Net", _published_modules(), ignored=("phasenet.classifier",)
)

# `resnet50_ferplus_dag.pth` and the VGGFace2 ResNet50 it was tuned from. The features are taken
# before the classifier, which is therefore left out (1x1 convolution or linear alike).
FERPLUS = Naming("a FER+ or VGGFace2 ResNet50", _ferplus_modules(), ("classifier",), "ferplus")
TORCHVISION = Naming("a torchvision ResNet50", _torchvision_modules(), ("fc",), "torchvision")


def _namings(model: nn.Module) -> list[Naming]:
    """All the kinds of file that `model` can be loaded from; ours first."""
    if isinstance(model, MIMAMONet):
        return [*_ours(model, NETWORK_PREFIX, BACKBONE_PREFIX), PUBLISHED]
    if isinstance(model, ResNet50):
        return [*_ours(model, BACKBONE_PREFIX, NETWORK_PREFIX), FERPLUS, TORCHVISION]
    if isinstance(model, SmallBackbone | GivenFeatures | OnnxBackbone):
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


def _best(candidates: Sequence[Naming], file: WeightFile) -> Naming:
    """Return the naming that knows the most of the file's entries; the first of equals."""
    return max(candidates, key=lambda naming: _matches(naming, file.outline))


def _matches(naming: Naming, entries: Mapping[str, Tensor]) -> int:
    return sum(naming.translate(entry) is not None for entry in entries)


def _unfit(tensor: Tensor, own: Tensor) -> str | None:
    """Why `tensor` cannot become `own`'s value; None if it can."""
    if tensor.shape != own.shape:
        return f"expected {list(own.shape)}, got {list(tensor.shape)}"
    if tensor.is_floating_point() != own.is_floating_point():
        return f"expected {own.dtype}, got {tensor.dtype}"
    if not tensor.is_meta and not bool(tensor.to(own.dtype).isfinite().all()):
        return "expected finite values, got NaN or infinity"
    return None


def _list(kind: str, entries: Sequence[str]) -> str:
    more = ", …" if len(entries) > _SHOWN else ""
    return f"{len(entries)} {kind} ({', '.join(entries[:_SHOWN])}{more})"


def _safetensors(path: Path) -> TensorFile:
    try:
        return TensorFile.open(path)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(
            f"{path}: expected a safetensors file, got a damaged or different one ({error})"
        ) from error
