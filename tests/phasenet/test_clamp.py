"""Phase differences that reach the clamp, and what their gradient then is."""

from __future__ import annotations

import math

import pytest
import torch
from support.textures import clashing_waves

from phasenet import phase_difference_windows, reference

NUM_PHASE = 48


@pytest.mark.parametrize("unwrap", ["full", "published"])
def test_clamped_differences_and_their_gradient_match_the_reference(unwrap):
    frames = clashing_waves(NUM_PHASE + 2, 16, 20)
    grads = None
    results = []
    for operator in (phase_difference_windows, reference.phase_difference_windows):
        given = frames.clone().requires_grad_()
        planes = operator(given, NUM_PHASE, unwrap=unwrap, boundary="valid")
        grads = grads or [torch.randn_like(plane) for plane in planes]
        results.append([*planes, *torch.autograd.grad(planes, given, grads)])
    clamped = sum(int((plane.abs() == 5 * math.pi).sum()) for plane in results[0][:2])
    assert clamped > 0
    for got, want in zip(*results, strict=True):
        assert (got - want).norm() / want.norm() < 1e-9  # the dark halves divide by little
