"""The CUDA pyramid's own sources on the CPU: parity, adjoints, determinism, strides, limits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.transforms import flat
from torch import Tensor

from phasenet import PyramidCoeffs, reference

ORDERS = ("forward", "backward", "shuffled")
BARS = {torch.float32: 1e-5, torch.float64: 1e-12}
# Odd, even, not square, one tile, several, tiny; height, bands, images.
CASES = [
    ((16, 16), 4, 2, 2),
    ((33, 40), 4, 3, 1),
    ((9, 31), 4, 4, 3),
    ((75, 101), 5, 6, 1),
    ((64, 96), 6, 2, 2),
    ((4, 5), 3, 4, 2),
    ((8, 131), 4, 5, 1),
    ((40, 32), 4, 32, 1),
    ((20, 27), 4, 8, 2),
    # By transforms of our own in float32: powers of two from 8 on, levels down to 2.
    ((8, 8), 3, 2, 3),
    ((32, 8), 4, 32, 2),
    ((16, 128), 5, 3, 2),
    ((64, 32), 6, 4, 3),
    ((256, 64), 7, 5, 1),
    ((8, 512), 4, 2, 2),
    ((512, 8), 3, 4, 1),
    ((8, 1024), 3, 3, 1),
    ((1024, 16), 5, 2, 1),
    # One orientation.
    ((33, 40), 4, 1, 2),
    ((32, 16), 4, 1, 2),
]
OCTAVE = (1, 1.0)
# Scales to an octave and the width of their transitions, by either way.
NARROW = [
    ((33, 40), 4, 4, 2, (2, 0.5)),
    ((75, 101), 5, 3, 1, (3, 0.2)),
    ((9, 31), 4, 1, 3, (4, 0.25)),
    ((5, 4), 3, 2, 2, (1, 0.5)),
    ((64, 32), 6, 4, 3, (2, 0.5)),
    ((256, 64), 7, 5, 1, (4, 1 / 32)),
    ((8, 1024), 3, 2, 1, (3, 1 / 3)),
    ((16, 16), 4, 1, 2, (2, 0.3)),
]
ALL = [*((*case, OCTAVE) for case in CASES), *NARROW]


def wide(x: Tensor) -> Tensor:
    return x.to(torch.complex128 if x.is_complex() else torch.float64)


def error(got: Tensor, want: Tensor, least: float) -> float:
    """Relative; where the result is nothing but rounding, to the input."""
    assert got.shape == want.shape
    return float((wide(got) - want).norm()) / max(float(want.norm()), 1e-2 * least)


def analyzed(
    module, name: str, images: Tensor, height: int, nbands: int, octave=OCTAVE
) -> list[Tensor]:
    parts = getattr(module, name)(images.numpy(), height, nbands, *octave)
    return [torch.from_numpy(part) for part in parts]


def synthesized(module, name: str, parts: list[Tensor], octave=OCTAVE) -> Tensor:
    highpass, *bands, lowpass = (part.numpy() for part in parts)
    return torch.from_numpy(getattr(module, name)(highpass, bands, lowpass, *octave))


def exact_pyramid(height: int, nbands: int, octave: tuple[int, float]):
    return reference.SteerablePyramid(height, nbands, bands_per_octave=octave[0], width=octave[1])


def changed(parts: list[Tensor]) -> list[Tensor]:
    return [torch.randn_like(part) for part in parts]


@pytest.mark.parametrize("dtype", list(BARS))
@pytest.mark.parametrize(("size", "height", "nbands", "count", "octave"), ALL)
def test_equals_reference(emulated, size, height, nbands, count, octave, dtype):
    images = torch.rand(count, *size).to(dtype)
    exact = exact_pyramid(height, nbands, octave)
    expected = flat(exact(images.double()))
    got = analyzed(emulated, "pyramid", images, height, nbands, octave)
    least = float(images.double().norm())
    for part, want in zip(got, expected, strict=True):
        assert part.is_complex() == want.is_complex()
        assert error(part, want, least) < BARS[dtype]
    back = synthesized(emulated, "pyramid_inverse", got, octave)
    assert error(back, images.double(), least) < BARS[dtype]
    other = changed(got)  # not in the range of the pyramid, with imaginary parts of their own
    highpass, *bands, lowpass = map(wide, other)
    want = exact.inverse(PyramidCoeffs(highpass, tuple(bands), lowpass))
    assert error(synthesized(emulated, "pyramid_inverse", other, octave), want, 0) < BARS[dtype]


@pytest.mark.parametrize("dtype", list(BARS))
@pytest.mark.parametrize(("size", "height", "nbands", "count", "octave"), ALL)
def test_adjoints_equal_the_gradients_of_the_reference(
    emulated, size, height, nbands, count, octave, dtype
):
    images = torch.rand(count, *size, dtype=torch.float64).to(dtype)
    exact = exact_pyramid(height, nbands, octave)
    leaf = images.double().clone().requires_grad_()
    parts = flat(exact(leaf))
    grads = [torch.randn_like(part).to(_like(part, dtype)) for part in parts]
    torch.autograd.backward(parts, [wide(grad) for grad in grads])
    got = synthesized(emulated, "pyramid_backward", grads, octave)
    assert error(got, leaf.grad, 0) < BARS[dtype]

    leaves = [part.detach().clone().requires_grad_() for part in parts]
    highpass, *bands, lowpass = leaves
    exact.inverse(PyramidCoeffs(highpass, tuple(bands), lowpass)).backward(images.double())
    got = analyzed(emulated, "pyramid_inverse_backward", images, height, nbands, octave)
    for part, leaf in zip(got, leaves, strict=True):
        assert error(part, leaf.grad, float(images.double().norm())) < BARS[dtype]


def _like(part: Tensor, dtype: torch.dtype) -> torch.dtype:
    return dtype.to_complex() if part.is_complex() else dtype


@pytest.mark.parametrize("dtype", list(BARS))
@pytest.mark.parametrize("octave", [OCTAVE, (2, 0.4)])
@pytest.mark.parametrize("size", [(33, 40), (32, 64)])
def test_parts_alone(emulated, size, octave, dtype):
    """They are the whole's, and the image of some is that with zeros for the rest."""
    images = torch.rand(2, *size).to(dtype)
    scales = 3 * octave[0]
    for chosen in ([0], [1], [1, scales], [scales, scales + 1], [0, 2, scales + 1]):
        for name in ("pyramid", "pyramid_inverse_backward"):
            whole = analyzed(emulated, name, images, 5, 3, octave)
            alone = analyzed(emulated, name, images, 5, 3, (*octave, chosen))
            for i, (got, want) in enumerate(zip(alone, whole, strict=True)):
                if i in chosen:
                    assert torch.equal(got, want)
                else:
                    assert got.shape == (*want.shape[:-2], 0, 0)
        other = changed(whole)
        zeroed = [x if i in chosen else torch.zeros_like(x) for i, x in enumerate(other)]
        for i in range(1, len(other)):
            if i not in chosen:
                other[i] = other[i][..., :0, :0]
        for name in ("pyramid_inverse", "pyramid_backward"):
            got = synthesized(emulated, name, other, (*octave, chosen))
            want = synthesized(emulated, name, zeroed, octave)
            assert error(got, wide(want), 0) < BARS[dtype]


def test_bytes_are_scaled(emulated):
    images = torch.randint(0, 256, (3, 37, 41), dtype=torch.uint8)
    got = analyzed(emulated, "pyramid", images, 4, 2)
    want = flat(reference.SteerablePyramid(4, 2)(images.double() / 255))
    for part, expected in zip(got, want, strict=True):
        assert part.dtype in (torch.float32, torch.complex64)
        assert error(part, expected, 0) < 1e-5


@pytest.mark.parametrize("shape", [(0, 16, 20), (3, 0, 16, 20), (3, 0, 16, 32)])
def test_empty_batches(emulated, shape):
    images = torch.rand(shape)
    got = analyzed(emulated, "pyramid", images, 4, 3)
    want = flat(reference.SteerablePyramid(4, 3)(images))
    assert [(part.shape, part.dtype) for part in got] == [(x.shape, x.dtype) for x in want]
    for name in ("pyramid_inverse", "pyramid_backward"):
        assert synthesized(emulated, name, got).shape == shape
    parts = analyzed(emulated, "pyramid_inverse_backward", images, 4, 3)
    assert [part.shape for part in parts] == [part.shape for part in want]


def test_batch_dimensions_are_kept(emulated):
    images = torch.rand(2, 3, 20, 24)
    got = analyzed(emulated, "pyramid", images, 4, 2)
    # As many images: torch's FFT of one alone may round differently.
    in_a_row = analyzed(emulated, "pyramid", images.flatten(0, 1), 4, 2)
    for part, flattened in zip(got, in_a_row, strict=True):
        assert torch.equal(part.flatten(0, 1), flattened)
    assert synthesized(emulated, "pyramid_inverse", got).shape == images.shape


@pytest.mark.parametrize("size", [(45, 70), (32, 64), (64, 16)])
def test_the_order_of_threads_changes_no_bit(emulated, size):
    images = torch.rand(2, *size)
    results = []
    for order in ORDERS:
        emulated.configure(order=order, seed=7)
        results.append(bits(everything(emulated, images, 4, 3)))
    assert results[1:] == results[:1] * 2


def everything(module, images: Tensor, height: int, nbands: int) -> list[Tensor]:
    """Of both transforms and both adjoints; the images last."""
    parts = analyzed(module, "pyramid", images, height, nbands)
    torch.manual_seed(3)
    other = changed(parts)
    parts += analyzed(module, "pyramid_inverse_backward", images, height, nbands)
    return parts + [
        synthesized(module, name, other) for name in ("pyramid_inverse", "pyramid_backward")
    ]


def bits(parts: list[Tensor]) -> list[bytes]:
    return [part.numpy().tobytes() for part in parts]


@pytest.mark.parametrize("size", [(32, 64), (64, 16)])
def test_how_many_images_fit_into_the_l2_changes_no_bit(emulated, size):
    images = torch.rand(5, *size)
    before = emulated.launches()
    usual = everything(emulated, images, 4, 3)
    least = emulated.launches() - before
    for fitting in (8, 3, 2, 1):  # of five images' planes of three bands each
        emulated.configure(l2_bytes=3 * fitting * 8 * size[0] * size[1])
        before = emulated.launches()
        parts = everything(emulated, images, 4, 3)
        assert emulated.launches() - before > least
        if fitting >= 3:
            assert bits(parts) == bits(usual)
            continue
        # Bands one after another are summed up in another order.
        assert bits(parts[:-2]) == bits(usual[:-2])
        for part, want in zip(parts[-2:], usual[-2:], strict=True):
            assert error(part, wide(want), 0) < 1e-6
    emulated.configure(multiprocessors=1)  # threads do several transforms
    assert bits(everything(emulated, images, 4, 3)) == bits(usual)


def test_what_does_not_fit_into_shared_memory_takes_torchs_transforms(emulated):
    images = torch.rand(1, 1024, 8)
    launched = []
    for kilobytes in (99, 64):
        emulated.configure(shared_limit=kilobytes << 10)
        before = emulated.launches()
        parts = analyzed(emulated, "pyramid", images, 3, 2)
        launched.append(emulated.launches() - before)
        for part, want in zip(parts, flat(reference.SteerablePyramid(3, 2)(images)), strict=True):
            assert error(part, wide(want), float(images.norm())) < BARS[torch.float32]
    assert launched == [8, 1]


def test_levels_share_kernels_as_far_as_the_l2_holds_them(emulated):
    images = np.random.default_rng().random((2, 48, 60), np.float32)
    bands = 8 * 2 * 2 * 48 * 60  # bytes of the first level's; all three have 21 / 16 of them

    def launches(l2_bytes: int) -> tuple[int, list[bytes]]:
        emulated.configure(l2_bytes=l2_bytes)
        before = emulated.launches()
        parts = emulated.pyramid(images, 5, 2)
        return emulated.launches() - before, [part.tobytes() for part in parts]

    results = [launches(2 * l2) for l2 in (2 * bands, bands, bands // 4, 0)]
    assert [count for count, _ in results] == [1, 2, 3, 3]
    assert all(bits == results[0][1] for _, bits in results)


def test_a_kernel_has_eight_scales_at_most_and_one_goes_back(emulated):
    image = np.random.default_rng().random((1, 36, 40), np.float32)
    before = emulated.launches()
    parts = emulated.pyramid(image, 5, 2, 4, 0.25)  # twelve scales
    assert emulated.launches() - before == 2
    emulated.pyramid_inverse(parts[0], parts[1:-1], parts[-1], 4, 0.25)
    assert emulated.launches() - before == 3


def test_division_by_multiplying_is_exact(emulated):
    """Rows and planes of a thread, of any size."""
    random = np.random.default_rng()
    most = 2**31 - 1
    some = (2 ** random.uniform(0, 31, 200)).astype(np.int64).clip(1, most)
    powers = [2**n + e for n in range(31) for e in (-1, 0, 1)]
    for by in {*map(int, some), *powers, most} - {0}:
        multiples = by * random.integers(0, most // by + 1, 20)
        numbers = {*map(int, multiples), *map(int, multiples - 1), 0, most, most // by * by - 1}
        for of in numbers - {-1}:
            assert emulated.quotient(of, by) == of // by


def test_every_device_has_the_shared_memory(emulated):
    """48 KB need no leave to be asked for."""
    emulated.configure(shared_limit=48 << 10)
    parts = emulated.pyramid(np.random.default_rng().random((1, 40, 48)), 4, 4)
    emulated.pyramid_backward(parts[0], parts[1:-1], parts[-1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((16, 16), np.float32), 2, 2), "height >= 3"),
        ((np.zeros((16, 16), np.float32), 4, 0), "nbands"),
        ((np.zeros((16, 16), np.float32), 4, 2, 5, 0.1), "bands_per_octave"),
        ((np.zeros((16, 16), np.float32), 4, 2, 2, 0.6), "width"),
        ((np.zeros((16, 16), np.float32), 6, 2), "too large"),
        ((np.zeros((16, 16), np.complex64), 4, 2), "images: expected dtype"),
        ((np.zeros(16, np.float32), 4, 2), r"\[\.\.\., H, W\]"),
    ],
)
def test_what_does_not_fit_is_refused(emulated, arguments, message):
    with pytest.raises(RuntimeError, match=message):
        emulated.pyramid(*arguments)


def test_coefficients_of_different_pyramids_are_refused(emulated):
    highpass, *bands, lowpass = emulated.pyramid(np.zeros((2, 16, 16), np.float32), 4, 2)
    for parts in (
        (highpass[:1], bands, lowpass),
        (highpass, [bands[0], bands[1][..., :-1]], lowpass),
        (highpass, bands, lowpass.astype(np.float64)),
    ):
        with pytest.raises(RuntimeError, match="do not belong to one pyramid"):
            emulated.pyramid_inverse(*parts)


@pytest.mark.parametrize("size", [(33, 40), (32, 32)])
def test_some_orientations_are_those_of_all(emulated, size):
    images = torch.rand(2, *size).numpy()
    highpass, *bands, lowpass = emulated.pyramid(images, 4, 4)
    some = emulated.pyramid(images, 4, 4, orientations=[3, 1])
    for got, whole in zip(some[1:-1], bands, strict=True):
        np.testing.assert_array_equal(got, whole[:, [3, 1]])
    kept = [band.copy() for band in bands]
    for band in kept:
        band[:, [0, 2]] = 0
    want = emulated.pyramid_inverse(highpass, kept, lowpass)
    np.testing.assert_array_equal(
        emulated.pyramid_inverse(highpass, some[1:-1], lowpass, nbands=4, orientations=[3, 1]), want
    )
