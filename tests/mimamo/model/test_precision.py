"""Which precision is chosen, and what folding and bfloat16 do to features."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage import data

from mimamo import InputError, ResNet50
from mimamo.device import choose_precision
from mimamo.model.features import SpatialFeatures, fold_batch_norm
from phasenet.parity import relative_error


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    """Pieces of a photograph, all different."""
    photograph, rng = data.astronaut(), np.random.default_rng(0)
    corners = rng.integers(0, 400, (16, 2))
    return np.stack([photograph[y : y + 112, x : x + 112] for y, x in corners])


@pytest.fixture(scope="module", params=["ferplus", "torchvision"])
def backbone(request, crops) -> ResNet50:
    """Random weights and calibrated statistics, far from those that change nothing."""
    model = ResNet50(request.param, image_size=64, seed=0)
    model.calibrate(torch.from_numpy(crops))
    generator = torch.Generator().manual_seed(1)
    for name, value in model.named_parameters():
        if name.endswith("bn.bias"):
            torch.nn.init.normal_(value, std=0.1, generator=generator)
    return model.eval()


class TestChoice:
    @pytest.mark.parametrize(
        ("capabilities", "chosen"),
        [
            ({"avx512_bf16": True, "amx_bf16": False}, torch.bfloat16),
            ({"avx512_bf16": False, "amx_bf16": True}, torch.bfloat16),
            ({"avx512_bf16": False, "avx512_f": True}, torch.float32),
            ({}, torch.float32),
        ],
    )
    def test_auto_is_what_the_cpu_has(self, monkeypatch, capabilities, chosen):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
        assert choose_precision("auto") == chosen
        assert choose_precision("float32") == torch.float32
        assert choose_precision("bfloat16") == torch.bfloat16

    def test_auto_is_float32_where_torch_cannot_tell(self, monkeypatch):
        monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
        assert choose_precision("auto") == torch.float32

    def test_auto_is_float32_on_a_gpu(self):
        assert choose_precision("auto", "cuda") == torch.float32

    def test_others_are_refused(self, monkeypatch):
        with pytest.raises(InputError, match="precision: expected auto, float32 or bfloat16"):
            choose_precision("float16")
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
        with pytest.raises(InputError, match="bfloat16 asked for, but this GPU has none"):
            choose_precision("bfloat16", "cuda")


class TestFolding:
    def test_changes_nothing_but_rounding(self, backbone, crops):
        images = backbone.preprocess(torch.from_numpy(crops)).double()
        with torch.inference_mode():
            expected = backbone.double()(images)
            got = fold_batch_norm(backbone)(images)
        backbone.float()
        assert relative_error(got, expected) < 1e-12

    def test_leaves_the_backbone_alone(self, backbone):
        before = {name: value.clone() for name, value in backbone.state_dict().items()}
        folded = fold_batch_norm(backbone.train())
        assert backbone.training
        assert not folded.training
        after = backbone.eval().state_dict()
        assert list(after) == list(before)
        assert all(torch.equal(after[name], before[name]) for name in before)
        assert not any("bn" in name for name in folded.state_dict())


class TestBfloat16:
    def test_features_are_those_in_float32_but_for_rounding(self, backbone, crops):
        expected = SpatialFeatures(backbone)(crops)
        got = SpatialFeatures(backbone, dtype=torch.bfloat16)(crops)
        assert got.dtype == torch.float32
        assert torch.cosine_similarity(got, expected).min() > 0.999
        # A mean that all features share makes a cosine easy: it must hold without it, too.
        mean = expected.mean(dim=0)
        assert torch.cosine_similarity(got - mean, expected - mean).min() > 0.99
        assert not torch.equal(got, expected)

    @pytest.mark.parametrize(
        "batch_size", [1, *(pytest.param(size, marks=pytest.mark.slow) for size in (3, 16))]
    )
    def test_features_do_not_depend_on_the_batch(self, backbone, crops, batch_size):
        expected = SpatialFeatures(backbone, dtype=torch.bfloat16)(crops)
        spatial = SpatialFeatures(backbone, batch_size=batch_size, dtype=torch.bfloat16)
        assert relative_error(spatial(crops), expected) < 1e-2
