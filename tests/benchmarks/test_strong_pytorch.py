"""The peer computes the same: only then does its time mean anything."""

from __future__ import annotations

import pytest
import torch
from support.textures import clear_noise

from benchmarks.strong_pytorch import StrongPhaseDifference, StrongPyramid
from phasenet import reference
from phasenet.parity import phase_error, relative_error


@pytest.mark.parametrize(
    ("size", "num_phase", "height", "nbands", "levels", "unwrap"),
    [
        ((48, 48), 12, 4, 2, (1, 2), "full"),
        ((40, 64), 5, 5, 3, (3, 1), "published"),
        ((37, 53), 4, 4, 4, (2,), "full"),
    ],
)
def test_equals_reference(size, num_phase, height, nbands, levels, unwrap):
    options = {"height": height, "nbands": nbands, "levels": levels}
    frames, ambiguous = clear_noise(9, size, num_phase, **options)
    expected = reference.phase_difference_windows(frames, num_phase, unwrap=unwrap, **options)
    # float32 as close as the reference itself comes in float32.
    for dtype, blur, bar in (
        (torch.float64, "matmul", 1e-12),
        (torch.float64, "conv2d", 1e-12),
        (torch.float32, "matmul", 1e-5),
        (torch.float32, "conv2d", 1e-5),
    ):
        strong = StrongPhaseDifference(
            size, num_phase, unwrap=unwrap, blur=blur, dtype=dtype, **options
        )
        planes = strong(frames.to(dtype))
        assert len(planes) == len(levels)
        for got, want, mask in zip(planes, expected, ambiguous, strict=True):
            assert got.shape == want.shape
            assert got.dtype == dtype
            error, _ = phase_error(got, want, mask)
            assert error < bar


def test_clips_at_once_are_as_one_by_one():
    clips = torch.rand(3, 6, 24, 30, dtype=torch.float64)
    strong = StrongPhaseDifference((24, 30), 4, nbands=3, dtype=torch.float64)
    single = zip(*(strong(clip) for clip in clips), strict=True)
    for got, want in zip(strong(clips), single, strict=True):
        torch.testing.assert_close(got, torch.stack(want))


def test_bytes_are_scaled():
    frames = torch.randint(0, 256, (5, 24, 24), dtype=torch.uint8)
    strong = StrongPhaseDifference((24, 24), 2)
    for got, want in zip(strong(frames), strong(frames.float() / 255), strict=True):
        torch.testing.assert_close(got, want, rtol=0, atol=0)


def test_an_unknown_blur_is_refused():
    with pytest.raises(ValueError, match=r"blur: .*'box'"):
        StrongPhaseDifference((24, 24), blur="box")


@pytest.mark.parametrize(("size", "height", "nbands"), [((48, 36), 4, 2), ((37, 53), 5, 3)])
def test_the_pyramid_equals_the_reference(size, height, nbands):
    # Without a mean, which bands do not have: it would only add to what is rounded.
    images = torch.randn(2, *size)
    highpass, bands, lowpass = reference.SteerablePyramid(height, nbands)(images.double())
    got = StrongPyramid(size, height, nbands)(images)
    for part, expected in zip(got, (highpass, *bands, lowpass), strict=True):
        assert part.shape == expected.shape
        assert relative_error(part, expected) < 1e-6
