"""Input for the suites: a moving texture with the statistics of a filmed face."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from phasenet import reference

WAVES = 120
LOWEST, HIGHEST = 0.03, 0.9  # frequencies of the texture, Nyquist at 1
SWAY, TREMBLE = (1.93, 97.0), (0.46, 23.0)  # amplitude in pixels, period in frames
SENSOR_NOISE = 0.7  # standard deviation, grey levels of 255


def moving_texture(length: int, size: tuple[int, int] = (48, 48), seed: int = 0) -> Tensor:
    """uint8 ``[T, H, W]``: plane waves of a 1/f spectrum that sway and tremble, with sensor noise.

    Tuned by the wraps of a real talking face, 48 x 48: there 4.5 % of level 1's phases jump by
    more than pi from one frame to the next and 2.2 % of level 2's, mostly where the amplitude is
    low. `wrap_shares` tells what this clip has.
    """
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(size[0], dtype=torch.float64)[:, None]
    x = torch.arange(size[1], dtype=torch.float64)
    down, right = (_path(length, start) for start in (0.3, 1.7))
    frames = torch.zeros(length, *size, dtype=torch.float64)
    draws = torch.rand(WAVES, 3, generator=generator, dtype=torch.float64)
    for direction, offset, octave in draws.tolist():
        frequency = math.pi * LOWEST * (HIGHEST / LOWEST) ** octave
        f_y = frequency * math.sin(2 * math.pi * direction)
        f_x = frequency * math.cos(2 * math.pi * direction)
        phase = 2 * math.pi * offset - f_y * down - f_x * right
        frames += torch.cos(f_y * y + f_x * x + phase[:, None, None]) / frequency
    frames = 0.5 + 0.45 * frames / frames.abs().max()
    noise = SENSOR_NOISE * torch.randn(frames.shape, generator=generator, dtype=torch.float64)
    return (255 * frames + noise).round().clamp(0, 255).to(torch.uint8)


def wrap_shares(frames: Tensor) -> dict[str, float]:
    """Share of the phases that jump by more than pi between two frames, per level and of all."""
    mirrored = reference._mirror(frames.double() / 255)
    jumps = {}
    for level, band in enumerate(reference.SteerablePyramid(4, 2)(mirrored).bands, 1):
        kept = band[..., : band.shape[-2] // 2, : band.shape[-1] // 2]
        jumps[f"level {level}"] = (kept.angle().diff(dim=0).abs() > math.pi).double().flatten()
    jumps["all"] = torch.cat(list(jumps.values()))
    return {name: round(float(share.mean()), 4) for name, share in jumps.items()}


def _path(length: int, start: float) -> Tensor:
    """Where the texture is at each frame, pixels along one axis."""
    t = 2 * math.pi * torch.arange(length, dtype=torch.float64)
    (sway, slow), (tremble, fast) = SWAY, TREMBLE
    return sway * torch.sin(t / slow + start) + tremble * torch.sin(t / fast + 2 * start)
