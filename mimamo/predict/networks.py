"""Several networks that predict together: what each is given, and the mean of what they give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from mimamo.device import move
from mimamo.errors import InputError
from mimamo.model.checkpoint import Checkpoint, Extractor
from mimamo.model.config import OUTPUTS
from mimamo.model.features import SpatialFeatures
from mimamo.model.given_features import GivenFeatures
from mimamo.model.network import MIMAMONet
from mimamo.predict.clips import Cut, clips_at_once
from mimamo.progress import counted


@dataclass(frozen=True, eq=False)
class Member:
    """One of the networks, ready on its device.

    Attributes:
        network: in evaluation mode where it predicts.
        columns: of the features that are its own.
        clip_length: frames of its clips.
    """

    network: MIMAMONet
    columns: slice = field(default_factory=lambda: slice(None))
    clip_length: int = 64


class JointFeatures:
    """The features of all backbones side by side, each backbone's computed once.

    Args:
        backbones: each may be there several times, as the same object.
        device, batch_size, dtype: as for `SpatialFeatures`.
    """

    def __init__(
        self,
        backbones: Sequence[Extractor],
        device: torch.device | str = "cpu",
        batch_size: int | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._parts: list[SpatialFeatures] = []
        #: Of each of the `backbones`, where its features are.
        self.columns: list[slice] = []
        end, known = 0, dict[int, slice]()
        for backbone in backbones:
            if id(backbone) not in known:
                self._parts.append(SpatialFeatures(backbone, device, batch_size, dtype, device))
                known[id(backbone)] = slice(end, end + backbone.feature_dim)
                end += backbone.feature_dim
            self.columns.append(known[id(backbone)])

    @property
    def notes(self) -> list[str]:
        """What is to be told of where they run."""
        return [part.note for part in self._parts if part.note]

    @property
    def batch_size(self) -> int:
        """Faces per pass."""
        return self._parts[0].batch_size

    def __call__(self, crops: Tensor | np.ndarray) -> Tensor:
        """Features ``[N, D]`` of faces, D of all backbones together, on their device."""
        return torch.cat([part(crops) for part in self._parts], dim=1)


def several(checkpoints: Checkpoint | Sequence[Checkpoint]) -> list[Checkpoint]:
    """One or several, as a list."""
    return [checkpoints] if isinstance(checkpoints, Checkpoint) else list(checkpoints)


def joined(
    checkpoints: Checkpoint | Sequence[Checkpoint],
    device: torch.device | str = "cpu",
    batch_size: int | None = None,
    dtype: torch.dtype = torch.float32,
) -> tuple[JointFeatures, list[Member]]:
    """What checkpoints, at least one, need to predict together; arguments as for `JointFeatures`.

    Raises InputError if a backbone is not the one its network is for, or computes nothing, or if
    they see grey faces of different sizes.
    """
    members = several(checkpoints)
    first = members[0]
    backbones: list[Extractor] = []
    for own in members:
        if isinstance(own.backbone, GivenFeatures):
            raise InputError(
                f"{own.path}: these weights take features of {own.backbone.label}, which are not "
                "computed from pictures"
            )
        backbones.append(own.backbone)
        wanted, given = own.network.config.feature_dim, own.backbone.feature_dim
        if wanted != given:
            raise InputError(
                f"{own.path}: its network is for {counted(wanted, 'spatial feature')}, but its "
                f"backbone gives {given}"
            )
        size, expected = (x.network.config.phase_size for x in (own, first))
        if size != expected:
            raise InputError(
                f"{own.path}: expected a network that sees grey faces of {expected} pixels, as "
                f"{first.path} does, got one of {size}"
            )
    features = JointFeatures(backbones, device, batch_size, dtype)
    return features, [
        Member(move(own.network, device), columns, own.clip_length)
        for own, columns in zip(members, features.columns, strict=True)
    ]


def checked_cut(cut: Cut, checkpoints: Sequence[Checkpoint]) -> None:
    """InputError if a network cannot run over what is cut so."""
    for own in checkpoints:
        try:
            cut.of(own.clip_length)
        except InputError as error:
            raise InputError(f"{own.path}: {error}") from error
        if cut.whole and clips_at_once(own.network) > 1:
            raise InputError(
                f"{own.path}: whole: expected a network whose GRU runs over frames, got one whose "
                "GRU runs over clips, of which there is one then"
            )


def averaged(networks: Sequence[MIMAMONet], predictions: Sequence[np.ndarray]) -> np.ndarray:
    """The mean of what networks predict: float64 of the shape of each.

    Args:
        networks: that valence and arousal both come from.
        predictions: of each ``[..., 2]``; what it does not give is not looked at.
    """
    gives = np.array([[name in own.config.outputs for name in OUTPUTS] for own in networks])
    parts = (np.where(mask, values, 0.0) for mask, values in zip(gives, predictions, strict=True))
    total: np.ndarray = sum(parts, np.zeros(2))
    return total / gives.sum(axis=0)
