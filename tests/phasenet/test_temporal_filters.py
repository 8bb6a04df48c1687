"""The filters in time that magnified motion passes."""

from __future__ import annotations

import math

import pytest
import torch

from phasenet.temporal_filters import (
    filter_from_both_ends,
    fir_matrix,
    fir_reach,
    fir_taps,
    iir_sections,
)

FPS = 30.0


def response(filter_: list[float], hertz: float) -> complex:
    z = complex(math.cos(2 * math.pi * hertz / FPS), -math.sin(2 * math.pi * hertz / FPS))
    value = 1 + 0j
    for i in range(0, len(filter_), 5):
        b0, b1, b2, a1, a2 = filter_[i : i + 5]
        value *= (b0 + b1 * z + b2 * z * z) / (1 + a1 * z + a2 * z * z)
    return value


@pytest.mark.parametrize(("low", "high"), [(0, 15), (0, 4), (2, 4), (0.5, 3), (2, 15), (0.1, 14.9)])
def test_recursive_filters_are_butterworths(low, high):
    """Half of the power at the edges, all of it in the middle, nothing far away; and stable."""
    sections = iir_sections(low, high, FPS)
    for edge in (low, high):
        power = 1.0 if edge in (0, 15) else 0.5
        assert abs(response(sections, edge)) ** 2 == pytest.approx(power, rel=1e-6)
    if low > 0:
        assert abs(response(sections, 0)) < 1e-12
    if high < 15:
        assert abs(response(sections, 15)) < 1e-12
    for i in range(0, len(sections), 5):
        a1, a2 = sections[i + 3 : i + 5]
        assert abs(a2) < 1
        assert abs(a1) < 1 + a2


@pytest.mark.parametrize(("low", "high"), [(0, 15), (0, 4), (2, 4), (0.5, 3), (2, 15)])
def test_filters_without_delay_pass_the_band_alone(low, high):
    taps = fir_taps(low, high, FPS, 10_000)
    n = torch.arange(len(taps)) - len(taps) // 2
    assert len(taps) == 2 * fir_reach(low, high, FPS) + 1
    assert torch.allclose(taps, taps.flip(0))
    edges = [edge for edge in (low, high) if 0 < edge < FPS / 2]
    width = min([high - low, *edges]) / 2
    for hertz in torch.linspace(0, 15, 61).tolist():
        gain = float((taps * torch.cos(2 * math.pi * hertz / FPS * n)).sum())
        if all(abs(hertz - edge) > width for edge in edges):
            assert gain == pytest.approx(float(low <= hertz <= high), abs=2e-3)


@pytest.mark.parametrize(("periods", "least"), [(1, 0.5), (2, 0.75), (4, 0.9)])
def test_a_short_film_is_magnified_less(periods, least):
    """How much of a swing in the middle of the band passes, whatever its phase."""
    passed = []
    for low, high in ((0.8, 1.6), (1, 4), (0.5, 3), (2, 6)):
        length = round(periods * FPS / low)
        matrix = fir_matrix(fir_taps(low, high, FPS, length - 1), length)
        for phase in range(8):
            cycles = (low + high) / 2 / FPS * torch.arange(length, dtype=torch.float64) + phase / 8
            swing = torch.sin(2 * math.pi * cycles)
            swing = swing - swing.mean()
            moved = matrix @ swing
            passed.append(float(swing @ (moved - moved.mean()) / (swing @ swing)))
    assert least < min(passed) < 0.99
    assert max(passed) < 1.05


def test_too_few_taps_let_next_to_nothing_through():
    """At most 17 frames of a band whose periods are 30 to 60: a gain of 1 would be of noise."""
    passed = [float(fir_taps(0.5, 1, FPS, most).abs().sum()) for most in (1, 2, 4, 8)]
    assert passed == sorted(passed)
    assert passed[-1] < 0.1


@pytest.mark.parametrize("length", [2, 7, 100])
def test_a_matrix_filters_and_takes_nothing_of_what_grows_evenly(length):
    taps = fir_taps(2, 6, FPS, length - 1)
    matrix = fir_matrix(taps, length)
    even = torch.arange(length, dtype=torch.float64)
    assert float((matrix @ (3 + 0.2 * even)).abs().max()) < 1e-9
    reach = len(taps) // 2
    if length > 2 * reach:
        values = torch.randn(length, dtype=torch.float64)
        middle = torch.nn.functional.conv1d(values[None, None], taps[None, None])[0, 0]
        torch.testing.assert_close((matrix @ values)[reach : length - reach], middle)


@pytest.mark.parametrize("length", [1, 2, 7, 100])
def test_half_as_many_products_filter_alike(length):
    matrix = fir_matrix(fir_taps(2, 6, FPS, length - 1), length)
    values = torch.randn(length, 5, dtype=torch.float64)
    expected = matrix @ values
    filter_from_both_ends(matrix, values)
    torch.testing.assert_close(values, expected, rtol=0, atol=1e-12)
