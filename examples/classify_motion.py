"""Which way does it move? Phase features for a scikit-learn classifier.

    python examples/classify_motion.py

Each clip shows another texture that moves a tenth of a pixel a frame to the left, to the right, up
or down, too little to see from one frame to the next. Features are the phase differences, one mean
for each orientation and level, weighted by where the picture has structure.
"""

import math

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import phasenet

DIRECTIONS = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}


def clip(direction: str, seed: int, length: int = 5, size: int = 48) -> torch.Tensor:
    """A moving texture with noise of 1 %, [length, size, size]; it does not move outside a disc."""
    generator = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    inside = (y - size / 2).square() + (x - size / 2).square() < (size / 3) ** 2
    t = torch.arange(length)[:, None, None]
    dy, dx = DIRECTIONS[direction]
    moved_y, moved_x = y - 0.1 * dy * t * inside, x - 0.1 * dx * t * inside
    angle, offset, radius = torch.rand(3, 30, 1, 1, 1, generator=generator)
    k = math.pi * (0.2 + 0.4 * radius)
    waves = k * (angle.mul(math.tau).sin() * moved_y + angle.mul(math.tau).cos() * moved_x)
    frames = torch.cos(waves + math.tau * offset).sum(0)
    frames = 0.5 + 0.1 * frames / frames.std()
    return frames + 0.01 * torch.randn(frames.shape, generator=generator)


def features(frames: torch.Tensor) -> torch.Tensor:
    """Along each orientation of both levels: does the disc move with or against the band's phase?

    A phase difference is minus frequency times motion, and its plane's mean has been taken off, so
    the disc's mean less that around it is kept.
    """
    size = frames.shape[-1]
    found = []
    for level in phasenet.phase_difference(frames):
        h = level.shape[-1]
        y, x = torch.meshgrid(torch.arange(h), torch.arange(h), indexing="ij")
        scale = size / h
        distance = ((y - h / 2).square() + (x - h / 2).square()).sqrt() * scale
        inside, outside = distance < size / 4, distance > size / 2.4
        found.append(level[..., inside].mean((-2, -1)) - level[..., outside].mean((-2, -1)))
    return torch.cat(found)


def main() -> float:
    names = list(DIRECTIONS)
    clips = [(clip(name, seed=4 * i + k), k) for i in range(40) for k, name in enumerate(names)]
    x = torch.stack([features(frames) for frames, _ in clips]).numpy()
    y = [label for _, label in clips]
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(x[:80], y[:80])
    accuracy = float(model.score(x[80:], y[80:]))
    print(f"{len(x[0])} features, {accuracy:.0%} of 80 unseen clips right (chance 25%)")
    return accuracy


if __name__ == "__main__":
    main()
