"""Tensors that begin anywhere in memory: frames, coefficients and what is written into."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from emulation.every_operator import CALLS


@pytest.mark.parametrize("offset", [1, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow) if "squares" in n else n for n in CALLS],
)
def test_where_tensors_begin_changes_nothing(emulated, name, offset):
    """`test_sanitizers.py` finds accesses wider than what lies there is aligned to."""
    aligned = CALLS[name](emulated)
    emulated.configure(offset=offset)
    for part, want in zip(CALLS[name](emulated), aligned, strict=True):
        # Torch's transforms may go another way, and gradients that cannot be read four at a time
        # are walked along, in other sums.
        another = "fourier" in name or "backward squares" in name
        if another and part.dtype.kind in "fc" and part.dtype != np.float16:
            assert np.linalg.norm(part - want) <= 1e-5 * np.linalg.norm(want)
        else:
            np.testing.assert_array_equal(part, want)


@pytest.mark.parametrize("offset", [0, 3])
def test_tensors_lie_where_they_are_asked_to(emulated, offset):
    """Those that operators are given and those that they ask for, as costs are counted."""
    bands = np.ones(200, np.complex64)
    usual = emulated.band_phase(bands)
    addresses = []

    @ctypes.CFUNCTYPE(None, ctypes.POINTER(ctypes.c_uint64))
    def instead(record):  # emulation::LaunchRecord, of angles(bands, count, out)
        parameters = ctypes.cast(record[5], ctypes.POINTER(ctypes.c_uint64))
        addresses.append((parameters[0], parameters[2]))

    emulated.configure(alignment=4096, offset=offset)
    np.testing.assert_array_equal(emulated.band_phase(bands), usual)
    emulated.instead_of_kernels(ctypes.cast(instead, ctypes.c_void_p).value)
    try:
        emulated.band_phase(bands)
    finally:
        emulated.instead_of_kernels(0)
    assert [(given % 4096, own % 4096) for given, own in addresses] == [(8 * offset, 0)]
