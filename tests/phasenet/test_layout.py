"""Real bands, bands at the image's size, tight frames, steering, and what filters are listed."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from support.transforms import flat
from torch.autograd import gradcheck

import phasenet.viz
from phasenet import SteerablePyramid, steer
from phasenet.parity import relative_error

FLAGS = [
    dict(zip(("real", "downsample", "tight_frame"), values, strict=True))
    for values in product((False, True), repeat=3)
]
SIZES = [(32, 48), (33, 46), (9, 12)]


@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize("boundary", ["periodic", "symmetric"])
def test_reconstructs(flags, boundary):
    for size, nbands, count in product(SIZES, (1, 3), (1, 2)):
        images = torch.randn(2, *size, dtype=torch.float64)
        pyramid = SteerablePyramid(4, nbands, bands_per_octave=count, boundary=boundary, **flags)
        coeffs = pyramid(images)
        assert all(band.is_complex() != flags["real"] for band in coeffs.bands)
        assert relative_error(pyramid.inverse(coeffs), images) < 1e-13


@pytest.mark.parametrize("flags", [f for f in FLAGS if f["tight_frame"]])
def test_a_tight_frame_has_the_energy_of_the_image(flags):
    for size, nbands, count in product(SIZES, (1, 3), (1, 2)):
        images = torch.randn(2, *size, dtype=torch.float64)
        coeffs = SteerablePyramid(4, nbands, bands_per_octave=count, **flags)(images)
        total = sum(float(x.abs().square().sum()) for x in flat(coeffs))
        assert total == pytest.approx(float(images.square().sum()), rel=1e-12)


def test_real_bands_are_the_real_parts():
    images = torch.randn(2, 33, 40)
    bands = SteerablePyramid(4, 3)(images).bands
    for got, want in zip(SteerablePyramid(4, 3, real=True)(images).bands, bands, strict=True):
        assert torch.equal(got, want.real)
        assert got.is_contiguous()


@pytest.mark.parametrize("flags", [f for f in FLAGS if not f["downsample"]])
def test_planes_of_the_images_size_are_shift_invariant(flags):
    images = torch.randn(45, 64, dtype=torch.float64)
    pyramid = SteerablePyramid(4, 2, **flags)
    still, moved = pyramid(images), pyramid(images.roll((5, -3), dims=(0, 1)))
    for a, b in zip(flat(still), flat(moved), strict=True):
        assert a.shape[-2:] == images.shape
        assert relative_error(b, a.roll((5, -3), dims=(-2, -1))) < 1e-12


def test_a_wave_has_its_amplitude_at_every_level():
    """Without downsampling; else levels have 4 times the one before."""
    for level in (1, 2):
        wave = torch.cos(math.pi * 2.0**-level * torch.arange(64, dtype=torch.float64))
        image = 0.7 * wave.expand(64, 64)
        plain = SteerablePyramid(4, 2, downsample=False)(image).bands[level - 1][0].abs()
        torch.testing.assert_close(plain, torch.full_like(plain, 0.7))
        usual = SteerablePyramid(4, 2)(image).bands[level - 1][0].abs()
        torch.testing.assert_close(usual, torch.full_like(usual, 0.7 * 4 ** (level - 1)))


@pytest.mark.parametrize("flags", [f for f in FLAGS if f["real"] and f["tight_frame"]])
def test_the_inverse_of_a_real_tight_frame_is_its_adjoint(flags):
    """Whatever the coefficients, at any size of theirs."""
    pyramid, image = SteerablePyramid(3, 3, **flags), torch.randn(8, 11, dtype=torch.float64)
    coeffs = pyramid(image)
    other = coeffs.map(torch.randn_like)
    there = sum(float((x * y).sum()) for x, y in zip(flat(coeffs), flat(other), strict=True))
    assert float((image * pyramid.inverse(other)).sum()) == pytest.approx(there)


@pytest.mark.parametrize("flags", [FLAGS[3], FLAGS[6]])
def test_gradients(flags):
    pyramid = SteerablePyramid(3, 2, **flags)
    image = torch.randn(5, 6, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: tuple(flat(pyramid(x))), image, fast_mode=True)
    assert gradcheck(lambda x: pyramid.inverse(2 * pyramid(x)), image, fast_mode=True)


@pytest.mark.parametrize("order", range(6))
def test_steers_to_any_angle(order):
    """Steered, a band is that of the image turned the other way: here by quarters, exactly."""
    pyramid = SteerablePyramid(4, order + 1, bands_per_octave=2)
    image = torch.randn(2, 65, 65, dtype=torch.float64)
    coeffs = pyramid(image)
    own = [math.pi * b / (order + 1) for b in range(order + 1)]
    for got, want in zip(steer(coeffs, own), coeffs.bands, strict=True):
        torch.testing.assert_close(got, want.real)
    angles = [0.3, -1.1, 4.0]
    turned = pyramid(image.rot90(-1, (-2, -1)))
    for got, want in zip(
        steer(turned, [a + math.pi / 2 for a in angles])[:2], steer(coeffs, angles), strict=False
    ):
        torch.testing.assert_close(got, want.rot90(-1, (-2, -1)))
    for got, want in zip(
        steer(coeffs, [a + math.pi for a in angles]), steer(coeffs, angles), strict=True
    ):
        torch.testing.assert_close(got, (-1) ** order * want)


def test_a_steered_band_answers_to_its_direction():
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    image = torch.cos(math.tau / 64 * (12 * x + 9 * y))
    coeffs = SteerablePyramid(4, 4, real=True)(image)
    angles = torch.linspace(0, math.pi, 181)[:-1]
    answers = steer(coeffs, angles)[0].abs().mean((-2, -1))
    assert float(angles[answers.argmax()]) == pytest.approx(math.atan2(9, 12), abs=0.02)
    assert steer(coeffs, 0.2)[0].shape == (1, 64, 64)


def test_steering_has_gradients():
    coeffs = SteerablePyramid(3, 3, real=True)(torch.randn(6, 7, dtype=torch.float64))
    angles = torch.tensor([0.3, 1.2], dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda a: steer(coeffs, a), angles)


@pytest.mark.parametrize("angles", [math.nan, [0.1, math.inf], [1e300]])
def test_angles_are_finite(angles):
    coeffs = SteerablePyramid(3, 3)(torch.randn(6, 7))
    with pytest.raises(ValueError, match="angles: expected finite numbers"):
        steer(coeffs, angles)


@pytest.mark.parametrize(
    "options",
    [
        {"nbands": 4},
        {"nbands": 1, "real": True},
        {"nbands": 3, "bands_per_octave": 2, "width": 0.3},
    ],
)
def test_filters_are_those_of_the_pyramid(options):
    """Their responses times an image's spectrum are its bands; what is said of them is measured."""
    pyramid = SteerablePyramid(4, **options, downsample=False)
    image = torch.randn(60, 75, dtype=torch.float64)
    coeffs = pyramid(image)
    filters = pyramid.filters((60, 75))
    spectrum = torch.fft.fftshift(torch.fft.fft2(image))
    for one in filters:
        band = torch.fft.ifft2(torch.fft.ifftshift(spectrum * one.response))
        want = eval(f"coeffs.{one.name}", {"coeffs": coeffs})
        assert relative_error(band if want.is_complex() else band.real, want) < 1e-12
    names = [one.name for one in filters]
    assert (names[0], names[-1], len(set(names))) == ("highpass", "lowpass", len(names))
    assert [one.level for one in filters] == sorted(one.level for one in filters)


@pytest.mark.parametrize(
    "options", [{}, {"bands_per_octave": 2}, {"bands_per_octave": 3, "width": 0.1}]
)
def test_frequency_bandwidth_and_orientation_are_measured(options):
    size = 256
    for one in SteerablePyramid(4, 4, **options).filters((size, size)):
        if one.scale is None or one.band not in (0, 2):
            continue
        row = one.response.abs()  # along the axis of its orientation
        row = row[size // 2, size // 2 :] if one.band == 0 else row[size // 2 :, size // 2]
        frequencies = torch.arange(len(row)) / size
        passed = frequencies[row**2 >= row.max() ** 2 / 2]
        assert one.orientation == pytest.approx(math.pi / 4 * one.band)
        low, high = float(passed[0]), float(passed[-1])
        assert math.log2(high / low) == pytest.approx(one.bandwidth, abs=0.06 * 2**one.level / 2)
        assert math.sqrt(low * high) == pytest.approx(one.frequency, rel=0.04)


@pytest.mark.parametrize("real", [False, True])
def test_filters_are_drawn(real):
    pyramid = SteerablePyramid(4, 2, real=real)
    picture = phasenet.viz.tile_filters(pyramid.filters((32, 40)), gap=4)
    assert picture.shape == (3 * 32 + 4 * 4, 4 * 40 + 5 * 4, 3)
    assert phasenet.viz.tile_pyramid(pyramid(torch.rand(16, 18))).ndim == 3
    with pytest.raises(TypeError, match="filters: expected a sequence of Filter, got int"):
        phasenet.viz.tile_filters(3)
    with pytest.raises(ValueError, match="rows: expected at least one picture"):
        phasenet.viz.tile_filters([])


def test_options_are_checked_and_shown():
    for name in ("real", "downsample", "tight_frame"):
        with pytest.raises(TypeError, match=f"{name}: expected True or False, got int"):
            SteerablePyramid(4, 2, **{name: 1})
    assert repr(SteerablePyramid(4, 2, real=True)).endswith("boundary='periodic', real=True)")
    coeffs = SteerablePyramid(4, 2)(torch.rand(16, 16))
    with pytest.raises(ValueError, match="out: expected None with real, downsample=False, tight"):
        SteerablePyramid(4, 2, real=True)(torch.rand(16, 16), out=coeffs)
    with pytest.raises(TypeError, match=r"coeffs.bands\[0\]: expected dtype torch.float32"):
        SteerablePyramid(4, 2, real=True).inverse(coeffs)
    with pytest.raises(TypeError, match="size: expected a pair of integers"):
        SteerablePyramid(4, 2).filters(3)
    with pytest.raises(ValueError, match="height: expected at most 3 for size"):
        SteerablePyramid(4, 2).filters((6, 7))
    for angles in ("x", True, [[1.0]], None):
        with pytest.raises((TypeError, ValueError), match="angles: expected"):
            steer(coeffs, angles)
    with pytest.raises(
        ValueError, match=r"coeffs.bands\[1\]: expected shape \[..., nbands, h, w\]"
    ):
        steer(coeffs._replace(bands=(coeffs.bands[0], coeffs.bands[1][:1])), 0.0)
    with pytest.raises(TypeError, match=r"coeffs.bands\[0\]: expected dtype torch.float32"):
        steer(coeffs._replace(bands=tuple(x.to(torch.complex128) for x in coeffs.bands)), 0.0)
    with pytest.raises(TypeError, match=r"coeffs.highpass: expected dtype float32 or float64"):
        steer(coeffs._replace(highpass=coeffs.highpass > 0), 0.0)


def test_nothing_gives_nothing():
    pyramid = SteerablePyramid(4, 2, downsample=False, real=True, tight_frame=True)
    coeffs = pyramid(torch.rand(0, 3, 16, 20))
    assert coeffs.bands[1].shape == (0, 3, 2, 16, 20)
    assert pyramid.inverse(coeffs).shape == (0, 3, 16, 20)
