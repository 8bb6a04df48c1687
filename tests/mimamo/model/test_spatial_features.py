from __future__ import annotations

import numpy as np
import pytest
import torch

from mimamo import ResNet50
from mimamo.model.features import SpatialFeatures
from phasenet.parity import relative_error


@pytest.fixture(scope="module")
def backbone() -> ResNet50:
    return ResNet50("ferplus", image_size=64, seed=0)


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (7, 112, 112, 3), dtype=np.uint8)


def test_are_the_backbones(backbone, crops):
    features = SpatialFeatures(backbone)(crops)
    with torch.inference_mode():
        expected = backbone.eval()(backbone.preprocess(torch.from_numpy(crops)))
    assert features.shape == (7, 2048)
    assert features.dtype == torch.float32
    assert relative_error(features, expected) < 1e-5


@pytest.mark.parametrize(
    "batch_size", [1, *(pytest.param(size, marks=pytest.mark.slow) for size in (3, 7, 100))]
)
def test_do_not_depend_on_the_batch(backbone, crops, batch_size):
    batched = SpatialFeatures(backbone, batch_size=batch_size)(crops)
    alone = torch.cat([SpatialFeatures(backbone)(crop[None]) for crop in crops])
    assert relative_error(batched, alone) < 1e-5


def test_arrays_and_tensors_are_alike(backbone, crops):
    spatial = SpatialFeatures(backbone)
    assert torch.equal(spatial(crops), spatial(torch.from_numpy(crops)))


def test_no_crops_give_no_features(backbone, crops):
    assert SpatialFeatures(backbone)(crops[:0]).shape == (0, 2048)


def test_stay_in_evaluation_mode(backbone, crops):
    statistics = backbone.stem.bn.running_mean.clone()
    spatial = SpatialFeatures(backbone)
    torch.nn.Sequential(spatial).train()
    spatial(crops)
    assert not any(module.training for module in spatial.modules())
    assert torch.equal(backbone.stem.bn.running_mean, statistics)


def test_can_be_trained_on(backbone, crops):
    features = SpatialFeatures(backbone)(crops[:2])
    layer = torch.nn.Linear(2048, 1)
    layer(features).sum().backward()  # an inference tensor would raise here
    torch.testing.assert_close(layer.weight.grad[0], features.sum(0))


def test_other_input_is_refused(backbone, crops):
    with pytest.raises(ValueError, match=r"crops: expected uint8 \[N, H, W, 3\]"):
        SpatialFeatures(backbone)(crops.astype(np.float32))
    with pytest.raises(ValueError, match="batch_size: expected at least 1, got 0"):
        SpatialFeatures(backbone, batch_size=0)
