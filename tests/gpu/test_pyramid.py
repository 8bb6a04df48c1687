"""The pyramid on a GPU: parity, gradients, bits, streams, graphs."""

from __future__ import annotations

import pytest
import torch
from support.transforms import flat
from torch import Tensor

import phasenet
from phasenet import PyramidCoeffs, SteerablePyramid, reference

pytestmark = pytest.mark.cuda
BARS = {torch.float32: 1e-5, torch.float64: 1e-12}
SIZES = [(96, 96), (75, 101), (67, 130), (8, 8), (9, 31), (16, 1000), (131, 131), (256, 256)]
SIZES += [(1024, 16), (64, 512), (8, 1024)]


def error(got: Tensor, want: Tensor, least: Tensor) -> float:
    assert got.shape == want.shape
    assert got.is_contiguous()
    scale = max(float(want.norm()), 1e-2 * float(least.norm()))
    return float((got.cpu().to(want.dtype) - want).norm()) / scale


@pytest.mark.parametrize("dtype", list(BARS))
@pytest.mark.parametrize("nbands", [2, 3, 4, 6])
@pytest.mark.parametrize("size", SIZES)
def test_equals_reference(device, size, nbands, dtype):
    exact = torch.rand(3, *size, dtype=torch.float64)
    images = exact.to(device, dtype)
    exact = images.cpu().double()
    pyramid = SteerablePyramid(4, nbands)
    coeffs = pyramid(images)
    for got, want in zip(
        flat(coeffs), flat(reference.SteerablePyramid(4, nbands)(exact)), strict=True
    ):
        assert got.device == images.device
        assert error(got, want, exact) < BARS[dtype]
    assert error(pyramid.inverse(coeffs), exact, exact) < BARS[dtype]


@pytest.mark.parametrize("dtype", list(BARS))
@pytest.mark.parametrize("narrow", [{}, {"bands_per_octave": 4, "width": 0.25}])
@pytest.mark.parametrize(("size", "nbands"), [((96, 160), 1), ((160, 96), 4), ((75, 101), 3)])
def test_many_levels_and_back(device, size, nbands, narrow, dtype):
    """Frequencies lie where bands end, which a GPU finds by a logarithm of its own."""
    pyramid = SteerablePyramid(6, nbands, **narrow)
    exact = reference.SteerablePyramid(6, nbands, **narrow)
    images = torch.rand(2, *size, dtype=torch.float64).to(dtype)
    coeffs = pyramid(images.to(device))
    for got, want in zip(flat(coeffs), flat(exact(images.double())), strict=True):
        assert error(got, want, images.double()) < BARS[dtype]
    highpass, *bands, lowpass = (torch.randn_like(part) for part in flat(coeffs))
    back = pyramid.inverse(PyramidCoeffs(highpass, tuple(bands), lowpass))
    bands = [band.cpu().to(torch.complex128) for band in bands]
    want = exact.inverse(
        PyramidCoeffs(highpass.cpu().double(), tuple(bands), lowpass.cpu().double())
    )
    assert error(back, want, want) < BARS[dtype]


@pytest.mark.parametrize("size", [(32, 32), (17, 23)])
def test_gradients(device, size):
    images = torch.rand(2, *size, dtype=torch.float64, device=device, requires_grad=True)
    pyramid = SteerablePyramid(3, 3)
    torch.autograd.gradcheck(lambda x: flat(pyramid(x)), images, fast_mode=True)
    parts = [part.detach().requires_grad_() for part in flat(pyramid(images))]

    def inverse(highpass: Tensor, *rest: Tensor) -> Tensor:
        return pyramid.inverse(PyramidCoeffs(highpass, tuple(rest[:-1]), rest[-1]))

    torch.autograd.gradcheck(inverse, parts, fast_mode=True)


def test_bytes_batches_and_nothing(device):
    images = torch.randint(0, 256, (2, 3, 33, 40), dtype=torch.uint8)
    pyramid = SteerablePyramid(4, 2)
    for got, want in zip(flat(pyramid(images.to(device))), flat(pyramid(images)), strict=True):
        assert got.dtype == want.dtype
        torch.testing.assert_close(got.cpu(), want, rtol=1e-5, atol=1e-5)
    empty = pyramid(torch.rand(0, 16, 16, device=device))
    assert empty.bands[1].shape == (0, 2, 8, 8)
    assert pyramid.inverse(empty).shape == (0, 16, 16)


def test_the_same_bits_every_time_and_on_every_stream(device, stream):
    images = torch.rand(4, 200, 150, device=device)
    pyramid = SteerablePyramid(5, 4)
    first = pyramid(images)
    back = pyramid.inverse(first)
    stream.wait_stream(torch.cuda.current_stream())
    for _ in range(3):
        with torch.cuda.stream(stream):
            again = pyramid(images)
            image = pyramid.inverse(again)
        stream.synchronize()
        assert torch.equal(image, back)
        for got, want in zip(flat(again), flat(first), strict=True):
            assert torch.equal(got, want)


def test_a_graph_replays_on_new_images(device, stream):
    images = torch.rand(2, 96, 96, device=device)
    pyramid = SteerablePyramid(4, 2)
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(2):
            pyramid.inverse(pyramid(images))
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        coeffs = pyramid(images)
        back = pyramid.inverse(coeffs)
    images.copy_(torch.rand_like(images))
    graph.replay()
    torch.cuda.synchronize()
    for got, want in zip(flat(coeffs), flat(pyramid(images)), strict=True):
        assert torch.equal(got, want)
    torch.testing.assert_close(back, images, rtol=1e-5, atol=1e-5)


def test_operators_pass_opcheck(device):
    images = torch.rand(2, 24, 20, device=device, dtype=torch.float64, requires_grad=True)
    torch.library.opcheck(torch.ops.phasenet.pyramid.default, (images, 4, 2))


@pytest.mark.nightly
def test_bands_beyond_two_to_the_31_values(device):
    """8 bytes each, as much for their spectra and for the transform's workspace: no less does."""
    if device == "cpu":
        pytest.skip("billions of values take a CPU too long")
    free, _ = torch.cuda.mem_get_info()
    if free < 54 << 30:
        pytest.skip(f"needs 54 GiB of GPU memory, {free >> 30} are free")
    count = (1 << 31) // (32 * 64 * 64) + 1
    two = torch.rand(2, 64, 64, device=device)
    bands = SteerablePyramid(3, 32)(two[torch.arange(count) % 2]).bands[0]
    assert bands.numel() > 1 << 31
    for i in (0, count // 2, count - 2, count - 1):
        torch.testing.assert_close(bands[i], bands[i % 2], rtol=1e-6, atol=1e-6)


def test_build_info_tells_the_architectures(device):
    if device == "cpu":
        pytest.skip("the architectures are a GPU's")
    info = phasenet.build_info()
    assert info["cuda"]
    assert info["cuda_reason"]


@pytest.mark.parametrize("size", [(32, 32), (17, 23)])
def test_orientations_alone(device, size):
    """Bit for bit those of all, and the pictures that they make with zeros for the others."""
    images, some = torch.rand(2, *size, device=device), [3, 1]
    highpass, *bands, lowpass = torch.ops.phasenet.pyramid(images, 4, 4)
    got = torch.ops.phasenet.pyramid(images, 4, 4, orientations=some)
    assert torch.equal(got[0], highpass)
    for x, y in zip(got[1:-1], bands, strict=True):
        assert torch.equal(x, y[..., some, :, :])
    coeffs = PyramidCoeffs(highpass, tuple(bands), lowpass)
    zeros = [x.clone() for x in bands]
    for x in zeros:
        x[..., [0, 2], :, :] = 0
    for options in ({}, {"levels": (2,)}, {"levels": (1,), "residuals": False}):
        alone = SteerablePyramid(4, 4).inverse(coeffs, bands=some, **options)
        expected = SteerablePyramid(4, 4).inverse(coeffs._replace(bands=tuple(zeros)), **options)
        assert error(alone, expected.cpu(), expected) < 1e-6


def test_tensors_elsewhere_are_refused(device):
    """Reading the CPU's memory would end all work on the GPU."""
    if device == "cpu":
        pytest.skip("there is one device")
    operators = torch.ops.phasenet
    highpass, *bands, lowpass = operators.pyramid(torch.rand(2, 16, 16, device=device), 4, 2)
    for parts in (
        (highpass, [band.cpu() for band in bands], lowpass),
        (highpass, bands, lowpass.cpu()),
    ):
        with pytest.raises(RuntimeError, match="do not belong to one pyramid"):
            operators.pyramid_inverse(*parts)
    frames, options = torch.rand(4, 16, 16, device=device), (2, 4, 2, [1], "full", "replicate")
    grads = [torch.ones(4, 4, 16, 16)]
    with pytest.raises(RuntimeError, match="grads: expected the device of the frames"):
        operators.phase_difference_windows_backward(grads, frames, *options)
