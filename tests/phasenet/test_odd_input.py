"""What equal, flat, black and broken frames give, as the documentation says."""

from __future__ import annotations

import math

import pytest
import torch

from phasenet import (
    PhaseStream,
    SteerablePyramid,
    band_phase,
    denoised_phase,
    local_motion,
    magnify_motion,
    phase_difference_windows,
)

BROKEN = 3  # the frame that has the value


@pytest.fixture(params=[math.nan, math.inf, -math.inf])
def broken(request) -> torch.Tensor:
    frames = torch.rand(2, 8, 32, 30)
    frames[0, BROKEN, 4, 5] = request.param
    return frames


def where(x: torch.Tensor) -> list[list[bool]]:
    """Of which video and frame all values are NaN; it is all or none of them."""
    nan = x.isnan().flatten(2)
    assert (nan.all(2) == nan.any(2)).all()
    return nan.all(2).tolist()


def expected(count: int, *numbers: int) -> list[list[bool]]:
    return [[t in numbers for t in range(count)], [False] * count]


def test_a_pyramid_keeps_nan_in_its_image(broken):
    coeffs = SteerablePyramid()(broken)
    for part in (coeffs.highpass, *(x.real for x in coeffs.bands), coeffs.lowpass):
        assert where(part) == expected(8, BROKEN)


def test_motion_keeps_nan_in_the_pairs_that_have_the_frame(broken):
    assert where(local_motion(broken)) == expected(7, BROKEN - 1, BROKEN)


def test_denoised_phases_are_nan_from_the_frame_on(broken):
    for level in denoised_phase(broken):
        assert where(level.movedim(-3, 1)) == expected(8, *range(BROKEN, 8))


def test_a_stream_keeps_nan_in_the_windows_that_have_the_frame(broken):
    stream, windows = PhaseStream(2, boundary="valid"), []
    for frame in broken[0]:
        windows += stream.push(frame)
    has_nan = [any(x.isnan().any() for x in window.levels) for window in windows]
    assert has_nan == [t <= BROKEN <= t + 2 for t in range(6)]
    whole = phase_difference_windows(broken[0], 2, boundary="valid")
    for window in windows:
        for level, same in zip(window.levels, whole, strict=True):
            assert torch.equal(level.nan_to_num(7), same[window.index].nan_to_num(7))


@pytest.mark.parametrize(("temporal", "first"), [("fir", 0), ("iir", BROKEN)])
def test_magnified_motion_is_nan_from_the_frame_on_and_before_where_filtered_with_it(
    broken, temporal, first
):
    options = {"fps": 30, "low": 5, "high": 10, "nbands": 2, "bands_per_octave": 1}
    moved = magnify_motion(broken, 3, temporal=temporal, **options)
    assert where(moved) == expected(8, *range(first, 8))


def test_the_phase_of_nan_is_nan():
    bands = torch.complex(torch.tensor([math.nan, 1.0, 0.0]), torch.tensor([1.0, math.nan, 0.0]))
    assert band_phase(bands).isnan().tolist() == [True, True, False]


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_flat_and_black_frames(level):
    frames = torch.full((3, 33, 40), level)
    assert (local_motion(frames) == 0).all()
    for phases in denoised_phase(frames):
        assert torch.isfinite(phases).all()
    if level == 0:
        coeffs = SteerablePyramid()(frames)
        assert all((x == 0).all() for x in (coeffs.highpass, *coeffs.bands, coeffs.lowpass))
        assert all((x == 0).all() for x in denoised_phase(frames))


def test_equal_frames_do_not_move():
    frames = torch.rand(1, 33, 40).expand(4, 33, 40)
    assert (local_motion(frames) == 0).all()
    for phases in denoised_phase(frames):
        assert (phases == phases[:, :1]).all()
