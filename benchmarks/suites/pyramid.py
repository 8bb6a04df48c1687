"""The complex steerable pyramid and its inverse, beside plenoptic, pyrtools and bare FFTs."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

import phasenet
from benchmarks.paired_timing import Parity, Side
from benchmarks.suites import Settings, SuiteRun
from benchmarks.suites.comparison import Check, Comparison, Task, measure
from phasenet import PyramidCoeffs, reference
from phasenet.parity import relative_error


class Shape(NamedTuple):
    """So many square images, and the pyramid built on them."""

    images: int
    side: int
    height: int
    nbands: int

    def __str__(self) -> str:
        count, side, height, nbands = self
        return f"{count}x{side}x{side} height {height} bands {nbands} float32"


SHAPES = (Shape(76, 96, 4, 2), Shape(16, 256, 5, 4), Shape(4, 512, 6, 4))
QUICK_SHAPES = (Shape(4, 96, 4, 2), Shape(1, 256, 5, 4))
AT_ONCE = 2  # images for pyrtools, which takes one at a time and makes its filters each time
PLENOPTIC = "plenoptic SteerablePyramidFreq, complex"
RECON = "plenoptic recon_pyr"
FFTS = "its FFTs alone (one rfft2, the levels' complex ifft2)"
PYRTOOLS = "pyrtools SteerablePyramidFreq, complex, image by image"
BARS = {torch.float32: 1e-6, torch.float64: 1e-12}  # above these errors a result is wrong


def run(settings: Settings) -> SuiteRun:
    """Time every row of the suite."""
    shapes = QUICK_SHAPES if settings.quick else SHAPES
    tasks = [task for shape in shapes for task in _Shape(settings, shape).tasks()]
    return [measure(task, settings) for task in tasks], {"images": "uniform noise"}


class PyramidComparison(Comparison):
    """The pyramid and its peers, of one shape."""

    suite = "pyramid"

    def __init__(self, settings: Settings, shape: Shape) -> None:
        generator = torch.Generator().manual_seed(0)
        images = torch.rand(shape.images, shape.side, shape.side, generator=generator)
        prefix = f"{self.suite}/{shape.side}"
        super().__init__(settings, images, prefix, "pyramid, forward", str(shape))
        self.shape, self.call = shape, phasenet.SteerablePyramid(shape.height, shape.nbands)

    def part(self, images: Tensor) -> Tensor:
        """Of which images, or their coefficients, the errors are told."""
        return images

    @cached_property
    def check(self) -> Check:
        """What tells the error of coefficients."""
        pyramid = reference.SteerablePyramid(self.shape.height, self.shape.nbands)
        return self.parity(flat(pyramid(self.part(self.inputs).double())))

    def parity(self, expected: Sequence[Tensor]) -> Check:
        """Return what tells how far several tensors are off; the worst counts."""

        def check(parts: Sequence[Tensor]) -> Parity:
            pairs = zip(map(self.part, parts), expected, strict=True)
            error = max(relative_error(got.cpu().reshape(want.shape), want) for got, want in pairs)
            return Parity(error, bar=BARS[parts[0].dtype])

        return check

    def ours(self, inputs: Iterator[Tensor], threads: int | None = None) -> Side:
        gap = self.settings.operator_gap
        return Side(lambda: flat(self.call(next(inputs))), self.check, threads, gap)

    def plenoptic(self, inputs: Iterator[Tensor]) -> Side:
        order = ["residual_highpass", *range(self.shape.height - 2), "residual_lowpass"]

        def call() -> list[Tensor]:
            coefficients = self.plenoptic_pyramid(next(inputs)[:, None])
            return [coefficients[key] for key in order]

        return Side(call, self.check, optional=True)

    @cached_property
    def plenoptic_pyramid(self) -> Any:
        """plenoptic's pyramid of this shape, made when it is first called."""
        plenoptic = importlib.import_module("plenoptic")
        _, side, height, nbands = self.shape
        return plenoptic.process.SteerablePyramidFreq(
            (side, side), height=height - 2, order=nbands - 1, is_complex=True,
            downsample=True, tight_frame=False,
        ).to(self.settings.device)  # fmt: skip

    def spectra(self, levels: int) -> list[Tensor]:
        """Spectra ``[N, nbands, h, w]`` of the first levels' bands, of noise."""
        count, side, _, nbands = self.shape
        lengths = [-(-side // 2**level) for level in range(levels)]
        options: dict[str, Any] = {"dtype": torch.complex64, "device": self.settings.device}
        return [torch.randn(count, nbands, n, n, **options) for n in lengths]


class _Shape(PyramidComparison):
    """The rows of one shape."""

    def tasks(self) -> list[Task]:
        few = _Shape(self.settings, self.shape._replace(images=min(AT_ONCE, self.shape.images)))
        inverse, thread = {"work": "pyramid, inverse"}, "itself on 1 thread"
        two, two_back = self.beside_one_thread(), self.beside_one_thread(self._inverse)
        return [
            self.task("forward/plenoptic", PLENOPTIC, self.beside(self.plenoptic), target=3),
            self.task("forward/ffts", FFTS, self.beside(self._ffts), kind="cost", target=1.5),
            self.task("inverse/plenoptic", RECON, self._inverses, target=3, **inverse),
            few.task("forward/pyrtools", PYRTOOLS, few.beside(few._pyrtools), slow=True),
            self.task("forward/threads", thread, two, target=1.7),
            self.task("inverse/threads", thread, two_back, target=1.7, **inverse),
        ]

    def _ffts(self, inputs: Iterator[Tensor]) -> Side:
        spectra = self.spectra(self.shape.height - 2)
        return Side(lambda: [torch.fft.rfft2(next(inputs)), *map(torch.fft.ifft2, spectra)])

    def _inverses(self) -> dict[str, Side]:
        return {"ours": self._inverse(), "peer": self._plenoptic_inverse()}

    def _inverse(self, threads: int | None = None) -> Side:
        if gap := self.settings.operator_gap:
            return Side(threads=threads, gap=gap)
        coefficients, check = self.call(self.on_device()), self.parity([self.inputs])
        return Side(lambda: [self.call.inverse(coefficients)], check, threads)

    def _plenoptic_inverse(self) -> Side:
        @cache
        def coefficients() -> Any:  # at the first call, which is not timed
            return self.plenoptic_pyramid(self.on_device()[:, None])

        def call() -> list[Tensor]:
            given = coefficients()
            return [self.plenoptic_pyramid.recon_pyr(given)]

        return Side(call, self.parity([self.inputs]), optional=True)

    def _pyrtools(self, inputs: Iterator[Tensor]) -> Side:
        levels, nbands = self.shape.height - 2, self.shape.nbands
        keys: list[list[Any]] = [[(i, band) for band in range(nbands)] for i in range(levels)]
        keys = [["residual_highpass"], *keys, ["residual_lowpass"]]
        arrays = self.inputs.numpy()

        def call() -> list[Tensor]:
            build = importlib.import_module("pyrtools").pyramids.SteerablePyramidFreq
            options = {"height": levels, "order": nbands - 1, "is_complex": True}
            pyramids = [build(image, **options).pyr_coeffs for image in arrays]
            stacked = [np.stack([[one[key] for key in part] for one in pyramids]) for part in keys]
            return [torch.from_numpy(array) for array in stacked]

        return Side(call, self.check, optional=True)


def flat(coefficients: PyramidCoeffs) -> list[Tensor]:
    """Highpass, bands from the finest level on, lowpass."""
    return [coefficients.highpass, *coefficients.bands, coefficients.lowpass]
