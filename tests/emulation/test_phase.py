"""Phase differences by the CUDA sources against the float64 reference."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.phase_cases import CASES
from support.textures import clashing_waves, clear_noise, clear_videos

from phasenet import reference
from phasenet.parity import ambiguous_planes, phase_error


def run(emulated, frames, num_phase, height, nbands, levels, *options):
    planes = emulated.phase_difference_windows(
        frames.numpy(), num_phase, height, nbands, list(levels), *options
    )
    return [torch.from_numpy(p) for p in planes]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("unwrap", "boundary"), [("full", "replicate"), ("published", "valid")], ids=["full", "valid"]
)
def test_windows_match_the_reference(emulated, case, dtype, unwrap, boundary):
    size, length, num_phase, height, nbands, levels = case
    options = {"height": height, "nbands": nbands, "levels": levels, "boundary": boundary}
    single = dtype == torch.float32
    rounding = 2e-6 if single else 1e-13
    frames, ambiguous = clear_noise(
        length, size, num_phase, dtype=dtype, rounding=rounding, **options
    )
    got = run(emulated, frames, num_phase, height, nbands, levels, unwrap, boundary)
    expected = reference.phase_difference_windows(
        frames.double(), num_phase, unwrap=unwrap, **options
    )
    for planes, right, unclear in zip(got, expected, ambiguous, strict=True):
        assert planes.dtype == dtype
        error, _ = phase_error(planes, right, unclear)
        assert error < (1e-5 if single else 1e-11)


@pytest.mark.parametrize(
    ("unwrap", "boundary", "length", "num_phase"),
    [("full", "replicate", 7, 5), ("published", "valid", 7, 5), ("full", "replicate", 3, 8)],
)
def test_every_window_of_a_short_clip(emulated, unwrap, boundary, length, num_phase):
    """The first and the last ones reach beyond it, if it is very short all of them at both ends."""
    options = {"height": 4, "nbands": 2, "levels": (1, 2), "boundary": boundary}
    frames, ambiguous = clear_noise(length, (16, 13), num_phase, rounding=1e-13, **options)
    got = run(emulated, frames, num_phase, 4, 2, (1, 2), unwrap, boundary)
    expected = reference.phase_difference_windows(frames, num_phase, unwrap=unwrap, **options)
    for planes, right, unclear in zip(got, expected, ambiguous, strict=True):
        assert planes.shape == right.shape
        error, _ = phase_error(planes, right, unclear)
        assert error < 1e-11


@pytest.mark.slow
def test_every_order_of_threads_gives_the_same_bits(emulated):
    for size in ((48, 48), (40, 70)):
        frames = torch.rand(2, 4, *size)
        results = []
        for order in ("forward", "backward", "shuffled"):
            emulated.configure(order=order, seed=11)
            results.append(run(emulated, frames, 3, 4, 2, (1, 2)))
        for other in results[1:]:
            assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("kilobytes", [99, 163, 227])
def test_either_transform_serves_where_shared_memory_is_less(emulated, kilobytes):
    frames = torch.rand(3, 64, 64, dtype=torch.float64)
    expected = reference.phase_difference_windows(frames, 2)
    emulated.configure(shared_limit=kilobytes * 1024)
    for planes, right in zip(run(emulated, frames, 2, 4, 2, (1, 2)), expected, strict=True):
        assert (planes - right).norm() / right.norm() < 1e-11


@pytest.mark.parametrize("multiprocessors", [1, 3])
def test_however_the_frames_are_shared_out_the_bits_are_the_same(emulated, multiprocessors):
    """Runs of one frame, where there are many multiprocessors, and of several, the last shorter."""
    frames = torch.rand(2, 11, 24, 20)
    expected = run(emulated, frames, 5, 4, 2, (1, 2))
    emulated.configure(multiprocessors=multiprocessors)
    assert all(map(torch.equal, run(emulated, frames, 5, 4, 2, (1, 2)), expected))


def test_a_walk_and_tiles_give_the_same(emulated):
    """Tiles are for planes too large for a walk, and for results in higher precision."""
    frames = clear_videos(1, 9, (40, 36), 4)[0]
    walked = run(emulated, frames, 4, 4, 2, (1, 2))
    before = emulated.launches()
    tiles = emulated.phase_difference_windows(frames.numpy(), 4, dtype="float64")
    assert emulated.launches() - before == 9  # of each level also wraps and means
    for one, other in zip(walked, map(torch.from_numpy, tiles), strict=True):
        assert (one - other).norm() / other.norm() < 1e-5


@pytest.mark.parametrize(("num_phase", "boundary"), [(12, "replicate"), (5, "valid")])
def test_tensor_cores_make_the_windows_that_others_make(emulated, num_phase, boundary):
    frames = clear_videos(2, 7, (48, 48), num_phase, boundary=boundary)
    before = emulated.launches()
    got = run(emulated, frames, num_phase, 4, 2, (1, 2), "full", boundary)
    assert emulated.launches() - before == 3  # tables, both levels' planes, both levels' windows
    emulated.configure(architecture=100)
    expected = run(emulated, frames, num_phase, 4, 2, (1, 2), "full", boundary)
    for one, other in zip(got, expected, strict=True):
        assert (one - other).norm() / other.norm() < 2e-6


def test_a_faint_texture_on_a_bright_frame(emulated):
    """Products of pairs of halves lose no more of it than those in single precision."""
    frames = 64 + torch.rand(2, 48, 48)
    options = {"height": 4, "nbands": 2, "levels": (1, 2), "boundary": "valid"}
    expected = reference.phase_difference_windows(frames.double(), 1, **options)
    for architecture in (90, 100):
        emulated.configure(architecture=architecture)
        got = run(emulated, frames, 1, 4, 2, (1, 2), "full", "valid")
        for one, other in zip(got, expected, strict=True):
            # A wrap may be seen in one alone, which moves the others of its plane by their mean.
            off = (one - other).flatten(-2)
            assert (off - off.median(-1, keepdim=True).values).abs().median() < 3e-5


def test_runs_that_reach_from_one_plane_to_the_next(emulated):
    """And bytes are their quotients by 255."""
    frames = torch.randint(0, 256, (1, 3, 48, 48), dtype=torch.uint8)
    expected = run(emulated, frames.float() / 255, 2, 4, 2, (1, 2))
    emulated.configure(multiprocessors=3)
    assert all(map(torch.equal, run(emulated, frames, 2, 4, 2, (1, 2)), expected))


def test_videos_are_taken_together_as_their_planes_fit_into_l2(emulated):
    frames = clear_videos(3, 3, (48, 48), 2)
    expected = run(emulated, frames, 2, 4, 2, (1, 2))
    planes = 3 * 2 * (48**2 + 24**2) * 8  # bytes of a video
    for l2_bytes, launches in ((6 * planes, 3), (4 * planes, 5), (planes, 7)):
        emulated.configure(l2_bytes=l2_bytes, multiprocessors=3)
        before = emulated.launches()
        got = run(emulated, frames, 2, 4, 2, (1, 2))
        assert emulated.launches() - before == launches
        assert torch.equal(got[0], expected[0])
        # In which corner of a square a plane of 24 x 24 lies changes how its sums are rounded.
        assert (got[1] - expected[1]).norm() < 1e-6 * expected[1].norm()


def test_amplitudes_of_any_size_give_the_same_windows(emulated):
    """They are scaled to what halves can hold; four planes share a block."""
    frames = torch.rand(2, 3, 48, 48)
    expected = run(emulated, frames, 2, 4, 2, (1, 2))
    frames[0] *= 2.0**30
    for one, other in zip(run(emulated, frames, 2, 4, 2, (1, 2)), expected, strict=True):
        assert (one - other).norm() / other.norm() < 1e-4  # but for 1e-10 beside them
        assert torch.equal(one[1], other[1])


def test_nan_in_one_video_leaves_those_beside_it(emulated):
    frames = torch.rand(2, 4, 48, 48)
    expected = run(emulated, frames, 2, 4, 2, (1, 2))
    frames[0, 1] = float("nan")
    for one, other in zip(run(emulated, frames, 2, 4, 2, (1, 2)), expected, strict=True):
        assert one[0].isnan().any()
        assert torch.equal(one[1], other[1])


@pytest.mark.parametrize("kilobytes", [163, 130])
def test_less_shared_memory_is_enough_for_fewer_planes_a_block(emulated, kilobytes):
    frames = torch.rand(5, 24, 24)
    expected = run(emulated, frames, 12, 4, 2, (1, 2))
    emulated.configure(shared_limit=kilobytes * 1024)
    before = emulated.launches()
    got = run(emulated, frames, 12, 4, 2, (1, 2))
    assert emulated.launches() - before == 5  # of each level planes and a walk
    assert all(map(torch.equal, got, expected))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_outputs_are_the_float32_ones_rounded(emulated, dtype):
    frames = torch.rand(3, 24, 20)
    whole = run(emulated, frames, 2, 4, 2, (1, 2))
    half = emulated.phase_difference_windows(frames.numpy(), 2, dtype=dtype)
    kind = getattr(torch, dtype)
    for rounded, planes in zip(half, whole, strict=True):
        assert torch.equal(torch.from_numpy(rounded).view(kind), planes.to(kind))


@pytest.mark.parametrize(
    ("num_phase", "unwrap", "boundary"),
    [(3, "full", "replicate"), pytest.param(12, "published", "valid", marks=pytest.mark.slow)],
)
def test_half_outputs_of_tensor_cores_match_the_reference(emulated, num_phase, unwrap, boundary):
    options = {"height": 4, "nbands": 2, "levels": (1, 2), "boundary": boundary}
    length = num_phase + 2
    frames, ambiguous = clear_noise(
        length, (48, 48), num_phase, dtype=torch.float32, rounding=2e-6, **options
    )
    expected = reference.phase_difference_windows(
        frames.double(), num_phase, unwrap=unwrap, **options
    )
    for kind in (torch.float16, torch.bfloat16):
        name = str(kind).removeprefix("torch.")
        before = emulated.launches()
        got = run(emulated, frames, num_phase, 4, 2, (1, 2), unwrap, boundary, name)
        assert emulated.launches() - before == 3
        for planes, right, unclear in zip(got, expected, ambiguous, strict=True):
            error, _ = phase_error(planes.view(kind).double(), right, unclear)
            assert error < torch.finfo(kind).eps / 2  # rounding alone is at most that


def moving_waves(length, speed, faint=1.0):
    """Frames [length, 48, 48] of a texture whose waves move by up to `speed` radians a frame."""
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(48.0), indexing="ij")
    vertical, horizontal, rate, begin = torch.rand(4, 30, 1, 1, 1) * 2 - 1
    time = torch.arange(float(length)).reshape(-1, 1, 1)
    angles = 1.5 * (vertical * y + horizontal * x) + speed * rate * time + 3 * begin
    return 0.5 + faint * angles.cos().sum(0) / 60


FRAMES = {
    "noise": lambda length: clear_videos(1, length, (48, 48), 2)[0],
    "moving": lambda length: moving_waves(length, 0.5),
    "hardly moving": lambda length: moving_waves(length, 0.02),
    # What is left of amplitudes is a ten thousandth in a corner.
    "fading": lambda length: (
        (moving_waves(length, 0.5) - 0.5)
        * torch.logspace(0, -2, 48)[:, None]
        * torch.logspace(0, -2, 48)
    ),
    "faint": lambda length: moving_waves(length, 0.5, 1 / 64),
}


@pytest.mark.parametrize(
    ("kind", "unwrap"),
    [(kind, "full") for kind in FRAMES] + [("noise", "published"), ("moving", "published")],
)
def test_taps_of_16_bits_cost_little_more_than_rounding(emulated, kind, unwrap):
    """On tensor cores a blur whose result is rounded to 16 bits has taps of as many."""
    frames = FRAMES[kind](3)
    single = run(emulated, frames, 2, 4, 2, (1, 2), unwrap)
    exact = reference.phase_difference_windows(
        frames.double(), 2, height=4, nbands=2, levels=(1, 2), unwrap=unwrap
    )
    for dtype in (torch.float16, torch.bfloat16):
        name = str(dtype).removeprefix("torch.")
        got = run(emulated, frames, 2, 4, 2, (1, 2), unwrap, "replicate", name)
        for planes, near, right in zip(got, single, exact, strict=True):
            # Where float32 takes another side of pi, as it may, everything around differs.
            clear = (near - right).abs() < 1e-2
            assert clear.double().mean() > 0.8

            def error(values, clear=clear, right=right):
                return (values.double() - right)[clear].norm()

            # float32 itself leaves more of a faint texture than rounding does.
            best = max(error(right.to(dtype)), error(near.to(dtype)))
            assert error(planes.view(dtype)) < 1.15 * best


@pytest.mark.slow
def test_wraps_of_many_frames(emulated):
    """Those that windows have in common are counted anew from some frame on."""
    frames = torch.rand(70, 48, 48)
    emulated.configure(multiprocessors=1)
    single = run(emulated, frames, 2, 4, 2, (1, 2))
    half = run(emulated, frames, 2, 4, 2, (1, 2), "full", "replicate", "float16")
    for planes, near in zip(half, single, strict=True):
        error = (planes.view(torch.float16).double() - near).flatten(1).norm(dim=1)
        assert (error < 3e-4 * near.flatten(1).norm(dim=1)).all()


def test_bytes_are_scaled(emulated):
    frames = torch.randint(0, 256, (3, 16, 70), dtype=torch.uint8)
    for planes, right in zip(
        run(emulated, frames, 2, 4, 2, (1,)),
        run(emulated, frames.float() / 255, 2, 4, 2, (1,)),
        strict=True,
    ):
        assert torch.equal(planes, right)


@pytest.mark.parametrize(
    ("side", "dtype"), [(24, None), (48, None), (48, "float16"), (48, "bfloat16")]
)
def test_equal_frames_give_exactly_zero(emulated, side, dtype):
    frames = torch.rand(4, side, side)
    frames[2] = frames[1]
    for planes in run(emulated, frames, 2, 4, 2, (1, 2), "full", "replicate", dtype):
        planes = planes.unflatten(1, (2, 2))
        # Window t has the frames t - 1, t, t + 1.
        assert (planes[1, :, 1] == 0).all()
        assert (planes[2, :, 0] == 0).all()
        assert (planes[3, :, 1] == 0).all()  # the last frame repeated
        assert planes[3, :, 0].any()


@pytest.mark.slow
def test_large_differences_on_tensor_cores(emulated):
    """Beyond 8 rad each is clamped by itself, where others are known to be within the limit."""
    frames = clashing_waves(13, 48, 48).float()
    # Where the waves meet, phases are those of small amplitudes: half is left out.
    ambiguous = ambiguous_planes(frames, 12, boundary="valid")
    got = run(emulated, frames, 12, 4, 2, (1, 2), "full", "valid")
    assert got[0].abs().masked_fill(ambiguous[0], 0).max() > 8
    emulated.configure(architecture=100)
    expected = run(emulated, frames, 12, 4, 2, (1, 2), "full", "valid")
    for one, other, unclear in zip(got, expected, ambiguous, strict=True):
        error, _ = phase_error(one, other, unclear)
        assert error < 1e-3  # found: 3e-5; one of them that is off by a radian is 2e-3 of all


def test_nan_stays_in_the_windows_that_have_it(emulated):
    frames = torch.rand(6, 24, 24)
    whole = run(emulated, frames, 2, 4, 2, (1, 2))
    frames[0, 3, 3] = float("nan")
    for planes, clean in zip(run(emulated, frames, 2, 4, 2, (1, 2)), whole, strict=True):
        assert planes[0].isnan().any()
        assert torch.equal(planes[2:], clean[2:])


@pytest.mark.parametrize("shape", [(0, 3, 16, 16), (2, 0, 16, 16)])
def test_nothing_gives_nothing(emulated, shape):
    (planes,) = run(emulated, torch.zeros(shape), 2, 4, 2, (1,))
    assert planes.shape == (*shape[:2], 4, 16, 16)


def test_band_phase_is_the_angle(emulated):
    values = np.random.default_rng().standard_normal((3, 5, 2)).view(np.complex128)[..., 0]
    np.testing.assert_allclose(emulated.band_phase(values), np.angle(values), rtol=1e-14)
    for size in (1, 3e38, 1e-30):
        single = (size * values / np.abs(values).max()).astype(np.complex64)
        np.testing.assert_allclose(emulated.band_phase(single), np.angle(values), atol=1e-6)
