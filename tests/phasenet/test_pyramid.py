"""The pyramid: parity with the reference, invariants, and peers."""

from __future__ import annotations

import math

import pytest
import torch
from support.transforms import flat

from phasenet import PyramidCoeffs, SteerablePyramid, reference
from phasenet.parity import relative_error

SIZES = [(96, 96), (64, 96), (75, 101), (67, 130), (8, 8), (9, 31), (16, 1000)]


@pytest.mark.parametrize("nbands", [2, 3, 4, 5])
@pytest.mark.parametrize("size", SIZES)
def test_equals_reference(size, nbands):
    images = torch.rand(2, *size, dtype=torch.float64)
    expected = flat(reference.SteerablePyramid(4, nbands)(images))
    for dtype, bar in ((torch.float64, 1e-13), (torch.float32, 1e-6)):
        coeffs = flat(SteerablePyramid(4, nbands)(images.to(dtype)))
        for got, want in zip(coeffs, expected, strict=True):
            assert got.shape == want.shape
            # A band may hold nothing but rounding (at 8 x 8, say): then the image is the scale.
            scale = max(float(want.norm()), 1e-2 * float(images.norm()))
            assert float((got.to(want.dtype) - want).norm()) < bar * scale


@pytest.mark.parametrize("nbands", range(2, 9))
@pytest.mark.parametrize("size", [(96, 96), (64, 96), (75, 101), (67, 130)])
def test_reconstructs(size, nbands):
    for dtype, bar in ((torch.float64, 1e-14), (torch.float32, 1e-6)):
        images = torch.rand(3, *size, dtype=dtype)
        pyramid = SteerablePyramid(5, nbands)
        assert relative_error(pyramid.inverse(pyramid(images)), images) < bar


@pytest.mark.parametrize("side", range(4, 40))
def test_reconstructs_tiny_and_odd_images(side):
    images = torch.rand(side, side + 1, dtype=torch.float64)
    height = min(side.bit_length(), 6)
    pyramid = SteerablePyramid(height, 4)
    assert relative_error(pyramid.inverse(pyramid(images)), images) < 1e-14


def test_reconstructs_at_the_largest_height():
    images = torch.rand(256, 300, dtype=torch.float64)
    pyramid = SteerablePyramid(9, 2)
    coeffs = pyramid(images)
    assert coeffs.lowpass.shape == (2, 3)
    assert relative_error(pyramid.inverse(coeffs), images) < 1e-14


def test_reconstructs_from_changed_coefficients_as_the_reference():
    coeffs = SteerablePyramid(5, 3)(torch.rand(60, 70, dtype=torch.float64))
    changed = PyramidCoeffs(
        2 * coeffs.highpass,
        tuple(band * torch.randn_like(band) for band in coeffs.bands),
        coeffs.lowpass + torch.rand_like(coeffs.lowpass),
    )
    got = SteerablePyramid(5, 3).inverse(changed)
    assert relative_error(got, reference.SteerablePyramid(5, 3).inverse(changed)) < 1e-14


@pytest.mark.parametrize("size", [(64, 64), (63, 80)])
@pytest.mark.parametrize("nbands", [2, 5])
def test_energy_is_kept(size, nbands):
    """Parseval: residuals and half the (analytic) bands' energies sum to the image's."""
    images = torch.rand(*size, dtype=torch.float64)
    coeffs = SteerablePyramid(4, nbands)(images)
    area = math.prod(size)

    def energy(x: torch.Tensor) -> float:  # a critically cropped level has fewer, larger samples
        h, w = x.shape[-2:]
        return float((x.abs() ** 2).sum()) * h * w / area

    total = energy(coeffs.highpass) + energy(coeffs.lowpass)
    total += sum(energy(band) / 2 for band in coeffs.bands)
    assert total == pytest.approx(float((images**2).sum()), rel=1e-12)


@pytest.mark.parametrize("size", [(64, 48), (45, 64)])
def test_a_cyclic_shift_moves_the_first_level_with_it(size):
    images = torch.rand(*size, dtype=torch.float64)
    pyramid = SteerablePyramid(4, 4)
    moved = pyramid(images.roll((5, -3), dims=(0, 1)))
    still = pyramid(images)
    assert relative_error(moved.highpass, still.highpass.roll((5, -3), dims=(0, 1))) < 1e-13
    assert relative_error(moved.bands[0], still.bands[0].roll((5, -3), dims=(-2, -1))) < 1e-13


def test_bands_answer_to_their_direction():
    """Structure that varies along x goes to band 0, along y to the band at 90 degrees."""
    wave = torch.cos(math.pi / 2 * torch.arange(64, dtype=torch.float64)).expand(64, 64)
    bands = SteerablePyramid(4, 4)
    along_x = bands(wave).bands[0].abs().mean((-2, -1))
    along_y = bands(wave.T.contiguous()).bands[0].abs().mean((-2, -1))
    assert along_x.argmax() == 0
    assert along_y.argmax() == 2
    assert along_x[2] < 1e-12


@pytest.mark.parametrize(("size", "order"), [((96, 96), 1), ((64, 96), 3), ((48, 130), 2)])
def test_agrees_with_plenoptic(size, order):
    plenoptic = pytest.importorskip("plenoptic", reason="plenoptic is not installed (extra: test)")
    images = torch.rand(1, 1, *size, dtype=torch.float64)
    peer = plenoptic.process.SteerablePyramidFreq(
        size, height=2, order=order, is_complex=True, downsample=True, tight_frame=False
    )(images)
    coeffs = SteerablePyramid(4, order + 1)(images)
    # plenoptic interpolates its filters from tables; 1e-5 is their accuracy.
    assert relative_error(coeffs.highpass, peer["residual_highpass"]) < 1e-5
    assert relative_error(coeffs.lowpass, peer["residual_lowpass"]) < 1e-5
    for level in range(2):
        assert relative_error(coeffs.bands[level], peer[level]) < 1e-5


@pytest.mark.parametrize(("size", "order"), [((64, 96), 1), ((75, 101), 2), ((67, 130), 3)])
def test_agrees_with_pyrtools_on_its_frequency_grid(size, order, monkeypatch):
    """At odd sizes pyrtools places DC half a sample off, which is why it does not reconstruct.

    On that grid the reference gives its coefficients, so nothing else differs. At even sizes both
    grids are the same.
    """
    pyrtools = pytest.importorskip("pyrtools", reason="pyrtools is not installed (extra: test)")
    image = torch.rand(*size, dtype=torch.float64)

    def their_grid(size, like):
        axes = [torch.linspace(-1, 1, m + 1, dtype=torch.float64)[:-1] for m in size]
        f_y, f_x = torch.meshgrid(*axes, indexing="ij")
        return torch.sqrt(f_x**2 + f_y**2).log2(), torch.atan2(f_y, f_x)

    monkeypatch.setattr(reference, "_polar_grid", their_grid)
    ours = reference.SteerablePyramid(4, order + 1)(image)
    peer = pyrtools.pyramids.SteerablePyramidFreq(
        image.numpy(), height=2, order=order, is_complex=True
    ).pyr_coeffs
    for level in range(2):
        for band in range(order + 1):
            expected = torch.from_numpy(peer[level, band])
            assert relative_error(ours.bands[level][band], expected) < 1e-5


def test_batches_strides_and_bytes():
    images = torch.randint(0, 256, (2, 3, 33, 40), dtype=torch.uint8)
    pyramid = SteerablePyramid(4, 3)
    whole = pyramid(images)
    assert whole.bands[0].shape == (2, 3, 3, 33, 40)
    assert whole.bands[0].dtype == torch.complex64
    single = pyramid(images[1, 2])
    strided = pyramid((images.float() / 255).permute(0, 1, 3, 2).contiguous().permute(0, 1, 3, 2))
    for a, b, c in zip(flat(whole), flat(single), flat(strided), strict=True):
        assert relative_error(a[1, 2], b) < 1e-6
        assert relative_error(a, c) < 1e-6


def test_conjugated_views_are_resolved():
    coeffs = SteerablePyramid(4, 2)(torch.rand(32, 32, dtype=torch.float64))
    lazy = coeffs._replace(bands=tuple(band.conj() for band in coeffs.bands))
    solid = coeffs._replace(bands=tuple(band.conj_physical() for band in coeffs.bands))
    inverse = SteerablePyramid(4, 2).inverse
    torch.testing.assert_close(inverse(lazy), inverse(solid))


def test_empty_batch():
    pyramid = SteerablePyramid(4, 2)
    coeffs = pyramid(torch.rand(0, 3, 16, 16))
    assert coeffs.bands[1].shape == (0, 3, 2, 8, 8)
    assert pyramid.inverse(coeffs).shape == (0, 3, 16, 16)


def test_many_images_go_through_in_chunks():
    images = torch.rand(70, 128, 128)
    coeffs = SteerablePyramid(4, 4)(images)
    torch.testing.assert_close(coeffs.bands[0][69], SteerablePyramid(4, 4)(images[69]).bands[0])


@pytest.mark.parametrize("size", [(48, 48), (37, 50), (9, 12)])
@pytest.mark.parametrize("nbands", [2, 5])
def test_mirrored_boundary(size, nbands):
    """The pyramid of the mirrored image, an exact inverse, and a view of the image's own part."""
    images = torch.rand(2, *size, dtype=torch.float64)
    pyramid = SteerablePyramid(4, nbands, boundary="symmetric")
    coeffs = pyramid(images)
    exact = reference.SteerablePyramid(4, nbands, boundary="symmetric")
    expected = exact(images)
    assert relative_error(exact.inverse(expected), images) < 1e-13
    for got, want in zip(flat(coeffs), flat(expected), strict=True):
        assert relative_error(got, want) < 1e-13
    assert relative_error(pyramid.inverse(coeffs), images) < 1e-14
    own = coeffs.unmirrored()
    assert own.highpass.shape == images.shape
    assert torch.equal(
        own.bands[1],
        coeffs.bands[1][..., : own.bands[1].shape[-2], :][..., : own.bands[1].shape[-1]],
    )
    assert "boundary='symmetric'" in repr(pyramid)


def test_nothing_jumps_at_a_mirrored_border():
    """A ramp is a step where it is continued periodically, and none where it is mirrored."""
    ramp = torch.linspace(0, 1, 64, dtype=torch.float64).expand(64, 64)
    periodic = SteerablePyramid(4, 2)(ramp).highpass.abs().max()
    mirrored = SteerablePyramid(4, 2, boundary="symmetric")(ramp).highpass.abs().max()
    assert float(mirrored) < 0.01 * float(periodic)


def test_boundaries_are_checked():
    with pytest.raises(ValueError, match="boundary: expected 'periodic' or 'symmetric', got 'no'"):
        SteerablePyramid(4, 2, boundary="no")
    coeffs = SteerablePyramid(4, 2)(torch.rand(17, 16))
    with pytest.raises(ValueError, match=r"coeffs.highpass: expected shape \[..., 2 H, 2 W\]"):
        SteerablePyramid(4, 2, boundary="symmetric").inverse(coeffs)


def test_a_smaller_image_is_allowed_where_it_is_mirrored():
    images = torch.rand(4, 5)
    assert SteerablePyramid(4, 2, boundary="symmetric")(images).lowpass.shape == (2, 3)
    with pytest.raises(ValueError, match="height: expected at most 3 for images"):
        SteerablePyramid(4, 2)(images)
