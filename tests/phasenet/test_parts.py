"""Pyramids of some levels alone, and images of some parts alone."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from support.transforms import flat
from torch.autograd import gradcheck, gradgradcheck

from phasenet import PyramidCoeffs, SteerablePyramid
from phasenet.parity import relative_error

ops = torch.ops.phasenet
LAYOUTS = [{}, {"real": True}, {"downsample": False}, {"real": True, "tight_frame": True}]
SIZES = [(32, 48), (33, 46)]
ALONE = [((1,), True), ((3, 2), False), ((), True), (None, False), ((2,), False)]


@pytest.mark.parametrize(("levels", "residuals"), ALONE)
@pytest.mark.parametrize("options", LAYOUTS)
def test_levels_alone_are_those_of_the_whole(levels, residuals, options):
    for size, nbands, count in product(SIZES, (1, 3), (1, 2)):
        images = torch.randn(2, *size, dtype=torch.float64)
        pyramid = SteerablePyramid(5, nbands, bands_per_octave=count, **options)
        whole, some = pyramid(images), pyramid(images, levels=levels, residuals=residuals)
        chosen = (1, 2, 3) if levels is None else levels
        for i, (got, want) in enumerate(zip(flat(some), flat(whole), strict=True)):
            is_residual = i in (0, len(whole.bands) + 1)
            if residuals if is_residual else (i - 1) // count + 1 in chosen:
                assert torch.equal(got, want)
            else:
                assert got.shape == (*want.shape[:-2], 0, 0)
                assert got.dtype == want.dtype


@pytest.mark.parametrize(("levels", "residuals"), ALONE)
@pytest.mark.parametrize("options", [*LAYOUTS, {"boundary": "symmetric"}])
def test_images_of_parts_are_those_with_zeros_for_the_rest(levels, residuals, options):
    for size, nbands, count in product(SIZES, (1, 3), (1, 2)):
        images = torch.randn(2, *size, dtype=torch.float64)
        pyramid = SteerablePyramid(5, nbands, bands_per_octave=count, **options)
        coeffs = pyramid(images)
        chosen = (1, 2, 3) if levels is None else levels
        bands = [x * (i // count + 1 in chosen) for i, x in enumerate(coeffs.bands)]
        with_zeros = PyramidCoeffs(
            coeffs.highpass * residuals, tuple(bands), coeffs.lowpass * residuals
        )
        got = pyramid.inverse(coeffs, levels=levels, residuals=residuals)
        assert relative_error(got, pyramid.inverse(with_zeros)) < 1e-13
        out = torch.empty_like(images)
        pyramid.inverse(coeffs, levels=levels, residuals=residuals, out=out)
        assert torch.equal(out, got)


def test_images_of_all_parts_add_up():
    image = torch.randn(45, 70, dtype=torch.float64)
    pyramid = SteerablePyramid(5, 3, bands_per_octave=2)
    coeffs = pyramid(image)
    parts = [pyramid.inverse(coeffs, levels=())]
    for level, band in product((1, 2, 3), range(3)):
        parts.append(pyramid.inverse(coeffs, levels=(level,), bands=(band,), residuals=False))
    assert relative_error(sum(parts), image) < 1e-14
    assert min(float(part.norm()) for part in parts) > 0.01 * float(image.norm())


@pytest.mark.parametrize("parts", [[], [1, 3], [2], [0, 3]])
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("some", [[1], [3, 0], [2, 1, 0, 3]])
def test_orientations_alone_are_those_of_the_whole(parts, count, some):
    """Of the pyramid, its inverse and their adjoints, of one image and of several."""
    octave = count, 1 / count
    for images in (torch.randn(3, 33, 46, dtype=torch.float64), torch.rand(1, 1, 16, 24)):
        _, *bands, lowpass = ops.pyramid(images, 4, 4, *octave, parts)
        for name in ("pyramid", "pyramid_inverse_backward"):
            whole = getattr(ops, name)(images, 4, 4, *octave, parts)
            got = getattr(ops, name)(images, 4, 4, *octave, parts, some)
            assert torch.equal(got[0], whole[0])
            assert torch.equal(got[-1], whole[-1])
            for x, y in zip(got[1:-1], whole[1:-1], strict=True):
                assert torch.equal(x, y[..., some, :, :])
        chosen = [x[..., some, :, :] for x in bands]
        alone = [torch.zeros_like(x) for x in bands]
        for x, y in zip(alone, chosen, strict=True):
            x[..., some, :, :] = y
        for name in ("pyramid_inverse", "pyramid_backward"):
            whole = getattr(ops, name)(images, alone, lowpass, *octave, parts)
            got = getattr(ops, name)(images, chosen, lowpass, *octave, parts, 4, some)
            assert relative_error(got, whole) < (1e-13 if images.dtype == torch.float64 else 1e-6)


def test_other_orientations_than_there_are():
    image = torch.rand(16, 16)
    highpass, *bands, lowpass = ops.pyramid(image, 3, 3, orientations=[1])
    for wrong in ([3], [-1], [0, 0]):
        with pytest.raises(RuntimeError, match=r"pyramid: orientations: expected distinct numbers"):
            ops.pyramid(image, 3, 3, orientations=wrong)
    for nbands, some in ((3, [0, 1]), (0, [0]), (33, [0]), (1, [1])):
        with pytest.raises(RuntimeError, match="pyramid_inverse: "):
            ops.pyramid_inverse(highpass, bands, lowpass, nbands=nbands, orientations=some)


def test_gradients_of_orientations_alone():
    image = torch.rand(8, 9, dtype=torch.float64, requires_grad=True)

    def some(x):
        return ops.pyramid(x, 3, 3, parts=[1], orientations=[2, 0])[1]

    def back(x):
        return ops.pyramid_inverse(image.detach(), [x], image[:4, :4], 1, 1.0, [1], 3, [2, 0])

    whole = SteerablePyramid(3, 3)
    coeffs = whole(image.detach())
    planes = coeffs.bands[0].requires_grad_()

    def inverse(x):
        return whole.inverse(coeffs._replace(bands=(x,)), bands=(2, 0))

    assert gradcheck(some, image)
    assert gradcheck(inverse, planes)
    assert gradgradcheck(some, image, fast_mode=True)
    assert gradcheck(back, some(image.detach()).requires_grad_())


def test_the_inverse_takes_what_forward_gave_of_these_levels():
    image = torch.randn(45, 70)
    pyramid = SteerablePyramid(5, 3)
    some = pyramid(image, levels=(2,))
    got = pyramid.inverse(some, levels=(2,))
    assert torch.equal(got, pyramid.inverse(pyramid(image), levels=(2,)))
    with pytest.raises(ValueError, match=r"coeffs.bands\[0\]: expected shape \[3, 45, 70\]"):
        pyramid.inverse(some)


@pytest.mark.parametrize("parts", [[1, 3], [0, 2]])
def test_opcheck(parts):
    octave = 1, 1.0, parts
    images = torch.randn(2, 16, 18, dtype=torch.float64, requires_grad=True)
    highpass, *bands, lowpass = [
        x.detach().requires_grad_() for x in ops.pyramid(images.detach(), 5, 2)
    ]
    torch.library.opcheck(ops.pyramid.default, (images, 5, 2, *octave))
    torch.library.opcheck(ops.pyramid_inverse_backward.default, (images, 5, 2, *octave))
    for op in (ops.pyramid_inverse.default, ops.pyramid_backward.default):
        torch.library.opcheck(op, (highpass, bands, lowpass, *octave))


@pytest.mark.parametrize("parts", [[0, 2], [1]])
def test_gradients(parts):
    image = torch.randn(4, 4, dtype=torch.float64, requires_grad=True)
    highpass, bands, lowpass = (x.detach().requires_grad_() for x in ops.pyramid(image, 3, 2))

    def analysed(x):
        return tuple(y for y in ops.pyramid(x, 3, 2, 1, 1.0, parts) if y.numel())

    def image_of(highpass, bands, lowpass):
        return ops.pyramid_inverse(highpass, [bands], lowpass, 1, 1.0, parts)

    assert gradcheck(analysed, image)
    assert gradgradcheck(analysed, image)
    assert gradcheck(image_of, (highpass, bands, lowpass))
    assert gradgradcheck(image_of, (highpass, bands, lowpass))


def test_under_transforms_and_compiled():
    images = torch.randn(3, 16, 18)
    pyramid = SteerablePyramid(4, 2)

    def part(x):
        return pyramid.inverse(pyramid(x, levels=(1,)), levels=(1,), residuals=False)

    want = part(images)
    torch.testing.assert_close(torch.func.vmap(part)(images), want)
    torch.testing.assert_close(torch.compile(part, fullgraph=True)(images), want)
    jacobian = torch.func.jacrev(part)(images[0]).reshape(16 * 18, -1)
    torch.testing.assert_close(jacobian @ images[0].flatten(), want[0].flatten())


def test_what_is_no_part_is_refused():
    pyramid, image = SteerablePyramid(4, 2), torch.rand(16, 18)
    coeffs = pyramid(image)
    for levels in ((3,), (0,), (1, 1), "12", 1):
        for call in (
            lambda x: pyramid(image, levels=x),
            lambda x: pyramid.inverse(coeffs, levels=x),
        ):
            with pytest.raises((TypeError, ValueError), match="levels: expected"):
                call(levels)
    for bands in ((2,), (), (0, 0), 1, (-1,)):
        with pytest.raises((TypeError, ValueError), match="bands: expected"):
            pyramid.inverse(coeffs, bands=bands)
    with pytest.raises(TypeError, match="residuals: expected True or False, got int"):
        pyramid(image, residuals=0)
    with pytest.raises(ValueError, match="levels: expected"):
        pyramid(image, levels=(), residuals=False)
    with pytest.raises(ValueError, match=r"out: expected None with .* parts alone, got PyramidC"):
        pyramid(image, levels=(1,), out=coeffs)
    for parts in ([4], [-1]):
        with pytest.raises(RuntimeError, match="parts: no part"):
            ops.pyramid(image, 4, 2, 1, 1.0, parts)
