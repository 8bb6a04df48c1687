"""The complex steerable pyramid and its inverse, beside plenoptic, pyrtools and bare FFTs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

import phasenet
from benchmarks.contest import Outcome, Side, compared, contest
from benchmarks.parity import flat, pyramid_parity, reconstruction_parity
from benchmarks.peers import PLENOPTIC, Shape, import_peer, plenoptic_pyramid
from benchmarks.rows import Row
from benchmarks.settings import Settings, SuiteRun

SHAPES = (Shape(76, 96, 4, 2), Shape(16, 256, 5, 4), Shape(4, 512, 6, 4))
QUICK_SHAPES = (Shape(4, 96, 4, 2), Shape(1, 256, 5, 4))
AT_ONCE = 2  # images for pyrtools, which takes one at a time and makes its filters each time
RECON = "plenoptic recon_pyr"
FFTS = "its FFTs alone (one rfft2, the levels' complex ifft2)"
PYRTOOLS = "pyrtools SteerablePyramidFreq, complex, image by image"


def run(settings: Settings) -> SuiteRun:
    """Time every row of the suite."""
    rows: list[Row] = []
    with torch.inference_mode():
        for shape in QUICK_SHAPES if settings.quick else SHAPES:
            suite = _Shape(settings, shape)
            rows += [*suite.forward(), suite.inverse(), suite.pyrtools(), *suite.threads()]
    return SuiteRun(rows, {"images": "uniform noise"})


@dataclass
class _Shape:
    """The rows of one shape."""

    settings: Settings
    shape: Shape

    def __post_init__(self) -> None:
        count, side, height, nbands = self.shape
        generator = torch.Generator().manual_seed(0)
        self.images = torch.rand(count, side, side, generator=generator).to(self.settings.device)
        self.parity = pyramid_parity(self.images, height, nbands)
        self.pyramid = phasenet.SteerablePyramid(height, nbands)

    def forward(self) -> list[Row]:
        self._tell("forward")
        plenoptic = plenoptic_pyramid(self.shape, self.settings.device)
        peers = {"plenoptic": self._plenoptic_forward(plenoptic), "ffts": self._ffts()}
        found = self._contest({"ours": self._ours(), **peers})
        ours = found["ours"]
        return [
            self._row("forward/plenoptic", PLENOPTIC, ours, found["plenoptic"], target=3),
            self._row("forward/ffts", FFTS, ours, found["ffts"], kind="cost", target=1.5),
        ]

    def inverse(self) -> Row:
        self._tell("inverse")
        plenoptic = plenoptic_pyramid(self.shape, self.settings.device)
        peer = self._plenoptic_inverse(plenoptic)
        found = self._contest({"ours": self._our_inverse(), "plenoptic": peer})
        return self._row("inverse/plenoptic", RECON, found["ours"], found["plenoptic"], target=3)

    def pyrtools(self) -> Row:
        self._tell("pyrtools")
        few = self.images[:AT_ONCE]
        parity = pyramid_parity(few, self.shape.height, self.shape.nbands)
        pyrtools = import_peer("pyrtools")
        arrays = few.cpu().numpy()
        levels, nbands = range(self.shape.height - 2), self.shape.nbands
        parts = [[(level, band) for band in range(nbands)] for level in levels]
        parts = [["residual_highpass"], *parts, ["residual_lowpass"]]

        def theirs() -> list[Tensor]:
            build = pyrtools.pyramids.SteerablePyramidFreq
            pyramids = [
                build(image, height=len(levels), order=nbands - 1, is_complex=True).pyr_coeffs
                for image in arrays
            ]
            return [
                torch.from_numpy(np.stack([[one[key] for key in keys] for one in pyramids]))
                for keys in parts
            ]

        gap = pyrtools if isinstance(pyrtools, str) else None
        sides = {
            "ours": Side(lambda: flat(self.pyramid(few)), parity, gap=self.settings.operator_gap),
            "pyrtools": Side(theirs, parity, gap=gap, optional=True),
        }
        found = contest(sides, self.settings.threads, self.settings.slow_budget)
        return self._row(
            "forward/pyrtools", PYRTOOLS, found["ours"], found["pyrtools"], images=len(few)
        )

    def threads(self) -> list[Row]:
        self._tell("threads")
        gap = None if self.settings.threads > 1 else "needs two threads"
        gap = "a GPU has no threads" if self.settings.device == "cuda" else gap
        rows = []
        for name, make in (("forward", self._ours), ("inverse", self._our_inverse)):
            found = self._contest({str(count): make(count, gap) for count in (1, 2)})
            rows.append(
                self._row(
                    f"{name}/threads", "itself on 1 thread", found["2"], found["1"], target=1.7
                )
            )
        return rows

    def _ours(self, threads: int | None = None, gap: str | None = None) -> Side:
        return Side(
            lambda: flat(self.pyramid(self.images)), self.parity, threads,
            gap or self.settings.operator_gap,
        )  # fmt: skip

    def _our_inverse(self, threads: int | None = None, gap: str | None = None) -> Side:
        gap = gap or self.settings.operator_gap
        if gap:
            return Side(threads=threads, gap=gap)
        coefficients = self.pyramid(self.images)
        return Side(
            lambda: self.pyramid.inverse(coefficients), reconstruction_parity(self.images), threads
        )

    def _plenoptic_forward(self, plenoptic: Any) -> Side:
        if isinstance(plenoptic, str):
            return Side(gap=plenoptic)
        levels = range(self.shape.height - 2)
        order = ["residual_highpass", *levels, "residual_lowpass"]
        images = self.images[:, None]

        def call() -> list[Tensor]:
            coefficients = plenoptic(images)
            return [coefficients[key] for key in order]

        return Side(call, self.parity, optional=True)

    def _plenoptic_inverse(self, plenoptic: Any) -> Side:
        if isinstance(plenoptic, str):
            return Side(gap=plenoptic)
        made: list[Any] = []

        def call() -> Tensor:
            if not made:  # at the first call, which is not timed
                made.append(plenoptic(self.images[:, None]))
            return plenoptic.recon_pyr(made[0])

        return Side(call, reconstruction_parity(self.images), optional=True)

    def _ffts(self) -> Side:
        count, side, height, nbands = self.shape
        spectra = [
            torch.randn(
                count, nbands, side >> level, side >> level,
                dtype=torch.complex64, device=self.images.device,
            )
            for level in range(height - 2)
        ]  # fmt: skip
        return Side(
            lambda: [torch.fft.rfft2(self.images), *(torch.fft.ifft2(one) for one in spectra)]
        )

    def _row(
        self, name: str, against: str, ours: Outcome, peer: Outcome,
        images: int | None = None, **options: Any,
    ) -> Row:  # fmt: skip
        count, side, height, nbands = self.shape
        which = "inverse" if name.startswith("inverse") else "forward"
        return compared(
            ours, peer, id=f"pyramid/{side}/{name}", work=f"pyramid, {which}", against=against,
            size=f"{images or count}x{side}x{side} height {height} bands {nbands} float32",
            **options,
        )  # fmt: skip

    def _contest(self, sides: dict[str, Side]) -> dict[str, Outcome]:
        return contest(sides, self.settings.threads, self.settings.budget)

    def _tell(self, what: str) -> None:
        count, side, *_ = self.shape
        self.settings.tell(f"pyramid: {count}x{side}x{side}, {what}")
