from __future__ import annotations

import numpy as np
import pytest
import torch

import phasenet
from mimamo import MIMAMOConfig
from mimamo.faces import phase_frames
from mimamo.model.features import phase_windows


def lanczos(source: int, target: int) -> np.ndarray:
    """The matrix of an antialiased Lanczos-3 resize, float64 ``[target, source]``."""
    scale = source / target
    centres = (np.arange(target) + 0.5) * scale
    x = (np.arange(source) + 0.5 - centres[:, None]) / scale
    weights = np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)
    return weights / weights.sum(axis=1, keepdims=True)


class TestPhaseFrames:
    @pytest.mark.parametrize("size", [48, 32])
    def test_are_luma_resized_by_lanczos(self, size):
        rng = np.random.default_rng(0)
        crops = rng.integers(0, 256, (3, 112, 112, 3), dtype=np.uint8)
        luma = crops @ np.array([0.299, 0.587, 0.114])
        matrix = lanczos(112, size)
        expected = (matrix @ luma @ matrix.T).clip(0, 255)
        frames = phase_frames(crops, size)
        assert frames.shape == (3, size, size)
        assert frames.dtype == np.uint8
        # Pillow rounds to whole grey levels three times: luma and each axis.
        assert np.abs(frames - expected).max() < 2.5
        assert np.abs(frames - expected).mean() < 0.6

    def test_texture_too_fine_vanishes(self):
        stripes = np.zeros((1, 112, 112, 3), np.uint8)
        stripes[:, :, ::2] = 255  # without antialiasing it would come out as coarse stripes
        frames = phase_frames(stripes)[0, :, 4:-4].astype(float)
        assert abs(frames.mean() - 127.5) < 3
        assert np.ptp(frames) < 12

    def test_channels_are_rgb(self):
        crops = np.zeros((3, 112, 112, 3), np.uint8)
        for channel in range(3):
            crops[channel, ..., channel] = 255
        np.testing.assert_array_equal(phase_frames(crops)[:, 24, 24], [76, 150, 29])

    def test_no_crops_give_no_frames(self):
        assert phase_frames(np.zeros((0, 112, 112, 3), np.uint8)).shape == (0, 48, 48)

    @pytest.mark.parametrize(
        "crops",
        [np.zeros((1, 112, 112, 3)), np.zeros((112, 112, 3), np.uint8)],
        ids=["float", "one image"],
    )
    def test_other_input_is_refused(self, crops):
        with pytest.raises(ValueError, match=r"crops: expected uint8 \[N, H, W, 3\], got"):
            phase_frames(crops)


class TestPhaseWindows:
    @pytest.fixture
    def frames(self) -> torch.Tensor:
        rng = np.random.default_rng(0)
        return torch.from_numpy(rng.integers(0, 256, (2, 9, 16, 16), dtype=np.uint8))

    def test_use_the_configured_settings(self, frames):
        config = MIMAMOConfig(
            num_phase=4, phase_size=16, height=5, nbands=3, levels=(1, 2), unwrap="full"
        )
        settings = {"height": 5, "nbands": 3, "levels": (1, 2), "unwrap": "full"}
        for context, boundary in {True: "valid", False: "replicate"}.items():
            expected = phasenet.phase_difference_windows(frames, 4, boundary=boundary, **settings)
            actual = phase_windows(frames, config, context)
            assert [list(x.shape[2:]) for x in actual] == [[12, 16, 16], [12, 8, 8]]
            for a, b in zip(actual, expected, strict=True):
                assert torch.equal(a, b)

    def test_defaults_are_the_published_ones(self, frames):
        actual = phase_windows(frames, MIMAMOConfig(), context=False)
        expected = phasenet.phase_difference_windows(frames, 12, unwrap="published")
        assert all(torch.equal(a, b) for a, b in zip(actual, expected, strict=True))
