"""Pictures moved by known fields: evaluated where the motion leads, so that the truth is exact."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

KINDS = ("soft", "crisp", "fractal")
WAVES = 250
FINEST, COARSEST = 4.0, 64.0  # wavelengths of "fractal", pixels
SOFT = 32.0  # pixels: wavelength at which the spectrum of "soft" has fallen to 0.6
CONTRAST = 0.12  # standard deviation, 30 grey levels

#: Motion along x and y at places given from the middle of the picture.
Field = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def translation(pixels: float) -> Field:
    """Downwards to the right, 0.4 radians from the x axis."""
    x, y = pixels * math.cos(0.4), pixels * math.sin(0.4)
    return lambda place_y, place_x: (torch.full_like(place_x, x), torch.full_like(place_y, y))


def zoom(rate: float) -> Field:
    """Away from the middle by `rate` of the distance to it."""
    return lambda y, x: (rate * x, rate * y)


def rotation(angle: float) -> Field:
    """Around the middle, radians."""
    c, s = math.cos(angle) - 1, math.sin(angle)
    return lambda y, x: (c * x - s * y, s * x + c * y)


def sine(pixels: float, period: float) -> Field:
    """Each coordinate swings along the other."""
    k = 2 * math.pi / period
    return lambda y, x: (pixels * torch.sin(k * y + 0.3), pixels * torch.sin(k * x + 1.1))


def swell(pixels: float, period: float) -> Field:
    """Each coordinate swings along itself."""
    k = 2 * math.pi / period
    return lambda y, x: (pixels * torch.sin(k * x + 0.3), pixels * torch.sin(k * y + 1.1))


FIELDS: dict[str, Field] = {
    **{f"translation of {d:g} px": translation(d) for d in (0.1, 0.5, 1.5, 3.0, 8.0)},
    **{f"zoom by {100 * rate:g} %": zoom(rate) for rate in (1 / 100, 5 / 100)},
    "rotation by 0.02 rad": rotation(0.02),
    "sine of 0.3 px, period 60 px": sine(0.3, 60),
    "sine of 1 px, period 60 px": sine(1, 60),
    "sine of 4 px, period 120 px": sine(4, 120),
    "swell of 1 px, period 60 px": swell(1, 60),
}


class AnalyticPicture:
    """A random picture that has a value at any place.

    Args:
        kind: "soft", plane waves of a Gaussian spectrum; "fractal", of one that falls with the
            frequency; "crisp", discs with edges a pixel wide.
        size: (H, W).
    """

    def __init__(self, kind: str, size: tuple[int, int], seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.kind, self.size = kind, size
        height, width = size
        count = height * width // 100 if kind == "crisp" else WAVES
        draws = torch.rand(count, 4, generator=generator, dtype=torch.float64)
        if kind == "crisp":  # middles, radii and grey; some beyond the border
            scale = torch.tensor([height + 80, width + 80, 12, 1], dtype=torch.float64)
            start = torch.tensor([-40 - height / 2, -40 - width / 2, 3, -0.5], dtype=torch.float64)
            self._parts = (draws * scale + start).tolist()
        else:
            radius, angle, offset = draws[:, 0], math.tau * draws[:, 1], math.tau * draws[:, 2]
            if kind == "soft":
                frequency = math.tau / SOFT * torch.sqrt(-2 * torch.log1p(-0.999 * radius))
            else:
                frequency = math.tau / COARSEST * (COARSEST / FINEST) ** radius
            waves = (frequency * angle.sin(), frequency * angle.cos(), offset)
            self._parts = torch.stack(waves, -1).tolist()
        self._middle, self._gain = 0.0, 1.0
        still = self.at(*self._places())
        self._middle, self._gain = float(still.mean()), CONTRAST / float(still.std())

    def at(self, y: Tensor, x: Tensor) -> Tensor:
        """The values at places from the middle, around 0.5."""
        values = torch.zeros_like(y)
        for part in self._parts:
            if self.kind == "crisp":
                at_y, at_x, radius, grey = part
                values += grey * torch.sigmoid(2 * (radius - torch.hypot(y - at_y, x - at_x)))
            else:
                k_y, k_x, offset = part
                values += torch.cos(k_y * y + k_x * x + offset)
        return 0.5 + (values - self._middle) * self._gain

    def pair(self, field: Field) -> tuple[Tensor, Tensor]:
        """Two frames, float64 ``[2, H, W]``, and the motion of the first ``[2, H, W]``.

        The second is the picture itself; the first has at each pixel what the motion takes to where
        the second has it.
        """
        y, x = self._places()
        right, down = field(y, x)
        frames = torch.stack([self.at(y + down, x + right), self.at(y, x)])
        return frames, torch.stack([right, down])

    def _places(self) -> tuple[Tensor, ...]:
        y, x = (torch.arange(side, dtype=torch.float64) - (side - 1) / 2 for side in self.size)
        return torch.meshgrid(y, x, indexing="ij")


def grey_levels(frames: Tensor) -> Tensor:
    """uint8, rounded."""
    return (255 * frames).round().clamp(0, 255).to(torch.uint8)
