"""Randomness without state: every draw has a seed of its own, so training can resume anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

# What a seed is for, so that no two purposes share one.
AUGMENTATION, DROPOUT = 1, 2


def derived(seed: int, *keys: int) -> int:
    """A seed for one purpose and place in training, unlike that of any other."""
    return int(np.random.SeedSequence([seed, *keys]).generate_state(1, np.uint64)[0] >> 1)


def generator(seed: int, *keys: int) -> torch.Generator:
    """A generator on the CPU with a `derived` seed."""
    return torch.Generator().manual_seed(derived(seed, *keys))


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's global generators, and leave them afterwards as they were."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
