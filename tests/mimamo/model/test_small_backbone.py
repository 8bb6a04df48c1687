"""The small backbone: what it sees, and that a checkpoint brings it back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mimamo import InputError, MIMAMOConfig, MIMAMONet, load_checkpoint, save_checkpoint
from mimamo.faces import phase_frames
from mimamo.model import ResNet50, SmallBackbone, load_backbone, save_backbone, weights_hash
from mimamo.model.features import SpatialFeatures


@pytest.fixture
def crops() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 112, 112, 3)).astype(np.uint8)


def test_features_from_faces_and_from_a_caches_frames_are_the_same(crops: np.ndarray) -> None:
    backbone = SmallBackbone().eval()
    frames = torch.from_numpy(phase_frames(crops, 48))
    with torch.no_grad():
        expected = backbone(backbone.prepare(frames))
    torch.testing.assert_close(SpatialFeatures(backbone)(crops), expected, atol=1e-5, rtol=1e-5)


def test_light_hardly_matters(crops: np.ndarray) -> None:
    backbone = SmallBackbone()
    frames = torch.rand(3, 48, 48)
    one, other = (backbone.prepare(light * frames + 0.1) for light in (0.4, 0.8))
    assert (one - other).norm() / one.norm() < 0.1


def test_a_flat_face_is_finite() -> None:
    assert SmallBackbone().prepare(torch.zeros(1, 48, 48)).isfinite().all()


def test_a_checkpoint_brings_it_back(tmp_path: Path, crops: np.ndarray) -> None:
    network = MIMAMONet(MIMAMOConfig(feature_dim=SmallBackbone.feature_dim))
    backbone = SmallBackbone().eval()
    save_checkpoint(tmp_path / "c.safetensors", network, backbone)
    loaded = load_checkpoint(tmp_path / "c.safetensors").backbone
    assert isinstance(loaded, SmallBackbone)
    assert weights_hash(loaded) == weights_hash(backbone)


@pytest.mark.parametrize("make", [SmallBackbone, lambda: ResNet50(image_size=32, seed=0)])
@pytest.mark.slow
def test_a_backbone_alone_is_saved_and_loaded(tmp_path: Path, make) -> None:
    backbone = make()
    save_backbone(tmp_path / "b.safetensors", backbone)
    loaded = load_backbone(tmp_path / "b.safetensors")
    assert type(loaded) is type(backbone)
    assert loaded.settings == backbone.settings
    assert weights_hash(loaded) == weights_hash(backbone)
    with torch.no_grad():
        next(loaded.parameters()).add_(1e-6)
    assert weights_hash(loaded) != weights_hash(backbone)


@pytest.mark.parametrize("settings", [{"image_size": 16}, {"image_size": "48"}, {"kind": "large"}])
def test_settings_that_cannot_be(settings: dict) -> None:
    with pytest.raises(InputError, match="expected"):
        SmallBackbone(**settings)
