"""The pyramid on a GPU, beside its Fourier transforms alone and beside plenoptic."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from benchmarks.paired_timing import Side
from benchmarks.suites import Settings
from benchmarks.suites.comparison import Task
from benchmarks.suites.pyramid import PLENOPTIC, PyramidComparison, Shape, flat

SHAPES = (Shape(16, 256, 5, 4), Shape(64, 512, 6, 4))
QUICK_SHAPES = (Shape(2, 32, 4, 2),)
FFTS = "its FFTs alone (rfft2, the levels' ifft2 and the residuals' irfft2, without normalisation)"
CHECKED = 2  # images at either end whose errors are told


def shapes(settings: Settings) -> list[Pyramid]:
    return [Pyramid(settings, shape) for shape in (QUICK_SHAPES if settings.quick else SHAPES)]


def tasks(settings: Settings) -> Iterator[Task]:
    """Beside the Fourier transforms that it needs, in a graph and eager; beside plenoptic."""
    for one in shapes(settings):
        graphs, cost = f"{FFTS}, both in a CUDA graph", {"kind": "cost"}
        yield one.task("ffts", graphs, one.graphed, flushed=True, target=0.7, **cost)
        yield one.task("launched", FFTS, one.beside(one.launched_ffts), **cost)
        yield one.task("plenoptic", PLENOPTIC, one.beside(one.plenoptic), "peers", target=6.0)


class Pyramid(PyramidComparison):
    """One shape."""

    suite = "cuda/pyramid"

    def part(self, images: Tensor) -> Tensor:
        return torch.cat([images[:CHECKED], images[-CHECKED:]])

    def graphed(self) -> dict[str, Side]:
        """The pyramid and the bare transforms."""
        fixed = self.on_device()
        ours = self.in_graph(lambda: flat(self.call(fixed)), self.check)
        return {"ours": ours, "peer": self.in_graph(self._ffts())}

    def launched_ffts(self, inputs: Iterator[Tensor]) -> Side:
        return Side(self._ffts())

    def _ffts(self) -> Callable[[], Any]:
        """The same transforms of contiguous tensors, with nothing in between."""
        images = self.on_device()
        *bands, last = self.spectra(self.shape.height - 1)
        # The residuals' spectra: half of one band's, as they are real.
        halves = [x[:, 0, :, : x.shape[-1] // 2 + 1].contiguous() for x in (bands[0], last)]
        return lambda: [
            torch.fft.rfft2(images),
            *(torch.fft.ifft2(one, norm="forward") for one in bands),
            *(torch.fft.irfft2(x, s=2 * x.shape[-2:-1], norm="forward") for x in halves),
        ]
