"""The settings of a training run; the defaults are the published code's recipe.

`STRONG` has those of another recipe, each of which can be set by itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mimamo.data.folds import parse_fold
from mimamo.errors import InputError
from mimamo.files import is_path, read_toml, write_text
from mimamo.model.config import MOST_CLIP, OUTPUTS, MIMAMOConfig
from mimamo.settings import Settings, bad, is_real, is_whole

SPATIAL = ("cached", "small", "finetune")
PRECISIONS = ("float32", "bfloat16")
OPTIMIZERS = ("sgd", "adamw")
SCHEDULES = ("steps", "cosine")
RECIPES = ("published", "strong")


@dataclass(frozen=True)
class TrainingConfig(Settings):
    """Settings of :func:`mimamo.train.train`.

    The phase transform belongs to the network, so its choices, ``unwrap`` among them, are in
    `network`. Another recipe than the published code's is ``TrainingConfig().with_recipe(…)``.
    Raises InputError, naming the setting, if one has the wrong type or an impossible value.
    """

    epochs: int = 25
    patience: int = 5  # training stops after so many epochs without a better validation CCC
    seed: int = 0  # of weights, shuffling, augmentation and dropout

    # Clips.
    clip_length: int = 64  # frames
    stride: int = 32  # frames from one training clip to the next
    batch_size: int = 16  # clips
    mixed_stride: bool = False  # move each clip by up to half a stride, elsewhere in each epoch

    # The loss: over the frames of so many batches, the one of a step and, as they were predicted
    # then, those before it.
    pool: int = 1

    # Gradient descent: "sgd", stochastic with momentum, or "adamw".
    optimizer: str = "sgd"
    learning_rate: float = 1e-3
    momentum: float = 0.9  # of AdamW the decay of the gradient's mean
    weight_decay: float = 5e-4  # in each step; AdamW's is times the learning rate, of matrices only
    clip_gradient: float = 0.0  # the norm down to which a longer gradient is scaled; 0 for none

    # The learning rate: "steps" drops it after epochs, "cosine" lets it fall to 0 at the last one.
    schedule: str = "steps"
    warmup: float = 0.0  # epochs in which it rises from 0 along a straight line
    milestones: tuple[int, ...] = (10, 20)  # epochs after which it drops
    decay: float = 0.1  # factor by which it drops

    # Decay of an exponential moving average of the weights, by which a run is validated, and which
    # its checkpoints hold; 0 for none.
    ema: float = 0.0

    # Augmentation of a clip's grey frames.
    flip: float = 0.5  # probability of mirroring
    crop: float = 0.85  # side of the cropped window, a fraction of the image's

    # Where the spatial stream's input comes from: "cached" features; a "small" backbone, or the
    # cache's ResNet50 ("finetune"), trained with the network.
    spatial: str = "cached"
    backbone_rate: float = 0.1  # learning rate of a ResNet50 in training, times that of the rest

    precision: str = "float32"  # or "bfloat16" for the networks; phases and loss stay as they are
    fold: str = ""  # "i/k": validate on the i-th of k folds of all annotated videos

    init: str = ""  # weights to begin with, see `mimamo.load_checkpoint`; "" for random ones
    init_outputs: str = ""  # "arousal,valence" or the reverse, where they do not tell it

    network: MIMAMOConfig = field(default_factory=MIMAMOConfig)

    def __post_init__(self) -> None:
        for name, (valid, expected) in _CHECKS.items():
            if not valid(getattr(self, name)):
                raise bad(name, expected, getattr(self, name))
        if self.network.outputs != OUTPUTS:
            raise bad("network.outputs", "both, which the loss is of", self.network.outputs)
        if self.optimizer == "adamw" and self.momentum == 1:
            raise bad("momentum", "a number below 1 with adamw", self.momentum)
        if self.stride > self.clip_length:
            # Frames between two clips would never be trained on.
            raise bad("stride", f"at most clip_length, {self.clip_length}", self.stride)

    def with_clips(self, length: int) -> TrainingConfig:
        """The same with clips of another length, of which a batch holds as many frames as before.

        So a step needs the memory that it did, where a clip is no longer than a batch. Clips
        overlap by the same share. Of fewer, longer clips the loss sees fewer videos at once.
        """
        if not _CHECKS["clip_length"][0](length):
            raise bad("clip_length", _CHECKS["clip_length"][1], length)
        return replace(
            self,
            clip_length=length,
            stride=max(1, self.stride * length // self.clip_length),
            batch_size=max(1, self.batch_size * self.clip_length // length),
        )

    def with_recipe(self, name: str) -> TrainingConfig:
        """The same with the settings of a recipe, "published" or "strong", in what they differ."""
        if name not in RECIPES:
            raise bad("recipe", _one_of(RECIPES)[1], name)
        chosen, published = STRONG, TrainingConfig()
        if name == "published":
            chosen = {setting: getattr(published, setting) for setting in STRONG}
        dropout = FEATURE_DROPOUT if name == "strong" else published.network.feature_dropout
        network = replace(self.network, feature_dropout=dropout)
        return replace(self, network=network, **chosen)

    @property
    def recipe(self) -> str:
        """The recipe that most settings are of, of those in which the two differ."""
        nearer = sum(
            (getattr(self, name) == strong) - (getattr(self, name) == getattr(TrainingConfig, name))
            for name, strong in STRONG.items()
        )
        return "strong" if nearer > 0 else "published"

    def to_dict(self) -> dict[str, Any]:
        """As `Settings.to_dict`, with the name of the `recipe`, for who reads it."""
        return {"recipe": self.recipe, **super().to_dict()}

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> TrainingConfig:
        """As `Settings.from_dict`, `network` being a mapping as well.

        What is not there is as in the recipe that ``recipe`` names.
        """
        if not isinstance(settings, Mapping):
            return super().from_dict(settings)
        base = cls().with_recipe(settings.get("recipe", "published"))
        network = settings.get("network", {})
        if isinstance(network, Mapping):
            network = {**base.network.to_dict(), **network}
        given = {**base.to_dict(), **settings, "network": MIMAMOConfig.from_dict(network)}
        del given["recipe"]
        return super().from_dict(given)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the settings as TOML. Raises InputError if `path` cannot be written to."""
        import tomli_w  # here, so that reading and training need no package for writing

        write_text(path, tomli_w.dumps(self.to_dict()))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TrainingConfig:
        """Read settings from a TOML file; what is not in it is default.

        Raises InputError, naming the file, if it cannot be read or holds something else.
        """
        content = read_toml(path)
        try:
            return cls.from_dict(content)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error


# In what the strong recipe differs; the feature dropout is the network's.
STRONG: Mapping[str, Any] = {
    "patience": 25,
    "mixed_stride": True,
    "pool": 2,
    "optimizer": "adamw", "learning_rate": 1e-3, "weight_decay": 0.01, "clip_gradient": 1.0,
    "schedule": "cosine", "warmup": 1.0,
    "ema": 0.999,
}  # fmt: skip
FEATURE_DROPOUT = 0.1


def _is_fold(value: object) -> bool:
    try:
        return value == "" or (isinstance(value, str) and bool(parse_fold(value)))
    except InputError:
        return False


HIGHEST_COUNT = 1_000_000  # of epochs, clips and so on


def _whole(lowest: int, highest: int = HIGHEST_COUNT) -> tuple[Callable[[Any], bool], str]:
    expected = f"a whole number from {lowest} to {highest}"
    return lambda value: is_whole(value, lowest, highest), expected


_COUNT = _whole(1)
_FRACTION = (lambda value: is_real(value) and 0 < value <= 1, "a number above 0 and up to 1")
_PROBABILITY = (lambda value: is_real(value) and 0 <= value <= 1, "a number from 0 to 1")
_SIZE = (lambda value: is_real(value, 0, 1e38), "a number from 0 to 1e38")


def _one_of(names: tuple[str, ...]) -> tuple[Callable[[Any], bool], str]:
    return lambda value: value in names, ", ".join(map(repr, names))


_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "epochs": _COUNT,
    "patience": _COUNT,
    "seed": _whole(0, 2**63 - 1),
    # BatchNorm cannot train on a batch of one frame.
    "clip_length": _whole(2, MOST_CLIP),
    "stride": _COUNT,
    "batch_size": _COUNT,
    "mixed_stride": (lambda value: isinstance(value, bool), "true or false"),
    "pool": _whole(1, 1000),
    "optimizer": _one_of(OPTIMIZERS),
    "learning_rate": (
        lambda value: is_real(value, 0, 1e38) and value > 0,
        "a number above 0 and up to 1e38",
    ),
    "momentum": _PROBABILITY,
    "weight_decay": _SIZE,
    "clip_gradient": _SIZE,
    "schedule": _one_of(SCHEDULES),
    "warmup": (lambda value: is_real(value, 0, HIGHEST_COUNT), f"0 to {HIGHEST_COUNT} epochs"),
    "milestones": (
        lambda value: isinstance(value, tuple) and all(map(_COUNT[0], value)),
        f"a list of {_COUNT[1].replace('number', 'numbers')[2:]}",
    ),
    "decay": _FRACTION,
    "ema": (lambda value: is_real(value) and 0 <= value < 1, "a number from 0 to below 1"),
    "flip": _PROBABILITY,
    "crop": _FRACTION,
    "spatial": _one_of(SPATIAL),
    "backbone_rate": _FRACTION,
    "precision": _one_of(PRECISIONS),
    "fold": (_is_fold, "'i/k' with i from 1 to k, or ''"),
    "init": (lambda value: isinstance(value, str) and is_path(value), "a path, or ''"),
    "init_outputs": (
        lambda value: value in ("", ",".join(OUTPUTS), ",".join(reversed(OUTPUTS))),
        "'valence,arousal', 'arousal,valence' or ''",
    ),
    "network": (lambda value: isinstance(value, MIMAMOConfig), "a MIMAMOConfig"),
}
