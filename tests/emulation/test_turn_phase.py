"""The CUDA operators that turn phases, on the CPU: parity with the reference and the CPU's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gpu.test_turns import turning_bands

from phasenet import reference
from phasenet.parity import relative_error

BARS = {torch.complex64: 1e-6, torch.complex128: 1e-14}
# More columns than a block has threads, a blur wider than the plane, none.
CASES = [((2, 9, 300), 2.0), ((2, 3, 5, 4), 40.0), ((7, 3), 0.0)]


@pytest.mark.parametrize("dtype", BARS)
@pytest.mark.parametrize(("shape", "smoothing"), CASES)
def test_turns_as_the_reference(emulated, shape, smoothing, dtype):
    bands = torch.randn(shape, dtype=torch.complex128)
    turns = torch.randn(shape, dtype=torch.float64)
    exact = reference.turn_phase(bands, turns, smoothing=smoothing)
    emulated.configure(order="shuffled", seed=int(torch.randint(1 << 30, ())))
    given = bands.to(dtype).numpy(), turns.to(dtype.to_real()).numpy()
    got = torch.from_numpy(emulated.turn_phase(*given, smoothing))
    assert relative_error(got, exact) < BARS[dtype]


@pytest.mark.parametrize("dtype", BARS)
def test_many_turns_keep_their_last_bits(emulated, dtype):
    bands = torch.randn(3, 40, dtype=torch.complex128).to(dtype)
    turns = torch.randn(3, 40, dtype=dtype.to_real()) * 1e4
    exact = bands.to(torch.complex128) * torch.exp(1j * turns.double())
    got = torch.from_numpy(emulated.turn_phase(bands.numpy(), turns.numpy(), 0.0))
    assert relative_error(got, exact) < BARS[dtype] / 5


@pytest.mark.parametrize(("still", "limit"), [(False, 0.0), (True, 0.0), (False, 0.7)])
@pytest.mark.parametrize("dtype", BARS)
def test_turns_frame_by_frame_as_on_the_cpu(emulated, dtype, still, limit):
    filters, shape = [0.3, -0.1, 0.2, -0.5, 0.25, 1.0, 0.4, 0.0, 0.1, 0.2], (2, 9, 300)
    ours = theirs = torch.zeros(2 + len(filters) // 5 * 2, *shape, dtype=dtype.to_real())
    for t, frame in enumerate(turning_bands(4, *shape).to(dtype)):
        emulated.configure(order="shuffled", seed=t)
        options = t, filters, 7.0, still, 2.0, limit
        pushed = emulated.turn_phase_push(frame.numpy(), ours.numpy(), *options)
        turned, ours = map(torch.from_numpy, map(np.copy, pushed))
        theirs = theirs.clone()
        torch.ops.phasenet.turn_phase_push(frame, theirs, *options)
        assert relative_error(turned, frame) < 20 * BARS[dtype]
        assert relative_error(ours, theirs) < 20 * BARS[dtype]
