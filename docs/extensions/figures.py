"""The documentation's figures, computed by the code they explain before the pages are read."""

from __future__ import annotations

import math
import os
import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor

from phasenet import (
    SteerablePyramid,
    local_motion,
    phase_difference,
    reference,
    viz,
)


def waves(length: int, size: int, dx: float, seed: int = 3) -> Tensor:
    """A texture of plane waves whose upper half moves `dx` pixels a frame to the right."""
    generator = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    t = torch.arange(length)[:, None, None]
    angle, offset, radius = torch.rand(3, 40, 1, 1, 1, generator=generator)
    k = math.pi * (0.1 + 0.6 * radius)
    moved = x - dx * t * (y < size / 2)
    phase = k * (angle.mul(math.tau).sin() * y + angle.mul(math.tau).cos() * moved)
    frames = torch.cos(phase + math.tau * offset).sum(0)
    return 0.5 + 0.12 * frames / frames.std()


def filters(folder: Path) -> None:
    """The frequency response of every part of a pyramid, by transforming an impulse."""
    size = 129
    impulse = torch.zeros(size, size, dtype=torch.float64)
    impulse[size // 2, size // 2] = 1
    coeffs = SteerablePyramid(4, 3)(impulse)

    def response(x: Tensor) -> np.ndarray:
        spectrum = torch.fft.fftshift(torch.fft.fft2(x)).abs()
        return viz.grey(spectrum, 0)

    parts = [[response(coeffs.highpass), response(coeffs.lowpass)]]
    parts += [[response(band) for band in level] for level in coeffs.bands]
    viz.save(folder / "filters.png", viz.tile(parts))


def radial(folder: Path) -> None:
    """High and low masks over the distance from the centre of the spectrum."""
    from matplotlib.figure import Figure

    log_radius = torch.linspace(-4, 0.5, 500)
    figure = Figure(figsize=(7, 2.6), layout="constrained")
    axes = figure.subplots()
    left = torch.ones_like(log_radius)
    for level in range(3):
        high = left * reference._hi(log_radius, -level)
        left = left * reference._lo(log_radius, -level)
        name = "highpass" if level == 0 else f"level {level}"
        axes.plot(log_radius, high, label=name)
    axes.plot(log_radius, left, label="lowpass")
    axes.set(xlabel="log2 r (0 is the Nyquist frequency of an axis)", ylabel="mask")
    axes.legend(loc="center left")
    figure.savefig(folder / "radial.png", dpi=110)


def motion(folder: Path) -> None:
    """The phase difference over the motion it comes from, for one plane wave."""
    from matplotlib.figure import Figure

    x = torch.arange(96, dtype=torch.float64)
    shifts = torch.linspace(-1.8, 1.8, 37, dtype=torch.float64)
    figure = Figure(figsize=(7, 2.8), layout="constrained")
    axes = figure.subplots()
    for frequency, name in ((math.pi / 2, "pi / 2"), (math.pi / 3, "pi / 3")):
        measured = []
        for shift in shifts:
            moving = torch.stack([torch.cos(frequency * (x - shift * t)) for t in range(2)])
            still = torch.cos(frequency * x).expand(2, 96)
            frames = torch.cat(
                [moving[:, None].expand(2, 48, 96), still[:, None].expand(2, 48, 96)], 1
            )
            band = phase_difference(0.5 + 0.4 * frames)[0][0, 0]
            measured.append(float(band[12:36, 12:84].mean() - band[60:84, 12:84].mean()))
        axes.plot(shifts, measured, ".", label=f"measured, k = {name}")
        axes.plot(shifts, -frequency * shifts, "k:", linewidth=0.8)
    axes.set(xlabel="motion d, pixels a frame", ylabel="phase difference, rad", ylim=(-3.3, 3.3))
    axes.legend()
    figure.savefig(folder / "motion.png", dpi=110)


def pictures(folder: Path) -> None:
    """What phasenet.viz draws."""
    frames = waves(9, 96, 0.25)
    viz.save(folder / "pyramid.png", viz.tile_pyramid(SteerablePyramid(5, 4)(frames[0])))
    viz.save(folder / "wheel.png", viz.phase_wheel(140))
    small = waves(9, 48, 0.25)
    strip = viz.film_strip(phase_difference(small)[0], limit=0.5)
    viz.save(folder / "strip.png", strip.repeat(2, axis=0).repeat(2, axis=1))
    measured, weight = (x[0] for x in local_motion(frames[4:6], return_weight=True))
    viz.save(folder / "arrows.png", viz.draw_motion(frames[4], measured, weight, scale=20))


def magnified(folder: Path) -> None:
    """The pictures of the tutorial on magnification, by its own snippets."""
    page = folder.parent / "tutorials/magnify.md"
    snippets = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    before, names = Path.cwd(), {"__name__": page.stem}
    with TemporaryDirectory() as temporary:
        os.chdir(temporary)
        try:
            for snippet in snippets:
                exec(compile(snippet, str(page), "exec"), names)
        finally:
            os.chdir(before)
        for picture in Path(temporary).glob("*.png"):
            shutil.copy(picture, folder)


def make(app: Any) -> None:
    folder = Path(app.srcdir) / "figures"
    folder.mkdir(exist_ok=True)
    for figure in (filters, radial, motion, pictures, magnified):
        figure(folder)


def setup(app: Any) -> dict[str, Any]:
    app.connect("builder-inited", make)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
