"""The plane kernels at every size, on every instruction set, threaded, in poisoned memory."""

from __future__ import annotations

import json

import pytest
import torch
from support import transforms
from support.instruction_sets import NAMES, run_with, skip_unless_available

from phasenet import SteerablePyramid, phase_difference_windows


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_every_size(name, threads):
    """Whatever memory glibc hands out or takes back is filled with a byte that is no zero.

    One thread transforms every size; on two it is a part of them, since only the sharing differs.
    """
    skip_unless_available(name)
    environment = {
        "MALLOC_PERTURB_": "129",
        "OMP_WAIT_POLICY": "passive",  # waiting threads leave the cores to other tests
    }
    result = run_with(name, "-m", "support.transforms", str(threads), **environment)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["instruction_set"] == name
    assert found["failures"] == []
    assert found["checked"] == 2 * len(transforms.sizes(threads))


@pytest.mark.parametrize("count", [1, 3, 7, 9, 17])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_batch_is_its_images(count, dtype):
    """However the images are shared out to threads, none knows of the others."""
    images = torch.rand(count, 45, 50, dtype=dtype)
    pyramid = SteerablePyramid(4, 3)
    coeffs = pyramid(images)
    restored = pyramid.inverse(coeffs)
    for i in range(count):
        single = pyramid(images[i])
        for got, want in zip(transforms.flat(coeffs), transforms.flat(single), strict=True):
            assert torch.equal(got[i], want)
        torch.testing.assert_close(restored[i], pyramid.inverse(single))


@pytest.mark.parametrize("side", [61 * 61, 61 * 67, 167 * 167])
def test_two_large_primes(side):
    """Only here does another pass follow a convolution, Rader's or by a chirp (167)."""
    for name, error in transforms.errors((8, side), 1, 1, torch.float64).items():
        assert error < transforms.BARS[torch.float64], name


@pytest.mark.parametrize("size", [(48, 30), (131, 40)])
def test_empty_batches(size):
    """Also where a side is a prime."""
    coeffs = SteerablePyramid(4, 2)(torch.rand(0, *size))
    parts = [coeffs.highpass, list(coeffs.bands), coeffs.lowpass]
    assert torch.ops.phasenet.pyramid_inverse(*parts).shape == (0, *size)
    assert torch.ops.phasenet.pyramid_backward(*parts).shape == (0, *size)
    grads = torch.ops.phasenet.pyramid_inverse_backward(torch.rand(0, *size), 4, 2)
    assert [grad.shape for grad in grads] == [part.shape for part in transforms.flat(coeffs)]


@pytest.mark.parametrize("size", [(131, 40), (48, 262), (359, 30)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_any_number_of_threads(size, dtype):
    """Not a bit of the result depends on it, also where a transform is a convolution."""
    images = torch.rand(3, *size, dtype=dtype, requires_grad=True)
    pyramid, found = SteerablePyramid(4, 2), []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            coeffs = pyramid(images)
            image = pyramid.inverse(coeffs)
            (grad,) = torch.autograd.grad((image**2).sum() + coeffs.lowpass.sum(), images)
            levels = phase_difference_windows(images.detach(), 2)
            found.append([*transforms.flat(coeffs), image, grad, *levels])
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert all(map(torch.equal, found[0], other))


def test_a_constant_and_a_wave():
    """A constant reaches the lowpass alone; a wave has one amplitude all over a band."""
    pyramid = SteerablePyramid(4, 2)
    coeffs = pyramid(torch.full((60, 84), 0.5, dtype=torch.float64))
    # Inverse transforms are normalised by their own size, 1 / 16 of the image's.
    torch.testing.assert_close(coeffs.lowpass, torch.full((15, 21), 8.0, dtype=torch.float64))
    assert all(float(part.abs().max()) < 1e-14 for part in transforms.flat(coeffs)[:-1])
    x = torch.arange(84, dtype=torch.float64)
    wave = torch.cos(2 * torch.pi * 21 / 84 * x).expand(60, 84)
    amplitude = pyramid(wave.contiguous()).bands[0][0].abs()
    torch.testing.assert_close(amplitude, torch.full_like(amplitude, float(amplitude.mean())))
