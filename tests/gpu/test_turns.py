"""Turned phases and their filters in time, against the reference in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import phasenet
from phasenet import magnify_motion, reference
from phasenet.motion_pyramid import limited
from phasenet.temporal_filters import iir_sections

pytestmark = pytest.mark.cuda

SIZES = [(1, 1), (2, 3, 9, 67), (3, 5, 300), (40, 33), (0, 8, 8)]


def error(got: Tensor, expected: Tensor) -> float:
    assert got.shape == expected.shape
    return float((got.to(expected) - expected).norm() / expected.norm().clamp(min=1e-300))


def turning_bands(length: int, *size: int) -> Tensor:
    """Bands complex128 [length, *size] that turn by less than 3 rad a frame.

    Where they turn by pi, rounding decides which way.
    """
    turns = 6 * torch.rand(length, *size, dtype=torch.float64) - 3
    return torch.polar(torch.randn_like(turns).abs(), turns.cumsum(0))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("smoothing", [0, 0.7, 2.0, 9.0])
@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_turns_equal_the_reference(device, size, smoothing, dtype):
    bands = torch.randn(*size, dtype=dtype, device=device)
    turns = 10 * torch.randn(*size, dtype=dtype.to_real(), device=device)
    expected = reference.turn_phase(
        bands.to("cpu", torch.complex128), turns.cpu().double(), smoothing=smoothing
    )
    got = phasenet.turn_phase(bands, turns, smoothing=smoothing)
    assert got.dtype == dtype
    assert error(got.cpu(), expected) < (1e-5 if dtype == torch.complex64 else 1e-12)


def test_no_turn_changes_no_bit(device):
    bands = torch.randn(3, 20, 41, dtype=torch.complex64, device=device)
    assert torch.equal(phasenet.turn_phase(bands, torch.zeros_like(bands.real)), bands)


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
@pytest.mark.parametrize(("low", "high"), [(0, 15), (0, 4), (2, 4), (2, 15)])
@pytest.mark.parametrize(
    ("smoothing", "still", "limit"), [(2.0, False, 0.0), (0.0, True, 0.7), (1.3, True, 0.3)]
)
def test_a_stream_equals_its_filter_and_turns(device, dtype, low, high, smoothing, still, limit):
    """With the filter as a recurrence over frames, written out, on unwrapped phases."""
    filter_ = iir_sections(low, high, 30.0)
    sections = [filter_[i : i + 5] for i in range(0, len(filter_), 5)]
    frames = turning_bands(6, 2, 11, 35).to(dtype)
    wide = frames.to(torch.complex128)
    step = wide.angle().diff(dim=0)
    step = step - 2 * torch.pi * torch.round(step / (2 * torch.pi))
    moved = torch.cat([torch.zeros_like(step[:1]), step]).cumsum(0)
    filtered = list(moved)
    for b0, b1, b2, a1, a2 in sections:
        given, made = [torch.zeros_like(moved[0])] * 2 + filtered, [torch.zeros_like(moved[0])] * 2
        for t in range(2, len(given)):
            value = b0 * given[t] + b1 * given[t - 1] + b2 * given[t - 2]
            made.append(value - a1 * made[t - 1] - a2 * made[t - 2])
        filtered = made[2:]
    state = torch.full((2 + 2 * len(sections), 2, 11, 35), torch.nan, dtype=dtype.to_real())
    state = state.to(device)
    for t, band in enumerate(frames.to(device)):
        turned = band.clone()
        options = (filter_, 1.7, still, smoothing, limit)
        torch.ops.phasenet.turn_phase_push(turned, state, t, *options)
        turns = 1.7 * filtered[t]
        turns = limited(turns, limit) if limit else turns
        angle = reference._smoothed(wide[t].abs() + 1e-10, turns, smoothing)
        angle = angle - moved[t] if still else angle
        expected = wide[t] * torch.polar(torch.ones_like(angle), angle)
        assert error(turned.cpu(), expected) < (1e-5 if dtype == torch.complex64 else 1e-12)


@pytest.mark.parametrize("temporal", ["fir", "iir"])
def test_a_film_is_magnified_as_on_the_cpu_in_float64(device, temporal):
    """The whole of it, in float32."""
    # Changed by a millionth it gives nearly the same: no phase turns by pi, where rounding decides.
    film = torch.rand(9, 21, 34, generator=torch.Generator().manual_seed(0)).cumsum(0) / 9
    options = {"fps": 30, "low": 2, "high": 6, "temporal": temporal, "nbands": 3}
    got = magnify_motion(film.to(device), 3.0, **options)
    assert error(got.cpu(), magnify_motion(film.double(), 3.0, **options)) < 1e-4
