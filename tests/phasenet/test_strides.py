"""Any strides and no hidden copies; nothing, meta tensors, and what coefficients say and do."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

import phasenet
from phasenet import PyramidCoeffs, SteerablePyramid, reference


def layouts(x: Tensor) -> dict[str, Tensor]:
    """Equal tensors [B, C, H, W] that lie in memory differently."""
    wide = torch.zeros(*x.shape[:-1], 2 * x.shape[-1], dtype=x.dtype)
    wide[..., ::2] = x
    return {
        "channels last": x.to(memory_format=torch.channels_last),
        "transposed": x.transpose(-1, -2).contiguous().transpose(-1, -2),
        "every second": wide[..., ::2],
        "reversed batch": x.flip(0).contiguous().flip(0),
        "offset": torch.cat([x[:1], x])[1:],
    }


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64, torch.bfloat16])
def test_any_layout_gives_the_same_bits(dtype):
    x = (255 * torch.rand(3, 5, 18, 21)).to(torch.uint8)
    x = x if dtype == torch.uint8 else (x / 255).to(dtype)
    pyramid = SteerablePyramid(4, 2)
    planes, coeffs = phasenet.phase_difference_windows(x, 2), pyramid(x)
    for name, other in layouts(x).items():
        for got, want in zip(phasenet.phase_difference_windows(other, 2), planes, strict=True):
            assert torch.equal(got, want), name
        for got, want in zip(pyramid(other).bands, coeffs.bands, strict=True):
            assert torch.equal(got, want), name


def test_coefficients_of_any_layout():
    pyramid = SteerablePyramid(4, 2)
    coeffs = pyramid(torch.rand(3, 5, 18, 21))
    want = pyramid.inverse(coeffs)
    strided = PyramidCoeffs(
        coeffs.highpass.to(memory_format=torch.channels_last),
        tuple(band.transpose(-1, -2).contiguous().transpose(-1, -2) for band in coeffs.bands),
        coeffs.lowpass.flip(0).contiguous().flip(0),
    )
    assert torch.equal(pyramid.inverse(strided), want)


def peak_bytes(call) -> int:
    """The most that was allocated at a time during a call, less what was there before.

    Results of 32 MiB and more are not seen: their memory is kept, not torch's allocator's.
    """
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        result = call()
    del result
    now = peak = 0
    for event in record.profiler.kineto_results.events():
        if event.name() == "[memory]":
            now += event.nbytes()
            peak = max(peak, now)
    return peak


def all_seen(*results: torch.Tensor) -> bool:
    return max(x.nbytes for x in results) < 32 << 20


@pytest.mark.parametrize("name", ["contiguous", "channels last", "transposed"])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_phases_copy_no_more_than_their_input(dtype, name):
    """Beyond the result: at most a dense input, and the planes of one block of frames."""
    x = (255 * torch.rand(2, 400, 48, 48)).to(torch.uint8)
    x = x if dtype == torch.uint8 else x / 255
    x = {"contiguous": x, **layouts(x)}[name]
    levels = phasenet.phase_difference_windows(x, 2)
    assert all_seen(*levels)
    result = sum(level.nbytes for level in levels)
    block = 12 << 20
    copied = peak_bytes(lambda: phasenet.phase_difference_windows(x, 2)) - result
    assert 0 < copied < block + (0 if name == "contiguous" else x.nbytes)


def test_half_precision_out_needs_no_full_size_float32():
    x = torch.rand(130, 48, 48)
    assert all_seen(*phasenet.phase_difference_windows(x, 12))
    half, single = (
        peak_bytes(lambda d=dtype: phasenet.phase_difference_windows(x, 12, dtype=d))
        for dtype in (torch.float16, torch.float32)
    )
    assert half < 0.6 * single


@pytest.mark.parametrize("name", ["contiguous", "channels last", "transposed"])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_pyramids_copy_no_more_than_their_input(dtype, name):
    x = (255 * torch.rand(100, 5, 64, 64)).to(torch.uint8)
    x = x[:8] / 255 if dtype == torch.float32 else x
    x = {"contiguous": x, **layouts(x)}[name]
    pyramid = SteerablePyramid(4, 2)
    coeffs = pyramid(x)
    assert all_seen(coeffs.highpass, *coeffs.bands, coeffs.lowpass)
    result = coeffs.highpass.nbytes + sum(x.nbytes for x in coeffs.bands) + coeffs.lowpass.nbytes
    copied = peak_bytes(lambda: pyramid(x)) - result
    chunk = (4 << 20) if dtype == torch.uint8 else 0
    assert copied < (1 << 20) + chunk + (0 if name == "contiguous" else x.nbytes)
    images = x.flatten(0, 1)
    for i in (0, -1):  # of the first and of the last chunk
        single = pyramid(images[i])
        assert torch.equal(coeffs.bands[1].flatten(0, 1)[i], single.bands[1])
        assert torch.equal(coeffs.lowpass.flatten(0, 1)[i], single.lowpass)


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("shape", [(0, 5, 16, 17), (2, 0, 5, 16, 17), (0, 16, 17)])
def test_nothing(shape, device):
    frames = torch.empty(shape, device=device)
    planes = phasenet.phase_difference_windows(frames, 3)
    assert planes[1].shape == (*shape[:-2], 6, 8, 8)
    pyramid = SteerablePyramid(4, 2)
    coeffs = pyramid(frames)
    assert coeffs.bands[1].shape == (*shape[:-2], 2, 8, 9)
    assert pyramid.inverse(coeffs).shape == shape
    assert phasenet.band_phase(coeffs.bands[0]).shape == coeffs.bands[0].shape
    if device == "cpu":
        frames.requires_grad_()
        loss = sum(level.sum() for level in phasenet.phase_difference_windows(frames, 3))
        assert torch.autograd.grad(loss, frames)[0].shape == shape


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.float32, torch.float64])
def test_meta_tensors_have_the_shapes_and_dtypes_of_real_ones(dtype):
    real = torch.zeros(2, 6, 19, 22, dtype=dtype)
    meta = real.to("meta")
    pyramid = SteerablePyramid(5, 3)
    mirrored = SteerablePyramid(5, 3, boundary="symmetric")
    calls = [
        lambda x: phasenet.phase_difference_windows(x, 3, boundary="valid"),
        lambda x: phasenet.phase_difference(x, dtype=torch.bfloat16),
        phasenet.denoised_phase,
        lambda x: [phasenet.local_motion(x)],
        lambda x: [pyramid(x).highpass, *pyramid(x).bands, pyramid.inverse(pyramid(x))],
        lambda x: mirrored(x).unmirrored().bands,
    ]
    for call in calls:
        for got, want in zip(call(meta), call(real), strict=True):
            assert got.device.type == "meta"
            assert (got.shape, got.dtype) == (want.shape, want.dtype)


def test_every_batch_dimension_is_free():
    images = torch.rand(2, 1, 3, 16, 18, dtype=torch.float64)
    coeffs = SteerablePyramid(4, 2)(images)
    exact = reference.SteerablePyramid(4, 2)(images)
    assert coeffs.bands[1].shape == (2, 1, 3, 2, 8, 9)
    torch.testing.assert_close(coeffs.bands[1], exact.bands[1])
