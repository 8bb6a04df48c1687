"""Frames of cameras and libraries: arrays, more bits, colours, and the noise that rounding adds."""

from __future__ import annotations

import warnings
from functools import partial

import numpy as np
import pytest
import torch
from support.textures import moving_texture

from phasenet import local_motion, magnify_motion, vibration

SHIFT = (0.1, 0.25)  # down, to the right
MARGIN = 16
BAND = {"fps": 30, "low": 1, "high": 4}


def error_of(motion: torch.Tensor) -> float:
    """Root mean square of what is wrong about a motion, in pixels, away from the borders."""
    expected = torch.tensor([SHIFT[1], SHIFT[0]], dtype=torch.float64)[:, None, None]
    inside = motion[..., MARGIN:-MARGIN, MARGIN:-MARGIN].double()
    return float((inside - expected).square().sum(-3).mean().sqrt())


@pytest.fixture(scope="module")
def frames() -> torch.Tensor:
    """Of which 30 grey levels are the standard deviation, float64 in [0, 1]."""
    moving = moving_texture(3, (72, 81), SHIFT, seed=5)
    return (0.5 + (moving - moving.mean()) * 0.12 / moving.std()).clamp(0, 1)


class TestNoise:
    @pytest.mark.parametrize("scale", [1000.0, 1.0, 4e-3, 1e-3, 1e-4])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_exact_frames_of_low_contrast_move_as_far(self, frames, scale, dtype) -> None:
        """Once taken for frames rounded to 8 bits: at a scale of 0.001 half the motion was left."""
        motion, weight = local_motion(scale * frames.to(dtype), return_weight=True)
        assert error_of(motion) < 0.02 * np.hypot(*SHIFT)
        # At the least scale the last digits of float32 are noise that counts.
        assert float(weight[..., MARGIN:-MARGIN, MARGIN:-MARGIN].median()) > 0.8

    def test_what_is_told_is_what_bytes_have(self, frames) -> None:
        rounded = (255 * frames).round()
        told = local_motion(rounded / 255, noise=1 / (255 * 12**0.5), return_weight=True)
        for found, of_bytes in zip(
            told, local_motion(rounded.byte(), return_weight=True), strict=True
        ):
            torch.testing.assert_close(found, of_bytes.double(), rtol=1e-3, atol=1e-4)

    @pytest.mark.parametrize("noise", [0, 0.0, None, 0.1])
    def test_nothing_has_no_weight_and_no_motion(self, noise) -> None:
        for frames in (torch.zeros(2, 40, 40), torch.full((2, 40, 40), 0.7)):
            motion, weight = local_motion(frames, noise=noise, return_weight=True)
            assert torch.equal(motion, torch.zeros_like(motion))
            assert float(weight.max()) < 1e-3

    def test_more_of_it_draws_to_zero(self, frames) -> None:
        lengths = [float(local_motion(frames, noise=x).norm()) for x in (0.0, 0.01, 0.05, 1.0)]
        assert lengths == sorted(lengths, reverse=True)
        assert lengths[-1] < 0.1 * lengths[0]

    @pytest.mark.parametrize(
        ("noise", "error", "words"),
        [
            ("x", TypeError, "noise: expected a number, got str"),
            (True, TypeError, "noise: expected a number, got bool"),
            (-1, ValueError, "noise: expected a finite number of at least 0, got -1"),
            (float("nan"), ValueError, "noise: expected a finite number of at least 0, got nan"),
            (2, ValueError, "noise: expected at most 1, the full scale, got 2.0"),
        ],
    )
    def test_others_are_refused(self, frames, noise, error, words) -> None:
        with pytest.raises(error, match=words):
            local_motion(frames, noise=noise)


class TestScale:
    @pytest.mark.parametrize("dtype", [np.uint16, np.int16])
    @pytest.mark.parametrize("full_scale", [None, 4095.0])
    def test_cameras_of_more_bits(self, frames, dtype, full_scale) -> None:
        greatest = full_scale or float(np.iinfo(dtype).max)
        taken = (greatest * frames.numpy()).round().astype(dtype)
        for given in (taken, torch.from_numpy(taken)):
            motion = local_motion(given, full_scale=full_scale)
            assert motion.dtype == torch.float32
            assert error_of(motion) < 0.02 * np.hypot(*SHIFT)

    def test_the_noise_is_that_of_the_steps(self, frames) -> None:
        """256 steps are as coarse in 16 bits as in 8."""
        steps = (255 * frames).round()
        of_bytes = local_motion(steps.byte(), return_weight=True)
        in_words = local_motion(steps.to(torch.int16), full_scale=255, return_weight=True)
        for found, expected in zip(in_words, of_bytes, strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("layout", ["read-only", "strided", "float", "other bytes first"])
    def test_arrays(self, frames, layout) -> None:
        array = (255 * frames.numpy()).round().astype(np.uint8)
        expected = local_motion(torch.from_numpy(array))
        if layout == "read-only":
            array.setflags(write=False)
        elif layout == "strided":
            array = np.asfortranarray(array)
        elif layout == "other bytes first":  # as PGM and FITS have them
            array = (257 * array.astype(np.uint16)).astype(">u2")
            expected = local_motion(torch.from_numpy(array.astype(np.uint16)))
        else:
            array, expected = frames.numpy(), local_motion(frames)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            torch.testing.assert_close(local_motion(array), expected, rtol=0, atol=0)

    @pytest.mark.parametrize(
        ("value", "error", "words"),
        [
            (0, ValueError, "full_scale: expected a finite number above 0, got 0"),
            ("12", TypeError, "full_scale: expected a number, got str"),
        ],
    )
    def test_no_scale(self, frames, value, error, words) -> None:
        with pytest.raises(error, match=words):
            local_motion(frames, full_scale=value)

    @pytest.mark.parametrize("array", [np.zeros((2, 40, 40), np.int64), np.array(["a", "b"])])
    def test_other_arrays_are_refused(self, array) -> None:
        with pytest.raises(TypeError, match="frames: expected"):
            local_motion(array)


class TestColours:
    def test_their_luma_moves(self, frames) -> None:
        tint = torch.tensor([0.9, 0.6, 1.0], dtype=torch.float64)[:, None, None]
        colours = frames[:, None] * tint
        motion = local_motion(colours, color=True)
        assert motion.shape == (2, 2, 72, 81)
        assert error_of(motion) < 0.02 * np.hypot(*SHIFT)
        of_bytes = local_motion((255 * colours).round().byte(), color=True)
        assert error_of(of_bytes) < 0.01

    @pytest.mark.parametrize(
        "measure",
        [local_motion, partial(vibration, fps=30), partial(magnify_motion, factor=2, **BAND)],
        ids=["local_motion", "vibration", "magnify_motion"],
    )
    def test_colours_that_are_taken_for_time_are_said(self, frames, measure) -> None:
        with pytest.warns(
            UserWarning, match=r"frames: \[2, 3, 72, 81\] is taken .* color=True"
        ) as w:
            measure(frames.expand(2, 3, 72, 81))
        assert w[0].filename == __file__

    @pytest.mark.parametrize("color", [None, 1, "rgb"])
    def test_yes_or_no(self, frames, color) -> None:
        with pytest.raises(TypeError, match="color: expected True or False, got"):
            local_motion(frames, color=color)

    @pytest.mark.parametrize("shape", [(2, 40, 40), (2, 4, 40, 40), (40, 40)])
    def test_what_has_none_is_refused(self, shape) -> None:
        with pytest.raises(ValueError, match=r"frames: expected shape \[\.\.\., T, 3, H, W\]"):
            local_motion(torch.rand(shape), color=True)
