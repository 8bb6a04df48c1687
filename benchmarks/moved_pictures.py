"""Pictures that are moved exactly, by any part of a pixel, and how far others of them were."""

from __future__ import annotations

import math

import torch
from torch import Tensor

KINDS = ("soft", "crisp", "fractal")


class MovingPicture:
    """A random picture [H, W] around 0.5, cut out of a larger one that is moved by its spectrum.

    Args:
        kind: "soft", blobs; "crisp", discs with edges a pixel wide; "fractal", noise whose spectrum
            falls with the frequency.
        size: (H, W) of what is cut out.
        finest: wavelength in pixels of the finest detail.
    """

    def __init__(self, kind: str, size: tuple[int, int], seed: int = 0, finest: float = 4) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.size = size
        height, width = whole = [2 * side for side in size]
        self._y, self._x = torch.meshgrid(
            *(torch.fft.fftfreq(side, dtype=torch.float64) for side in whole), indexing="ij"
        )
        frequency = torch.hypot(self._y, self._x)
        if kind == "crisp":
            picture = torch.zeros(height, width, dtype=torch.float64)
            y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
            for _ in range(height * width // 400):
                at_y, at_x, radius, height_ = torch.rand(4, generator=generator).tolist()
                from_y = torch.remainder(y - at_y * height + height / 2, height) - height / 2
                from_x = torch.remainder(x - at_x * width + width / 2, width) - width / 2
                inside = torch.sigmoid(2 * (3 + 12 * radius - torch.hypot(from_y, from_x)))
                picture += (height_ - 0.5) * inside.double()
            spectrum = torch.fft.fft2(picture)
        else:
            noise = torch.randn(height, width, generator=generator, dtype=torch.float64)
            shape = 1 / frequency.clamp(min=1 / 64)
            if kind == "soft":
                shape = torch.exp(-0.5 * (frequency * 32) ** 2)
            spectrum = torch.fft.fft2(noise) * shape
        # Nothing that is longer than the picture, and nothing finer than asked.
        spectrum *= torch.exp(-((frequency * finest) ** 8)) * (frequency > 1 / min(size))
        self._spectrum = spectrum * 0.12 / torch.fft.ifft2(spectrum).real.std()

    def at(self, x: float, y: float = 0.0) -> Tensor:
        """The picture moved by `x` and `y` pixels, float64."""
        turned = torch.exp(-2j * math.pi * (self._x * x + self._y * y))
        top, left = (side // 2 for side in self.size)
        h, w = self.size
        moved = torch.fft.ifft2(self._spectrum * turned).real
        return 0.5 + moved[top : top + h, left : left + w]

    def film(self, places: Tensor) -> Tensor:
        """Frames [T, H, W] moved along x."""
        return torch.stack([self.at(x) for x in places.tolist()])

    def place(self, picture: Tensor, start: float) -> float:
        """How far along x `picture` is moved, by least squares from `start` on.

        But for a border of an eighth, beyond which nothing tells what moves in.
        """
        x = start
        inside = tuple(slice(side // 8, side - side // 8) for side in self.size)
        for _ in range(12):
            slope = ((self.at(x + 0.01) - self.at(x - 0.01)) / 0.02)[inside]
            rest = (picture.double() - self.at(x))[inside]
            step = float((rest * slope).sum() / slope.square().sum())
            x += step
            if abs(step) < 1e-7:
                break
        return x


def psnr(got: Tensor, truth: Tensor) -> float:
    """In dB, of values from 0 to 1."""
    return -10 * math.log10(float((got.double() - truth).square().mean()))
