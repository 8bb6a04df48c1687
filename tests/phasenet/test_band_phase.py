"""The arctangent of the kernels over the whole plane, on each instruction set, and its gradient."""

from __future__ import annotations

import functools
import math
from pathlib import Path

import pytest
import torch
from support.instruction_sets import NAMES, run_with, skip_unless_available
from torch.autograd import gradcheck, gradgradcheck

from phasenet import SteerablePyramid, band_phase


def plane(dtype=torch.complex64):
    """Every direction, dense at the axes and diagonals, at radii from tiny to huge."""
    eighths = torch.arange(-8, 9, dtype=torch.float64) * math.pi / 4
    near = torch.cat([s * torch.logspace(-9, -0.5, 40, dtype=torch.float64) for s in (-1, 1)])
    angles = torch.cat(
        [torch.linspace(-math.pi, math.pi, 40001, dtype=torch.float64),
         (eighths[:, None] + near).flatten()]
    )  # fmt: skip
    radii = torch.logspace(-18, 18, 13, dtype=torch.float64)[:, None]
    return torch.polar(radii.expand(-1, len(angles)).contiguous(), angles.expand(13, -1)).to(dtype)


@functools.cache
def plane_and_angles() -> tuple[torch.Tensor, torch.Tensor]:
    """The plane in single precision, and its angles in double precision."""
    bands = plane()
    return bands, torch.atan2(bands.imag.double(), bands.real.double())


def worst_error() -> float:
    """The largest error in radians against float64 of the same coefficients."""
    bands, exact = plane_and_angles()
    return float((band_phase(bands).double() - exact).abs().max())


@pytest.mark.parametrize(
    "name", [NAMES[0], *(pytest.param(name, marks=pytest.mark.slow) for name in NAMES[1:])]
)
def test_error_over_the_whole_plane(name):
    """Within 1e-6 rad."""
    skip_unless_available(name)
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
    code += "from test_band_phase import worst_error; print(worst_error())"
    result = run_with(name, "-c", code)
    assert result.returncode == 0, result.stderr
    assert float(result.stdout) <= 1e-6


def test_double_precision():
    bands = plane(torch.complex128)
    torch.testing.assert_close(band_phase(bands), bands.angle(), rtol=0, atol=1e-15)


def test_zeros_axes_and_conjugates():
    values = [complex(re, im) for re in (-0.0, 0.0, -1.0, 1.0) for im in (-0.0, 0.0, -1.0, 1.0)]
    bands = torch.tensor(values, dtype=torch.complex64)
    torch.testing.assert_close(band_phase(bands), bands.angle(), rtol=0, atol=1e-6)
    torch.testing.assert_close(band_phase(bands.conj()), bands.conj().angle(), rtol=0, atol=1e-6)


def test_bands_of_a_pyramid():
    for band in SteerablePyramid(4, 3)(torch.rand(2, 40, 50)).bands:
        sliced = band[..., ::2]
        torch.testing.assert_close(band_phase(sliced), sliced.angle(), rtol=0, atol=1e-6)


def test_gradient():
    radii, angles = torch.rand(2, 3, 5, dtype=torch.float64)
    bands = torch.polar(0.1 + radii, 6.2 * angles - 3.1).requires_grad_()  # off the cut at +-pi
    assert gradcheck(band_phase, bands)
    assert gradgradcheck(band_phase, bands)
    zero = torch.zeros(2, dtype=torch.complex64, requires_grad=True)
    (grad,) = torch.autograd.grad(band_phase(zero).sum(), zero)
    assert torch.count_nonzero(grad) == 0


@pytest.mark.parametrize("wrong", [torch.rand(3), torch.rand(3).half(), "bands"])
def test_refusals(wrong):
    with pytest.raises(TypeError, match="bands: expected"):
        band_phase(wrong)


def test_nothing():
    assert band_phase(torch.empty(0, 3, dtype=torch.complex64)).shape == (0, 3)
