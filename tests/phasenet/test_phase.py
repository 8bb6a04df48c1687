"""Phase differences: parity with the reference, windows, and known motion."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from support.textures import clear_noise, moving_texture

from phasenet import SteerablePyramid, phase_difference, phase_difference_windows, reference
from phasenet.parity import ambiguous_planes, phase_error

UNWRAP = ["full", "published"]


@pytest.mark.parametrize("unwrap", UNWRAP)
@pytest.mark.parametrize(
    ("size", "height", "nbands", "levels"),
    [
        ((48, 48), 4, 2, (1, 2)),
        ((64, 48), 5, 3, (1, 2, 3)),
        ((37, 53), 4, 4, (2, 1)),
        ((12, 100), 4, 2, (2,)),
        ((6, 7), 4, 2, (1, 2)),
        ((80, 33), 3, 8, (1,)),
    ],
)
def test_equals_reference_on_noise(size, height, nbands, levels, unwrap):
    options = {"height": height, "nbands": nbands, "levels": levels}
    frames, ambiguous = clear_noise(9, size, 5, **options)
    expected = reference.phase_difference_windows(frames, 5, unwrap=unwrap, **options)
    for dtype, bar in ((torch.float64, 1e-11), (torch.float32, 1e-5)):
        got = phase_difference_windows(frames.to(dtype), 5, unwrap=unwrap, **options)
        for plane, want, mask in zip(got, expected, ambiguous, strict=True):
            assert plane.shape == want.shape
            assert plane.dtype == dtype
            error, _ = phase_error(plane, want, mask)
            assert error < bar


@pytest.mark.parametrize("unwrap", UNWRAP)
@pytest.mark.parametrize("boundary", ["replicate", "valid"])
@pytest.mark.parametrize("num_phase", [1, 2, 12])
def test_equals_reference_on_a_moving_texture(num_phase, boundary, unwrap):
    frames = moving_texture(20, (48, 40), (0.7, -1.2))
    options = {"unwrap": unwrap, "boundary": boundary}
    expected = reference.phase_difference_windows(frames, num_phase, **options)
    ambiguous = ambiguous_planes(frames, num_phase, boundary=boundary)
    for dtype, bar in ((torch.float64, 1e-11), (torch.float32, 1e-5)):
        got = phase_difference_windows(frames.to(dtype), num_phase, **options)
        for plane, want, mask in zip(got, expected, ambiguous, strict=True):
            error, left_out = phase_error(plane, want, mask)
            assert error < bar
            assert left_out < 0.1


@pytest.mark.parametrize("unwrap", UNWRAP)
def test_a_window_is_the_phase_difference_of_its_frames(unwrap):
    frames = torch.rand(15, 24, 30, dtype=torch.float64)
    windows = phase_difference_windows(frames, 6, unwrap=unwrap)
    inner = phase_difference_windows(frames, 6, unwrap=unwrap, boundary="valid")
    for t in (3, 8, 11):
        clip = phase_difference(frames[t - 3 : t + 4], unwrap=unwrap)
        for whole, valid, one in zip(windows, inner, clip, strict=True):
            assert one.shape[:2] == (2, 6)
            torch.testing.assert_close(whole[t], one.flatten(0, 1), rtol=0, atol=1e-12)
            torch.testing.assert_close(valid[t - 3], one.flatten(0, 1), rtol=0, atol=1e-12)


def test_unwrap_modes_differ():
    """Fast motion wraps often; the two modes are then far apart: neither stands for the other."""
    frames = moving_texture(13, (48, 48), (0.0, 2.5))
    full, published = (phase_difference(frames, unwrap=mode)[0] for mode in UNWRAP)
    assert float((full - published).norm() / full.norm()) > 0.1


@pytest.mark.parametrize(("shift", "axis"), [((0.0, 0.2), 0), ((0.3, 0.0), 1), ((0.0, -0.45), 0)])
def test_phase_differences_measure_motion(shift, axis):
    """A plane wave cos(k x) moved by d pixels a frame changes phase by -k d, in sign and size.

    Planes are centred, so the wave moves in one half of the image only, and the step between the
    two halves is measured well inside each.
    """
    frequency = math.pi / 2  # in the pass band of level 1
    position = torch.arange(96, dtype=torch.float64)
    time = torch.arange(3, dtype=torch.float64)
    d = shift[1 - axis]
    moving = torch.cos(frequency * (position[None] - d * time[:, None]))
    still = torch.cos(frequency * position).expand(3, 96)
    # Rows (or columns) of the first half move, the others stand still.
    frames = torch.stack([moving] * 48 + [still] * 48, dim=1)
    frames = 0.5 + 0.4 * (frames if axis == 0 else frames.transpose(1, 2))
    difference = phase_difference(frames)[0][axis]
    if axis == 1:
        difference = difference.transpose(1, 2)
    moved = difference[:, 12:36, 12:84].mean()
    stood = difference[:, 60:84, 12:84].mean()
    assert float(moved - stood) == pytest.approx(-frequency * d, rel=0.02)


def test_a_shifted_texture_changes_phase_by_shift_times_local_frequency():
    """The amplitude-weighted phase change of a real band against the band's own frequency."""
    d = 0.25
    frames = moving_texture(2, (96, 96), (0.0, d), seed=3)
    band = SteerablePyramid(4, 2)(frames).bands[0][:, 0, 16:80, 16:80]
    # Local frequency along x from the still image, local change from the motion.
    frequency = (band[0, :, 1:] * band[0, :, :-1].conj()).sum().angle()
    change = (band[1] * band[0].conj()).sum().angle()
    assert float(change) == pytest.approx(-float(frequency) * d, rel=0.05)


def test_the_reference_unwraps_as_numpy():
    phase = (torch.rand(40, 5, 6, dtype=torch.float64) - 0.5) * 2 * math.pi
    expected = torch.from_numpy(np.unwrap(phase.numpy(), axis=0))
    torch.testing.assert_close(reference._unwrap(phase, "full"), expected, rtol=0, atol=1e-12)


def test_identical_frames_give_exactly_zero():
    frames = torch.rand(1, 48, 48).expand(5, 48, 48)
    for plane in phase_difference_windows(frames, 3):
        assert torch.count_nonzero(plane) == 0


def test_repeated_frames_in_moving_video_give_exactly_zero():
    """Also behind unwrapped jumps, in every window."""
    frames = torch.rand(9, 33, 40)
    frames[5] = frames[4]
    for planes in phase_difference_windows(frames, 4, boundary="valid"):
        steps = planes.unflatten(1, (2, 4))
        for window in range(1, 5):
            assert torch.count_nonzero(steps[window, :, 4 - window]) == 0
        assert torch.count_nonzero(steps[0]) > 0


@pytest.mark.slow
@pytest.mark.parametrize("transform", ["cosine", "fourier"])
@pytest.mark.parametrize("shape", [(80, 48, 48), (3, 50, 48, 40)])
def test_videos_longer_than_a_block_of_frames(shape, transform, monkeypatch):
    """About 34 such frames are worked on at a time; windows reach back into the block before."""
    monkeypatch.setenv("PHASENET_TRANSFORM", transform)
    frames = torch.rand(*shape)
    exact = phase_difference_windows(frames.double(), 12)
    expected = reference.phase_difference_windows(frames.double(), 12)
    for got, want in zip(exact, expected, strict=True):
        assert float((got - want).norm() / want.norm()) < 1e-11


@pytest.mark.parametrize("transform", ["cosine", "fourier"])
def test_nan_stays_in_the_windows_that_hold_its_frame(transform, monkeypatch):
    monkeypatch.setenv("PHASENET_TRANSFORM", transform)
    frames = torch.rand(60, 17, 21)
    clean = phase_difference_windows(frames, 4, boundary="valid")
    frames[33, 3, 4] = math.nan
    for got, want in zip(phase_difference_windows(frames, 4, boundary="valid"), clean, strict=True):
        holds = torch.zeros(56, dtype=torch.bool)
        holds[29:34] = True
        assert torch.equal(got[~holds], want[~holds])
        assert bool(got[holds].isnan().flatten(1).any(1).all())


def test_flat_and_black_frames_are_finite():
    for value in (0.0, 0.5, 1.0):
        for plane in phase_difference_windows(torch.full((4, 20, 20), value), 3):
            assert torch.isfinite(plane).all()


def test_planes_have_no_mean_and_stay_in_range():
    for plane in phase_difference_windows(torch.rand(10, 32, 32, dtype=torch.float64), 6):
        assert float(plane.mean((-2, -1)).abs().max()) < 1e-12
        assert float(plane.abs().max()) <= 5 * math.pi


def test_short_videos_repeat_their_frames():
    frames = torch.rand(3, 20, 20, dtype=torch.float64)
    for got, want in zip(
        phase_difference_windows(frames, 12),
        reference.phase_difference_windows(frames, 12),
        strict=True,
    ):
        assert got.shape[:2] == (3, 24)
        torch.testing.assert_close(got, want, rtol=0, atol=1e-11)


def test_one_frame_gives_one_window_of_zeros():
    level1, level2 = phase_difference_windows(torch.rand(1, 20, 20), 12)
    assert level1.shape == (1, 24, 20, 20)
    assert level2.shape == (1, 24, 10, 10)
    assert torch.count_nonzero(level1) == 0


def test_batches_strides_and_bytes():
    frames = torch.randint(0, 256, (2, 3, 6, 20, 24), dtype=torch.uint8)
    whole = phase_difference_windows(frames, 4)
    assert whole[0].shape == (2, 3, 6, 8, 20, 24)
    assert whole[0].dtype == torch.float32
    floats = frames.float() / 255
    strided = floats.transpose(-1, -2).contiguous().transpose(-1, -2)
    for a, b, c in zip(
        whole,
        phase_difference_windows(floats[1, 2], 4),
        phase_difference_windows(strided, 4),
        strict=True,
    ):
        torch.testing.assert_close(a[1, 2], b, rtol=0, atol=1e-4)
        torch.testing.assert_close(a, c, rtol=0, atol=1e-4)


def test_empty_batches():
    assert phase_difference_windows(torch.rand(0, 5, 16, 16), 4)[0].shape == (0, 5, 8, 16, 16)
    assert phase_difference_windows(torch.rand(2, 0, 16, 16), 4)[1].shape == (2, 0, 8, 8, 8)
    assert phase_difference(torch.rand(0, 5, 16, 16))[0].shape == (0, 2, 4, 16, 16)


@pytest.mark.slow
@pytest.mark.parametrize("side", [4, 5, 6, 7, 8, 12, 48])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("transform", ["cosine", "fourier"])
def test_threads_do_not_change_a_bit(side, dtype, transform, monkeypatch):
    """Narrow planes most of all: a vector is then wider than a row, and its neighbours near."""
    monkeypatch.setenv("PHASENET_TRANSFORM", transform)
    for _ in range(5 if side == 48 else 60):
        assert_same_on_one_and_two_threads(torch.rand(3, side, side, dtype=dtype))


def assert_same_on_one_and_two_threads(frames):
    frames.requires_grad_()
    results = []
    threads = torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            planes = phase_difference_windows(frames, 2)
            grad = torch.autograd.grad(sum(plane.square().sum() for plane in planes), frames)
            results.append([*planes, *grad])
    finally:
        torch.set_num_threads(threads)
    for one, two in zip(*results, strict=True):
        assert torch.equal(one, two)


def test_the_older_name_of_published_unwrapping_is_read():
    frames = moving_texture(6, (24, 24), (1.3, -0.9)).float()
    for older, newer in zip(
        phase_difference_windows(frames, 3, unwrap="reference"),
        phase_difference_windows(frames, 3, unwrap="published"),
        strict=True,
    ):
        assert torch.equal(older, newer)
