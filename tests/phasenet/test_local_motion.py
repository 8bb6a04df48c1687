"""Motion in pixels against known sub-pixel shifts, and the denoised phase it goes with."""

from __future__ import annotations

import math

import pytest
import torch
from support.textures import moving_texture
from torch.autograd import gradcheck

from phasenet import (
    denoised_phase,
    local_motion,
    motion_equations,
    phase_difference,
    reference,
    runs,
)
from phasenet.denoised_phase import mirrored_bands

BYTES = {0.0: 0.0035, 1.0: 0.006, 2.0: 0.025}  # pixels that rounding to 8 bits adds
MARGIN = 16  # pixels whose window reaches the mirrored border


def inside(motion: torch.Tensor) -> torch.Tensor:
    return motion[..., MARGIN:-MARGIN, MARGIN:-MARGIN]


@pytest.mark.parametrize("size", [(96, 96), (75, 101)])
@pytest.mark.parametrize(
    "shift", [(0.0, 0.1), (0.05, 0.02), (0.25, -0.4), (-0.5, 0.5), (0.01, -0.01), (0.0, 0.7)]
)
def test_known_shifts(shift, size):
    """Root mean square error over pixels below 2 % of the shift, in either precision."""
    for seed in (1, 2):
        frames = moving_texture(3, size, shift, seed=seed)
        expected = torch.tensor([shift[1], shift[0]], dtype=torch.float64)[:, None, None]
        for dtype in (torch.float64, torch.float32):
            motion = local_motion(frames.to(dtype))
            assert motion.shape == (2, 2, *size)
            assert motion.dtype == dtype
            error = (inside(motion) - expected).square().sum(1).mean().sqrt()
            assert float(error) < 0.02 * math.hypot(*shift)


@pytest.mark.parametrize("smoothness", sorted(BYTES))
def test_known_shifts_of_bytes(smoothness):
    """Root mean square error in pixels of textures rounded to 8 bits: rounding adds a constant."""
    for seed, shift in enumerate(((0.01, -0.01), (0.0, 0.1), (0.25, -0.4), (-0.5, 0.5))):
        frames = moving_texture(3, (96, 121), shift, seed=seed, smoothness=smoothness)
        frames = (0.5 + (frames - frames.mean()) * 0.12 / frames.std()).clamp(0, 1)
        motion = local_motion((255 * frames).round().to(torch.uint8)).double()
        expected = torch.tensor([shift[1], shift[0]], dtype=torch.float64)[:, None, None]
        error = float((inside(motion) - expected).square().sum(1).mean().sqrt())
        assert error < BYTES[smoothness] + 0.02 * math.hypot(*shift)


def test_the_weight_tells_what_is_known():
    position = torch.arange(64, dtype=torch.float64)
    edges = torch.stack([torch.cos(position - 0.2 * t) for t in range(2)])[:, None, :]
    low = 0.5 + 0.0005 * torch.randn(2, 64, 64, dtype=torch.float64)  # below a grey level
    parts = {
        "texture": moving_texture(2, (64, 64), (0.3, -0.2)),
        "along edges": 0.5 + 0.4 * edges.expand(2, 64, 64),
        "still": torch.rand(1, 64, 64, dtype=torch.float64).expand(2, 64, 64),
        "noise": torch.rand(2, 64, 64, dtype=torch.float64),
        "almost flat": low,
        "flat": torch.full((2, 64, 64), 0.5, dtype=torch.float64),
        "black": torch.zeros(2, 64, 64, dtype=torch.float64),
    }
    for name, frames in parts.items():
        motion, weight = local_motion(frames, return_weight=True)
        assert torch.equal(motion, local_motion(frames))
        assert weight.shape == (1, 64, 64)
        assert 0 <= float(weight.min()) <= float(weight.max()) <= 1
        middle = inside(weight)
        if name in ("texture", "still"):
            assert float(middle.mean()) > 0.9, name
            assert float(middle.min()) > 0.8, name
        else:
            assert float(middle.mean()) < 0.1, name
            assert float(inside(motion).norm(dim=1).max()) < 1.0, name
    assert float(local_motion(parts["flat"], return_weight=True)[1].max()) < 1e-9


def test_too_fast_motion_is_neither_large_nor_trusted():
    """Textures that jump by several pixels, which levels 1 and 2 cannot measure."""
    for shift in ((0.0, 6.0), (9.0, 7.0)):
        motion, weight = local_motion(moving_texture(2, (96, 96), shift), return_weight=True)
        assert float(motion.norm(dim=1).max()) < 3.0
        assert float(inside(weight).mean()) < 0.5


def test_coarser_levels_measure_faster_motion():
    frames = moving_texture(2, (128, 128), (0.0, 2.0))
    fine, coarse = (
        inside(local_motion(frames, height=5, levels=levels))[0, 0].median()
        for levels in ((1,), (3,))
    )
    assert float(coarse) == pytest.approx(2.0, rel=0.1)
    assert abs(float(fine) - 2.0) > 0.5  # more than half a wavelength: documented


def test_motion_differs_over_the_image():
    left, right = (moving_texture(2, (64, 64), shift) for shift in ((0.0, 0.3), (-0.2, 0.0)))
    motion = local_motion(torch.cat([left, right], dim=-1))[0]
    assert float(motion[0, 16:48, 16:44].mean()) == pytest.approx(0.3, rel=0.05)
    assert float(motion[1, 16:48, 84:112].mean()) == pytest.approx(-0.2, rel=0.05)
    assert float(motion[1, 16:48, 16:44].abs().mean()) < 0.02


@pytest.mark.parametrize("largest", [None, 4])
def test_a_film_turned_on_its_side_has_its_motion_and_weight_turned(largest):
    """Where motion changes, and with it how far it can be trusted, along one axis alone."""
    halves = (moving_texture(2, (48, 40), shift) for shift in ((0.0, 0.4), (-0.3, 0.0)))
    frames = torch.cat([*halves], dim=-1)
    motion, weight = local_motion(frames, largest=largest, return_weight=True)
    turned = local_motion(frames.mT, largest=largest, return_weight=True)
    assert float((turned[0].flip(1).mT - motion).abs().max()) < 1e-9
    assert float((turned[1].mT - weight).abs().max()) < 1e-9


def test_an_edge_shows_the_motion_across_it():
    position = torch.arange(64, dtype=torch.float64)
    waves = torch.stack([torch.cos(math.pi / 2 * (position - 0.2 * t)) for t in range(2)])
    motion = inside(local_motion(waves[:, None, :].expand(2, 64, 64)))
    assert float(motion[0, 0].mean()) == pytest.approx(0.2, rel=0.01)
    assert float(motion[0, 1].abs().max()) < 1e-6


def test_still_flat_and_black_frames_do_not_move():
    still = torch.rand(1, 33, 40).expand(3, 33, 40)
    assert torch.count_nonzero(local_motion(still)) == 0
    for value in (0.0, 0.5):
        motion = local_motion(torch.full((3, 33, 40), value))
        assert torch.isfinite(motion).all()
        assert float(motion.abs().max()) < 1.0


def test_batches_and_bytes():
    frames = torch.randint(0, 256, (2, 3, 4, 33, 40), dtype=torch.uint8)
    motion = local_motion(frames)
    assert motion.shape == (2, 3, 3, 2, 33, 40)
    assert motion.dtype == torch.float32
    torch.testing.assert_close(motion[1, 2], local_motion(frames[1, 2] / 255), rtol=1e-3, atol=1e-3)
    assert local_motion(frames[:0]).shape == (0, 3, 3, 2, 33, 40)
    assert local_motion((frames / 255).half()).dtype == torch.float32
    with pytest.raises(ValueError, match="frames: expected at least 2 frames, got 1"):
        local_motion(frames[0, 0, :1])


@pytest.mark.slow
def test_motion_has_gradients():
    torch.manual_seed(0)
    frames = moving_texture(2, (12, 13), (0.1, 0.2)).requires_grad_()
    assert gradcheck(
        lambda x: local_motion(x, height=3, levels=(1,)), frames, eps=1e-6, atol=1e-3, rtol=1e-3
    )


@pytest.mark.parametrize("unwrap", ["full", "published"])
def test_phase_differences_are_those_of_denoised_phases(unwrap):
    """The operator in C++ and the phases in PyTorch, to the last step."""
    clips = torch.rand(2, 7, 24, 30, dtype=torch.float64)
    options = {"height": 5, "nbands": 3, "levels": (3, 1), "unwrap": unwrap}
    for phase, expected in zip(
        denoised_phase(clips, **options), phase_difference(clips, **options), strict=True
    ):
        assert phase.shape[:3] == (2, 3, 7)
        steps = phase.diff(dim=-3)
        steps = (steps - steps.mean((-2, -1), keepdim=True)).clamp(-5 * math.pi, 5 * math.pi)
        torch.testing.assert_close(steps, expected, rtol=0, atol=1e-10)


def test_denoised_phase_of_a_wave():
    """A wave that moves by d pixels a frame: its phase goes on by -k d a frame, without bound."""
    position = torch.arange(64, dtype=torch.float64)
    waves = torch.stack([torch.cos(math.pi / 2 * (position - 0.5 * t)) for t in range(20)])
    (phase,) = denoised_phase(waves[:, None, :].expand(20, 64, 64), levels=(1,))
    moved = phase[0, :, 16:48, 16:48] - phase[0, :1, 16:48, 16:48]
    expected = -math.pi / 2 * 0.5 * torch.arange(20, dtype=torch.float64)
    # Smoothing weighs neighbours a quarter of a turn apart; over the plane that cancels.
    torch.testing.assert_close(moved.mean((-2, -1)), expected, rtol=0.02, atol=0.02)


def test_denoised_phase_of_nothing_and_bytes():
    assert denoised_phase(torch.rand(0, 3, 16, 16))[1].shape == (0, 2, 3, 8, 8)
    frames = torch.randint(0, 256, (3, 16, 16), dtype=torch.uint8)
    assert denoised_phase(frames)[0].dtype == torch.float32


@pytest.mark.parametrize("pixels", [1, 3 * 24 * 20, 11 * 24 * 20])
def test_runs_of_frames_change_nothing(monkeypatch, pixels):
    """One frame at a time, parts of videos, and some whole videos."""
    frames = torch.rand(2, 3, 5, 24, 20, dtype=torch.float64, requires_grad=True)
    once = [local_motion(frames), *denoised_phase(frames)]
    (want,) = torch.autograd.grad(once[0].square().sum(), frames)
    monkeypatch.setattr(runs, "_PIXELS", pixels)
    parts = [local_motion(frames), *denoised_phase(frames)]
    for got, whole in zip(parts, once, strict=True):
        torch.testing.assert_close(got, whole, rtol=1e-12, atol=1e-12)
    (got,) = torch.autograd.grad(parts[0].square().sum(), frames)
    torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (32, 64), (33, 101)])
def test_blur_in_tiles_is_the_blur(size):
    planes = torch.rand(2, 6, *size, dtype=torch.float64)
    torch.testing.assert_close(
        motion_equations.blurred(planes), reference._blur(planes), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-6), (torch.float64, 1e-15)])
def test_threads_change_no_more_than_rounding(dtype, bound):
    """Of pixels; everything else of phasenet does not change at all."""
    frames = moving_texture(3, (75, 101), (0.2, 0.1), seed=3).to(dtype)
    threads, results = torch.get_num_threads(), []
    try:
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            results.append(local_motion(frames))
    finally:
        torch.set_num_threads(threads)
    for result in results[1:]:
        assert float((result - results[0]).abs().max()) < bound


@pytest.mark.parametrize("levels", [(1,), (2,), (1, 2)])
def test_noise_adds_the_power_that_is_taken_off(levels):
    """A texture that stands still, with noise of its own in each frame."""
    texture, noise = torch.rand(96, 96, dtype=torch.float64), 1e-2
    frames = texture + noise * torch.randn(9, 96, 96, dtype=torch.float64)
    bands = mirrored_bands(frames, max(levels) + 2, 4, levels)
    sums = motion_equations.window_sums(bands, (96, 96), max(levels) + 2, levels)
    power = motion_equations.noise_power(noise, levels, sums.dtype)
    assert float(inside(sums[:, 5]).mean()) == pytest.approx(power, rel=0.2)
