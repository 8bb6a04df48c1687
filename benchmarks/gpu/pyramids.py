"""The pyramid on a GPU, beside its Fourier transforms alone and beside plenoptic."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor

import phasenet
from benchmarks import device_timing
from benchmarks.contest import Parity, Side, compared
from benchmarks.gpu.tasks import Task, in_graph, timed
from benchmarks.parity import flat, pyramid_parity
from benchmarks.peers import PLENOPTIC, Shape, plenoptic_pyramid
from benchmarks.rows import Row
from benchmarks.settings import Settings

SHAPES = (Shape(16, 256, 5, 4), Shape(64, 512, 6, 4))
QUICK_SHAPES = (Shape(2, 32, 4, 2),)
FFTS = "its FFTs alone (rfft2, the levels' ifft2 and the residuals' irfft2, without normalisation)"
GRAPHS = f"{FFTS}, both in a CUDA graph"
CHECKED = 2  # images at either end whose errors are told


def shapes(settings: Settings) -> list[Pyramid]:
    return [Pyramid(settings, shape) for shape in (QUICK_SHAPES if settings.quick else SHAPES)]


class Pyramid:
    """The rows of one shape."""

    def __init__(self, settings: Settings, shape: Shape) -> None:
        self.settings, self.shape = settings, shape
        self.call = phasenet.SteerablePyramid(shape.height, shape.nbands)

    def own(self) -> list[Task]:
        """Beside the Fourier transforms that it needs, in a graph and eager."""
        return [
            self._task("ffts", GRAPHS, self._graph, kind="cost", target=1.3),
            self._task("launched", FFTS, self._launched, kind="cost"),
        ]

    def peers(self) -> list[Task]:
        return [self._task("plenoptic", PLENOPTIC, self._beside_plenoptic, target=4.0)]

    @cached_property
    def images(self) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        return torch.rand(*self.shape[:2], self.shape.side, generator=generator)

    def check(self, parts: list[Tensor]) -> Parity:
        """Of the first images and of the last."""
        return self._parity([torch.cat([part[:CHECKED], part[-CHECKED:]]) for part in parts])

    @cached_property
    def _parity(self) -> Callable[[list[Tensor]], Parity]:
        ends = torch.cat([self.images[:CHECKED], self.images[-CHECKED:]])
        return pyramid_parity(ends, self.shape.height, self.shape.nbands)

    def _graph(self, **names: Any) -> Row:
        fixed = self.images.to(self.settings.device)
        sides = {
            "ours": in_graph(self.settings, lambda: flat(self.call(fixed)), self.check),
            "ffts": in_graph(self.settings, self._ffts(fixed)),
        }
        found = timed(self.settings, sides, flushed=True)
        return compared(found["ours"], found["ffts"], **names)

    def _launched(self, **names: Any) -> Row:
        ffts = Side(self._ffts(self.images.to(self.settings.device)))
        found = timed(self.settings, {"ours": self._ours(), "ffts": ffts})
        return compared(found["ours"], found["ffts"], **names)

    def _beside_plenoptic(self, **names: Any) -> Row:
        found = timed(self.settings, {"ours": self._ours(), "peer": self._plenoptic()})
        return compared(found["ours"], found["peer"], **names)

    def _ours(self) -> Side:
        images = device_timing.rotated(self.images, self.settings.device)
        return Side(
            lambda: flat(self.call(next(images))), self.check, gap=self.settings.operator_gap
        )

    def _ffts(self, images: Tensor) -> Callable[[], list[Tensor]]:
        """The same transforms of contiguous tensors, with nothing in between."""
        count, side, height, nbands = self.shape
        options: dict[str, Any] = {"dtype": torch.complex64, "device": images.device}
        sides = [-(-side // 2**level) for level in range(height - 1)]
        bands = [torch.randn(count, nbands, s, s, **options) for s in sides[:-1]]
        halves = [(torch.randn(count, s, s // 2 + 1, **options), s) for s in (sides[0], sides[-1])]

        def call() -> list[Tensor]:
            return [
                torch.fft.rfft2(images),
                *(torch.fft.ifft2(one, norm="forward") for one in bands),
                *(torch.fft.irfft2(one, s=(s, s), norm="forward") for one, s in halves),
            ]

        return call

    def _plenoptic(self) -> Side:
        peer = plenoptic_pyramid(self.shape, self.settings.device)
        if isinstance(peer, str):
            return Side(gap=peer)
        images = device_timing.rotated(self.images, self.settings.device)
        order = ["residual_highpass", *range(self.shape.height - 2), "residual_lowpass"]

        def call() -> list[Tensor]:
            coefficients = peer(next(images)[:, None])
            # Its images have a channel, ours have none.
            return [coefficients[key].squeeze(1) for key in order]

        return Side(call, self.check, optional=True)

    def _task(self, name: str, against: str, measure: Any, **row: Any) -> Task:
        count, side, height, nbands = self.shape
        names = {
            "id": f"cuda/pyramid/{side}/{name}", "work": "pyramid, forward", "against": against,
            "size": f"{count}x{side}x{side} height {height} bands {nbands} float32", **row,
        }  # fmt: skip
        return Task(names, partial(measure, **names))
