"""Pyramids with several scales to an octave, and with one orientation."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from support.transforms import flat
from torch.autograd import gradcheck, gradgradcheck

import phasenet
from phasenet import PyramidCoeffs, SteerablePyramid, reference
from phasenet.parity import relative_error

SIZES = [(96, 96), (64, 96), (75, 101), (67, 130), (8, 8), (9, 31), (16, 1000)]
# Scales to an octave, their transitions' width, orientations.
FILTERS = [(2, None, 4), (2, 0.3, 3), (3, None, 2), (4, None, 5), (4, 1 / 32, 2), (1, 0.5, 4)]
ISOTROPIC = [(1, None, 1), (2, None, 1), (3, 0.1, 1)]
ALL = FILTERS + ISOTROPIC


def pyramids(height, filters, **options):
    count, width, nbands = filters
    options |= {"bands_per_octave": count, "width": width}
    return (
        SteerablePyramid(height, nbands, **options),
        reference.SteerablePyramid(height, nbands, **options),
    )


def assert_close(got, want, images, bar):
    assert got.shape == want.shape
    # The image is the scale: a band of a small one may hold nothing but the rounding of radii, at
    # the foot of a filter as steep as 1 / width.
    assert float((got.to(want.dtype) - want).norm()) < bar * float(images.norm())


@pytest.mark.parametrize("filters", ALL)
@pytest.mark.parametrize("size", SIZES)
def test_equals_reference(size, filters):
    images = torch.randn(2, *size, dtype=torch.float64)
    ours, exact = pyramids(4, filters)
    expected = flat(exact(images))
    for dtype, bar in ((torch.float64, 1e-13), (torch.float32, 1e-6)):
        for got, want in zip(flat(ours(images.to(dtype))), expected, strict=True):
            assert_close(got, want, images, bar)


@pytest.mark.parametrize(
    "other", [{"width": 0.3}, {"bands_per_octave": 3}, {"nbands": 3}, {"height": 3}, {"width": 0.2}]
)
def test_what_is_kept_of_one_pyramid_is_not_taken_for_another(other):
    """Of the same size, one after the other, in all but one setting alike."""
    images = torch.randn(33, 40, dtype=torch.float64)
    settings = {"height": 4, "nbands": 2, "bands_per_octave": 2}
    for own in (settings, settings | other):
        expected = flat(reference.SteerablePyramid(**own)(images))
        for got, want in zip(flat(SteerablePyramid(**own)(images)), expected, strict=True):
            assert_close(got, want, images, 1e-13)


@pytest.mark.parametrize("filters", ALL)
@pytest.mark.parametrize("size", SIZES)
def test_reconstructs(size, filters):
    height = min(min(size).bit_length(), 5)
    for dtype, bar in ((torch.float64, 1e-14), (torch.float32, 1e-6)):
        images = torch.rand(3, *size, dtype=dtype)
        for pyramid in pyramids(height, filters):
            assert relative_error(pyramid.inverse(pyramid(images)), images) < bar


@pytest.mark.parametrize("side", range(4, 40))
def test_reconstructs_tiny_and_odd_images(side):
    images = torch.rand(side, side + 1, dtype=torch.float64)
    for filters in ALL:
        pyramid, _ = pyramids(min(side.bit_length(), 6), filters)
        assert relative_error(pyramid.inverse(pyramid(images)), images) < 1e-14


@pytest.mark.parametrize("filters", ALL)
def test_reconstructs_mirrored_images(filters):
    images = torch.rand(37, 50, dtype=torch.float64)
    pyramid, exact = pyramids(5, filters, boundary="symmetric")
    coeffs = pyramid(images)
    for got, want in zip(flat(coeffs), flat(exact(images)), strict=True):
        assert relative_error(got, want) < 1e-13
    assert relative_error(pyramid.inverse(coeffs), images) < 1e-14
    assert coeffs.unmirrored().bands[0].shape[-2:] == images.shape


@pytest.mark.parametrize("filters", ALL)
def test_reconstructs_from_changed_coefficients_as_the_reference(filters):
    pyramid, exact = pyramids(5, filters)
    coeffs = pyramid(torch.rand(60, 70, dtype=torch.float64))
    changed = coeffs.map(lambda x: x * torch.randn_like(x))
    assert relative_error(pyramid.inverse(changed), exact.inverse(changed)) < 1e-14


@pytest.mark.parametrize("filters", ALL)
@pytest.mark.parametrize("size", [(64, 64), (63, 80)])
def test_energy_is_kept(size, filters):
    """Parseval: residuals and half the (analytic) bands' energies sum to the image's."""
    images = torch.rand(*size, dtype=torch.float64)
    coeffs = pyramids(4, filters)[0](images)

    def energy(x: torch.Tensor) -> float:  # a smaller level has fewer, larger samples
        return float((x.abs() ** 2).sum()) * math.prod(x.shape[-2:]) / math.prod(size)

    share = 1 if filters[2] == 1 else 1 / 2
    total = energy(coeffs.highpass) + energy(coeffs.lowpass)
    total += share * sum(energy(band) for band in coeffs.bands)
    assert total == pytest.approx(float((images**2).sum()), rel=1e-12)


def test_each_scale_answers_to_its_own_frequency():
    """The finest of three scales of the first octave is centred on 2^(-1/3) of Nyquist, ..."""
    pyramid = SteerablePyramid(4, 4, bands_per_octave=3)
    assert [band.shape[-1] for band in pyramid(torch.rand(96, 96)).bands] == [96] * 3 + [48] * 3
    for scale in range(6):
        cycles = round(96 / 2 * 2 ** (-(scale + 1) / 3))
        wave = torch.cos(2 * math.pi * cycles / 96 * torch.arange(96, dtype=torch.float64))
        amplitudes = [
            band[..., 0, :, :].abs().mean() for band in pyramid(wave.expand(96, 96)).bands
        ]
        assert max(range(6), key=lambda i: float(amplitudes[i])) == scale


def test_an_impulse_has_the_responses_of_the_maths():
    """Each band's response, measured by an impulse, is the product of the masks in maths.md."""
    size, count, width, nbands = (40, 46), 2, 0.4, 3
    impulse = torch.zeros(size, dtype=torch.float64)
    impulse[0, 0] = 1
    bands = SteerablePyramid(4, nbands, bands_per_octave=count, width=width)(impulse).bands[:count]
    f_y, f_x = torch.meshgrid(
        *(2 * torch.fft.fftfreq(m, dtype=torch.float64) for m in size), indexing="ij"
    )
    log_radius, angle = torch.hypot(f_y, f_x).log2(), torch.atan2(f_y, f_x)

    def ramp(edge):  # 0 at the edge, pi / 2 a width below
        return math.pi / 2 * ((edge - log_radius) / width).clamp(0, 1)

    for scale, b in product(range(count), range(nbands)):
        d = torch.remainder(angle - math.pi * b / nbands + math.pi, 2 * math.pi) - math.pi
        radial = torch.sin(ramp(-scale / count)) * torch.cos(ramp(-(scale + 1) / count))
        angular = torch.where(d.abs() < math.pi / 2, 2 * math.sqrt(8 / 9) * d.cos() ** 2, 0)
        response = torch.fft.fft2(bands[scale][b])
        torch.testing.assert_close(response, (-radial * angular).to(response.dtype))


def test_one_orientation_is_real_and_alike_in_all_directions():
    image = torch.rand(64, 64, dtype=torch.float64)
    pyramid = SteerablePyramid(4, 1, bands_per_octave=2)
    bands, turned = pyramid(image).bands, pyramid(image.T.contiguous()).bands
    for band, other in zip(bands, turned, strict=True):
        assert band.shape[0] == 1
        assert torch.count_nonzero(band.imag) == 0
        assert relative_error(other, band.mT) < 1e-13


def test_an_octave_is_what_it_was_bit_for_bit():
    """Said or not: the options of filters an octave wide change nothing."""
    image = torch.rand(45, 70)
    usual = SteerablePyramid(5, 3)(image)
    said = SteerablePyramid(5, 3, bands_per_octave=1, width=1.0)(image)
    assert all(map(torch.equal, flat(usual), flat(said)))


@pytest.mark.parametrize("filters", [(2, 0.4, 2), (3, None, 1)])
def test_gradients(filters):
    pyramid, _ = pyramids(3, filters)
    images = torch.rand(5, 6, dtype=torch.float64, requires_grad=True)
    coeffs = [x.detach().requires_grad_() for x in flat(pyramid(images))]
    if filters[2] == 1:  # gradcheck takes numbers with a real and an imaginary part
        coeffs = [x.detach() if x.is_complex() else x for x in coeffs]

    def image_of(highpass, *rest):
        return pyramid.inverse(PyramidCoeffs(highpass, rest[:-1], rest[-1]))

    assert gradcheck(lambda x: flat_tuple(pyramid(x)), images)
    assert gradgradcheck(lambda x: flat_tuple(pyramid(x)), images, fast_mode=True)
    assert gradcheck(image_of, coeffs)
    assert gradgradcheck(image_of, coeffs, fast_mode=True)


def flat_tuple(coeffs: PyramidCoeffs) -> tuple[torch.Tensor, ...]:
    return tuple(flat(coeffs))


@pytest.mark.parametrize("filters", [(2, None, 4), (2, 0.3, 1)])
def test_compiles_and_exports(filters):
    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pyramid, _ = pyramids(4, filters)

        def forward(self, x):
            return self.pyramid.inverse(2 * self.pyramid(x))

    images, net = torch.rand(2, 24, 30), Net()
    want = net(images)
    torch.testing.assert_close(torch.compile(net, fullgraph=True)(images), want)
    torch.testing.assert_close(torch.export.export(net, (images,)).module()(images), want)


def test_writes_into_coefficients_that_are_there():
    pyramid, images = SteerablePyramid(4, 3, bands_per_octave=2), torch.rand(2, 33, 40)
    want = pyramid(images)
    out = want.map(torch.zeros_like)
    written = pyramid(images, out=out)
    assert all(map(torch.equal, flat(written), flat(want)))
    image = torch.zeros_like(images)
    assert pyramid.inverse(want, out=image) is image
    assert torch.equal(image, pyramid.inverse(want))


@pytest.mark.parametrize("module", [phasenet, reference])
def test_what_is_no_tight_frame_is_refused(module):
    with pytest.raises(
        ValueError,
        match=r"width: expected octaves from 0.03125 to 1 / bands_per_octave = 0.5, so that no "
        r"transition reaches into the next, got 0.75$",
    ):
        module.SteerablePyramid(4, 4, bands_per_octave=2, width=0.75)
    with pytest.raises(ValueError, match="bands_per_octave: expected at most 4, got 5"):
        module.SteerablePyramid(4, 4, bands_per_octave=5)


def test_options_are_shown():
    assert "bands_per_octave=2, width=0.5" in repr(SteerablePyramid(4, 4, bands_per_octave=2))
    assert "width" not in repr(SteerablePyramid(4, 4))
