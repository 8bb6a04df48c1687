"""Images with known structure for the tests."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from phasenet.parity import ambiguous_planes


def moving_texture(
    length: int,
    size: tuple[int, int],
    shift: tuple[float, float],
    seed: int = 0,
    smoothness: float = 1.0,
) -> Tensor:
    """A smooth random texture moved by `shift` (dy, dx) pixels a frame, exactly: float64 [T, H, W].

    A sum of plane waves with random direction and frequency, so that any shift is a closed form.
    Their amplitudes fall with the frequency to the power of `smoothness`.
    """
    generator = torch.Generator().manual_seed(seed)
    h, w = size
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    frames = torch.zeros(length, h, w, dtype=torch.float64)
    time = torch.arange(length, dtype=torch.float64)[:, None, None]
    for _ in range(40):
        direction, offset, radius = torch.rand(3, generator=generator, dtype=torch.float64).tolist()
        frequency = math.pi * (0.05 + 0.75 * radius)
        ky = frequency * math.sin(2 * math.pi * direction)
        kx = frequency * math.cos(2 * math.pi * direction)
        phase = ky * (y - time * shift[0]) + kx * (x - time * shift[1])
        frames += torch.cos(phase + 2 * math.pi * offset) / frequency**smoothness
    return 0.5 + 0.4 * frames / frames.abs().max()


def clashing_waves(
    length: int, height: int, width: int, *, frequency: float = 1.6, speed: float = 2.0
) -> Tensor:
    """Frames [length, height, width] whose phase differences reach the clamp, float64.

    Waves run apart from the middle and their halves are bright in turn: where they meet, the
    denoised phase swings between the turns of either half.
    """
    x = torch.arange(width, dtype=torch.float64)
    t = torch.arange(length, dtype=torch.float64)[:, None]
    left = x < width // 2
    waves = torch.cos(frequency * x + torch.where(left, speed, -speed) * t)
    brightness = torch.where((t % 2 == 0) == left, 1.0, 0.02)
    rows = 0.9 + 0.2 * torch.rand(height, 1, dtype=torch.float64)
    return 0.5 + 0.4 * (brightness * waves)[:, None, :] * rows


def clear_noise(
    length: int,
    size: tuple[int, int],
    num_phase: int,
    *,
    dtype: torch.dtype = torch.float64,
    rounding: float = 2e-6,
    unclear: float = 0.1,
    **options,
) -> tuple[Tensor, list[Tensor]]:
    """Fresh noise [length, H, W], and where its windows' planes may differ: at most `unclear`.

    One phase within rounding of pi leaves an 11 x 11 patch out, which is most of a small plane:
    such noise, one draw in a hundred, is drawn again, so that the comparison says something. With
    0 nothing may differ, by a turn, where two computations in single precision are compared.
    """
    for _ in range(50):
        frames = torch.rand(length, *size, dtype=dtype)
        masks = ambiguous_planes(frames, num_phase, rounding=rounding, **options)
        if all(mask.double().mean() <= unclear for mask in masks):
            return frames, masks
    raise AssertionError(f"no noise of {size} has clear phases at a rounding of {rounding}")


def clear_videos(
    count: int, length: int, size: tuple[int, int], num_phase: int, **options
) -> Tensor:
    """Fresh noise [count, length, H, W], float32, whose windows have one right answer each."""
    options = {"dtype": torch.float32, "unclear": 0} | options
    return torch.stack([clear_noise(length, size, num_phase, **options)[0] for _ in range(count)])
