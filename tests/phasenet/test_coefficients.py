"""`PyramidCoeffs` prints itself and moves as tensors do."""

from __future__ import annotations

import pytest
import torch

from phasenet import PyramidCoeffs, SteerablePyramid


def parts(coeffs: PyramidCoeffs) -> list[torch.Tensor]:
    return [coeffs.highpass, *coeffs.bands, coeffs.lowpass]


def test_coefficients_print_themselves():
    assert repr(SteerablePyramid(4, 2)(torch.rand(3, 16, 18))).splitlines() == [
        "PyramidCoeffs(",
        "    highpass: float32 [3, 16, 18] on cpu",
        "    level 1: complex64 [3, 2, 16, 18] on cpu",
        "    level 2: complex64 [3, 2, 8, 9] on cpu",
        "    lowpass: float32 [3, 4, 5] on cpu",
        ")",
    ]


@pytest.mark.parametrize(
    ("args", "options"),
    [
        (("meta", torch.float64), {}),
        ((torch.float64, torch.device("meta")), {}),
        (("meta", torch.complex128), {}),
        (("meta", torch.float64, True), {}),
        (("meta", torch.float64, False, True), {}),
        ((torch.empty(1, device="meta", dtype=torch.float64),), {}),
        ((torch.empty(1, device="meta", dtype=torch.complex128),), {}),
        (("meta",), {"dtype": torch.float64, "copy": True}),
        ((), {"device": "meta", "dtype": torch.float64}),
    ],
)
def test_to(args, options):
    moved = SteerablePyramid(4, 2)(torch.rand(16, 18)).to(*args, **options)
    assert isinstance(moved, PyramidCoeffs)
    assert {x.device.type for x in parts(moved)} == {"meta"}
    assert [x.dtype for x in moved.bands] == [torch.complex128] * 2
    assert moved.highpass.dtype == moved.lowpass.dtype == torch.float64


def test_to_keeps_numbers_and_shares_memory_unless_asked():
    coeffs = SteerablePyramid(4, 2)(torch.rand(3, 16, 18))
    for same in (coeffs.to(), coeffs.to("cpu"), coeffs.cpu(), coeffs.to(torch.complex64)):
        assert all(a is b for a, b in zip(parts(same), parts(coeffs), strict=True))
    for other in (coeffs.to("cpu", False, True), coeffs.to(copy=True)):
        for a, b in zip(parts(other), parts(coeffs), strict=True):
            assert torch.equal(a, b)
            assert a.data_ptr() != b.data_ptr()
    back = coeffs.to(torch.float64).to(torch.float32)
    assert all(map(torch.equal, parts(back), parts(coeffs)))


@pytest.mark.parametrize(
    "args",
    [("cpu", "cpu"), (True, "cpu"), (False, False, False), (None,), (torch.float32, torch.float64),
     (torch.int32,), (torch.bfloat16,)],
)  # fmt: skip
def test_what_cannot_be_moved_to_is_refused(args):
    with pytest.raises(TypeError, match=r"^(args|dtype): expected"):
        SteerablePyramid(4, 2)(torch.rand(16, 18)).to(*args)


def test_detach():
    image = torch.rand(16, 18, requires_grad=True)
    coeffs = SteerablePyramid(4, 2)(image)
    assert all(x.requires_grad for x in parts(coeffs))
    detached = coeffs.detach()
    assert isinstance(detached, PyramidCoeffs)
    for a, b in zip(parts(detached), parts(coeffs), strict=True):
        assert not a.requires_grad
        assert a.data_ptr() == b.data_ptr()
    restored = SteerablePyramid(4, 2).inverse(coeffs.cpu())
    assert torch.autograd.grad(restored.sum(), image)[0].shape == image.shape
