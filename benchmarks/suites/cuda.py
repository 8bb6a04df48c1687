"""Phase differences and pyramids on a GPU, by CUDA events, beside what the memory allows and peers.

Inputs are rotated through more than the L2 cache; graphs start from a cache that was overwritten.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

import phasenet
from benchmarks import device_timing
from benchmarks.clips import moving_texture
from benchmarks.contest import Outcome, Parity, Side, compared, contest
from benchmarks.parity import flat, phase_parity, pyramid_parity
from benchmarks.rows import Measured, Row
from benchmarks.settings import Settings, SuiteRun
from benchmarks.strong_pytorch import StrongPhaseDifference
from benchmarks.suites.pyramid import PLENOPTIC, Shape, plenoptic_pyramid
from benchmarks.timing import Budget
from phasenet import reference

NUM_PHASE, SIDE = 12, 48
CLIPS, LENGTH = 16, 64
MODES = ("reference", "full")
SHAPES = (Shape(16, 256, 5, 4), Shape(64, 512, 6, 4))
QUICK_SHAPES = (Shape(2, 64, 4, 2),)
LATENCY = 60e-6  # seconds
REFERENCE = "phasenet.reference on the same device (a pyramid for each frame of each window)"
STRONG = "strong PyTorch (each frame once, batched FFT, separable conv2d)"
COMPILED = "strong PyTorch under torch.compile"
WRITE = "writing its output once at the measured copy bandwidth"
GRAPH = "a bound of 60 µs, in a CUDA graph"
FFTS = "its FFTs alone (rfft2, the levels' ifft2 and the residuals' irfft2, without normalisation)"
CHECKED = 2  # images whose errors are told


def run(settings: Settings) -> SuiteRun:
    """Time every row. Elsewhere than on a GPU only `--quick` measures anything, to see it work."""
    if settings.device != "cuda" and not settings.quick:
        gap = "needs a GPU; not run on one yet"
        row = Row("cuda/all", "all of this suite", "its peers", "any", settings.threads, gap=gap)
        return SuiteRun([row])
    settings.tell("cuda: copy bandwidth")
    size = 1 << 24 if settings.quick else device_timing.COPY_BYTES
    bandwidth = device_timing.copy_bandwidth(settings.device, size)
    rows: list[Row] = []
    with torch.inference_mode():
        for mode in MODES:
            windows = _Windows(settings, mode)
            rows += [windows.write(bandwidth), *windows.peers(), windows.latency()]
        for shape in QUICK_SHAPES if settings.quick else SHAPES:
            rows += _Pyramid(settings, shape).rows()
    inputs = {
        "copy bandwidth, bytes read and written per second": bandwidth,
        "L2 cache, bytes": device_timing.cache_bytes(settings.device),
        "clips": "moving textures", "images": "uniform noise",
    }  # fmt: skip
    return SuiteRun(rows, inputs)


def _contest(
    settings: Settings, sides: dict[str, Side], budget: Budget | None = None, flushed: bool = False
) -> dict[str, Outcome]:
    time = partial(device_timing.alternate, device=settings.device, flushed=flushed)
    return contest(sides, settings.threads, budget or settings.budget, time)


@dataclass
class _Windows:
    """The rows of one unwrap mode."""

    settings: Settings
    unwrap: str

    def __post_init__(self) -> None:
        count, length = (2, 6) if self.settings.quick else (CLIPS, LENGTH)
        clips = torch.stack([moving_texture(length, seed=seed) for seed in range(count)])
        first = phase_parity(clips[0], NUM_PHASE, self.unwrap)
        self.clips = clips.float() / 255
        self.check: Callable[[Any], Parity] = lambda planes: first([x[0] for x in planes])
        self.alone: Callable[[Any], Parity] = first
        self.work = f"phase_difference_windows, unwrap {self.unwrap}"

    def write(self, bandwidth: float) -> Row:
        """The floor: every byte of the output is written once."""
        self._tell("bandwidth")
        ours = _contest(self.settings, {"ours": self._ours()})["ours"]
        count, length = self.clips.shape[:2]
        size = count * length * 2 * NUM_PHASE * (SIDE**2 + (SIDE // 2) ** 2) * 4
        return _bounded(ours, size / bandwidth, target=2.0, **self._names("write", WRITE))

    def peers(self) -> list[Row]:
        self._tell("against its peers")
        device = self.settings.device
        clips = device_timing.rotated(self.clips, device)
        strong = StrongPhaseDifference((SIDE, SIDE), NUM_PHASE, unwrap=self.unwrap, device=device)
        slow = {
            "ours": self._ours(),
            "reference": Side(
                lambda: reference.phase_difference_windows(
                    next(clips), NUM_PHASE, unwrap=self.unwrap
                ),
                self.check, optional=True,
            ),
        }  # fmt: skip
        slow_found = _contest(self.settings, slow, self.settings.slow_budget)
        fast = {
            "ours": self._ours(),
            "strong": Side(lambda: strong(next(clips)), self.check),
            "compiled": self._compiled(strong, clips),
        }
        found = _contest(self.settings, fast)
        return [
            compared(ours, peer, target=target, **self._names(name, against))
            for name, against, ours, peer, target in (
                ("reference", REFERENCE, slow_found["ours"], slow_found["reference"], 300.0),
                ("strong", STRONG, found["ours"], found["strong"], 15.0),
                ("compiled", COMPILED, found["ours"], found["compiled"], 15.0),
            )
        ]

    def latency(self) -> Row:
        """One clip, in a graph: what remains when launching costs nothing."""
        self._tell("latency")
        clip = self.clips[0].to(self.settings.device)
        side = _graphed(self.settings, partial(self._windows, clip), self.alone)
        ours = _contest(self.settings, {"ours": side}, flushed=True)["ours"]
        names = self._names("latency", GRAPH) | {"size": _clip_size(self.clips[:1])}
        return _bounded(ours, LATENCY, target=1.0, **names)

    def _windows(self, clips: Tensor) -> tuple[Tensor, ...]:
        return phasenet.phase_difference_windows(clips, NUM_PHASE, unwrap=self.unwrap)

    def _ours(self) -> Side:
        clips = device_timing.rotated(self.clips, self.settings.device)
        return Side(lambda: self._windows(next(clips)), self.check, gap=self.settings.operator_gap)

    def _compiled(self, strong: StrongPhaseDifference, clips: Any) -> Side:
        if self.settings.quick:
            return Side(gap="not in a quick run: compiling takes a minute")
        compiled = torch.compile(strong, dynamic=False)
        return Side(lambda: compiled(next(clips)), self.check, optional=True)

    def _names(self, name: str, against: str) -> dict[str, Any]:
        return {
            "id": f"cuda/windows/{self.unwrap}/{name}", "work": self.work, "against": against,
            "size": _clip_size(self.clips),
        }  # fmt: skip

    def _tell(self, what: str) -> None:
        self.settings.tell(f"cuda: windows, unwrap {self.unwrap}, {what}")


@dataclass
class _Pyramid:
    """The rows of one shape."""

    settings: Settings
    shape: Shape

    def __post_init__(self) -> None:
        count, side, height, nbands = self.shape
        generator = torch.Generator().manual_seed(0)
        self.images = torch.rand(count, side, side, generator=generator)
        self.pyramid = phasenet.SteerablePyramid(height, nbands)
        parity = pyramid_parity(self.images[:CHECKED], height, nbands)
        self.check: Callable[[Any], Parity] = lambda parts: parity([x[:CHECKED] for x in parts])

    def rows(self) -> list[Row]:
        self.settings.tell(f"cuda: pyramid, {self.shape.images} x {self.shape.side}")
        device = self.settings.device
        images = device_timing.rotated(self.images, device)
        ours = Side(
            lambda: flat(self.pyramid(next(images))), self.check, gap=self.settings.operator_gap
        )
        fixed = self.images.to(device)
        ffts = self._ffts(fixed)
        graphs = {
            "ours": _graphed(self.settings, lambda: flat(self.pyramid(fixed)), self.check),
            "ffts": _graphed(self.settings, ffts),
        }
        in_graphs = _contest(self.settings, graphs, flushed=True)
        peers = {"ours": ours, "ffts": Side(ffts), "plenoptic": self._plenoptic(images)}
        found = _contest(self.settings, peers)
        return [
            self._row("ffts", f"{FFTS}, both in a CUDA graph", in_graphs, "ffts", "cost", 1.3),
            self._row("launched", FFTS, found, "ffts", "cost", None),
            self._row("plenoptic", PLENOPTIC, found, "plenoptic", "speedup", 4.0),
        ]

    def _ffts(self, images: Tensor) -> Callable[[], Any]:
        """The same calls on tensors of the same layout, with nothing in between."""
        count, side, height, nbands = self.shape
        options = {"dtype": torch.complex64, "device": images.device}
        sides = [-(-side // 2**level) for level in range(height - 1)]
        bands = [torch.randn(count, nbands, s, s, **options) for s in sides[:-1]]
        halves = [
            (torch.randn(count, s // 2 + 1, s, **options).mT, s) for s in (sides[0], sides[-1])
        ]

        def call() -> list[Tensor]:
            return [
                torch.fft.rfft2(images),
                *(torch.fft.ifft2(one, norm="forward") for one in bands),
                *(torch.fft.irfft2(one, s=(s, s), norm="forward") for one, s in halves),
            ]

        return call

    def _plenoptic(self, images: Any) -> Side:
        peer = plenoptic_pyramid(self.shape, self.settings.device)
        if isinstance(peer, str):
            return Side(gap=peer)
        order = ["residual_highpass", *range(self.shape.height - 2), "residual_lowpass"]

        def call() -> list[Tensor]:
            coefficients = peer(next(images)[:, None])
            return [coefficients[key] for key in order]

        return Side(call, self.check, optional=True)

    def _row(
        self, name: str, against: str, found: dict[str, Outcome], peer: str, kind: str,
        target: float | None,
    ) -> Row:  # fmt: skip
        count, side, height, nbands = self.shape
        return compared(
            found["ours"], found[peer], kind=kind, target=target, against=against,
            id=f"cuda/pyramid/{side}/{name}", work="pyramid, forward",
            size=f"{count}x{side}x{side} height {height} bands {nbands} float32",
        )  # fmt: skip


def _clip_size(clips: Tensor) -> str:
    count, length = clips.shape[:2]
    return f"{count}x{length}x{SIDE}x{SIDE} float32"


def _graphed(
    settings: Settings, call: Callable[[], Any], check: Callable[[Any], Parity] | None = None
) -> Side:
    """A side that replays `call` from a CUDA graph."""
    gap = settings.operator_gap if check else None
    if settings.device != "cuda":
        gap = "a CUDA graph needs a GPU"
    return Side(check=check, gap=gap) if gap else Side(device_timing.graphed(call), check)


def _bounded(ours: Outcome, bound: float, **row: Any) -> Row:
    """A row that compares a measured time with a given one."""
    numbers: dict[str, Any] = {"gap": ours.gap}
    if ours.sample:
        low, median, high = torch.tensor(ours.sample.rounds).quantile(
            torch.tensor([0.25, 0.5, 0.75])
        ).div(bound).tolist()  # fmt: skip
        numbers |= {"ratio": median, "ratio_low": low, "ratio_high": high}
    peer = Measured(bound, 0.0, 1)
    return Row(threads=ours.threads, ours=ours.measured, peer=peer, kind="cost", **numbers, **row)
