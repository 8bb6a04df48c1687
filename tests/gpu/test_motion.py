"""Motion in pixels against the CPU in float64."""

from __future__ import annotations

import pytest
import torch
from support.textures import moving_texture

from phasenet import local_motion

pytestmark = pytest.mark.cuda


@pytest.mark.parametrize("largest", [None, 4])
def test_motion_is_that_of_the_cpu_in_float64(device, largest):
    frames = moving_texture(3, (61, 70), (0.6, -0.3))
    expected = local_motion(frames, largest=largest, return_weight=True)
    got = local_motion(frames.float().to(device), largest=largest, return_weight=True)
    for found, want in zip(got, expected, strict=True):
        assert found.device.type == torch.device(device).type
        assert float((found.cpu().double() - want).norm() / want.norm()) < 1e-3
