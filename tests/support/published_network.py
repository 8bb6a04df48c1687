"""The published network, with weights made by formula, and what it gives of an input."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

GOLDEN = Path(__file__).parents[1] / "golden"


def formula(count: int, seed: int) -> np.ndarray:
    """Numbers in [-1, 1) that any language can repeat, float64 ``[count]``."""
    index = np.arange(count) % 1000003
    return 2 * np.mod(np.sin(12.9898 * index + 78.233 * seed) * 43758.5453, 1.0) - 1


@dataclass(frozen=True)
class PublishedNetwork:
    """The published network: its weights under its own names, an input, and what it gives."""

    state_dict: dict[str, torch.Tensor]
    features: torch.Tensor
    phases: tuple[torch.Tensor, torch.Tensor]
    output: np.ndarray
    spatial: np.ndarray
    temporal: np.ndarray


def published_tensor(number: int, name: str, shape: list[int]) -> torch.Tensor:
    count = math.prod(shape)
    index = np.arange(count)
    if name.endswith("num_batches_tracked"):
        return torch.tensor(0)
    if name.endswith("running_var"):
        values = 1 + 0.5 * np.sin(0.11 * number + 0.37 * index) ** 2
    elif name.endswith(".weight") and len(shape) == 1:  # only BatchNorm has such
        values = 1 + 0.1 * np.cos(0.11 * number + 0.37 * index)
    else:
        scale = 1.7 / math.sqrt(math.prod(shape[1:])) if len(shape) > 1 else 0.05
        values = scale * formula(count, number + 1)
    return torch.from_numpy(values).reshape(shape).float()


def published_network() -> PublishedNetwork:
    shapes = json.loads((GOLDEN / "mimamo_network.json").read_text())["state_dict"]
    with np.load(GOLDEN / "mimamo_network.npz") as results:
        output, spatial, temporal = (results[k] for k in ("output", "spatial", "temporal"))

    def tensor(seed: int, *shape: int) -> torch.Tensor:
        return torch.from_numpy(formula(math.prod(shape), seed)).reshape(shape)

    return PublishedNetwork(
        state_dict={
            name: published_tensor(number, name, shape)
            for number, (name, shape) in enumerate(shapes.items())
        },
        features=tensor(101, 2, 6, 2048).abs(),
        phases=(tensor(102, 2, 6, 24, 48, 48), tensor(103, 2, 6, 24, 24, 24)),
        output=output,
        spatial=spatial,
        temporal=temporal,
    )
