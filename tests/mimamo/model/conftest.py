"""Networks and backbones shared by the tests of the networks."""

from __future__ import annotations

import pytest
from support.networks import TINY, scramble

from mimamo.model import MIMAMOConfig, ResNet50


@pytest.fixture
def tiny_config() -> MIMAMOConfig:
    return TINY


@pytest.fixture(scope="session")
def backbones() -> dict[str, ResNet50]:
    """Both variants of ResNet50 with every entry random; tests must not change them."""
    return {
        variant: scramble(ResNet50(variant, image_size=64, seed=number), seed=number).eval()
        for number, variant in enumerate(("ferplus", "torchvision"))
    }
