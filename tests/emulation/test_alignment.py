"""Tensors that begin anywhere in memory: frames, coefficients and what is written into."""

from __future__ import annotations

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
