"""Phase differences of windows on a GPU, beside what the memory allows and beside peers."""

from __future__ import annotations

from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor

import phasenet
from benchmarks import device_timing
from benchmarks.clips import moving_texture
from benchmarks.contest import Parity, Side, compared
from benchmarks.gpu.tasks import Task, bounded, in_graph, timed
from benchmarks.parity import phase_parity
from benchmarks.rows import Row
from benchmarks.settings import Settings
from benchmarks.strong_pytorch import StrongPhaseDifference
from phasenet import reference

NUM_PHASE, SIDE = 12, 48
CLIPS, LENGTH = 16, 64
QUICK_CLIPS, QUICK_LENGTH = 2, 2
MODES = ("published", "full")
LATENCY = 60e-6  # seconds
WRITE = "writing its output once at the measured copy bandwidth"
GRAPH = "a bound of 60 µs"
STRONG = "strong PyTorch (each frame once, batched FFT, separable conv2d)"
COMPILED = "strong PyTorch under torch.compile"
REFERENCE = "phasenet.reference on the same device (a pyramid for each frame of each window)"


class Windows:
    """The rows of one unwrap mode; what several of them need is made once, when first needed."""

    def __init__(self, settings: Settings, unwrap: str) -> None:
        self.settings, self.unwrap = settings, unwrap
        self.count, self.length = (QUICK_CLIPS, QUICK_LENGTH) if settings.quick else (CLIPS, LENGTH)

    def own(self) -> list[Task]:
        """Beside the floor of writing the output, and one clip beside a bound; graph and eager."""
        cost: dict[str, Any] = {"kind": "cost"}
        return [
            self._task("graph", f"{WRITE}, in a CUDA graph", self._graph, **cost, target=2.0),
            self._task("write", WRITE, self._write, **cost),
            self._task("latency", f"{GRAPH}, in a CUDA graph", self._latency, **cost, target=1.0),
            self._task("launched", GRAPH, self._launched, **cost),
        ]

    def peers(self) -> list[Task]:
        return [self._task("strong", STRONG, self._beside_strong, target=15.0)]

    def slow_peers(self) -> list[Task]:
        return [
            self._task("compiled", COMPILED, self._beside_compiled, target=15.0),
            self._task("reference", REFERENCE, self._beside_reference, target=300.0),
        ]

    def call(self, clips: Tensor) -> tuple[Tensor, ...]:
        return phasenet.phase_difference_windows(clips, NUM_PHASE, unwrap=self.unwrap)

    @cached_property
    def clips(self) -> Tensor:
        """float32 ``[N, T, H, W]`` on the CPU, of frames in whole grey levels."""
        frames = [moving_texture(self.length, seed=seed) for seed in range(self.count)]
        return torch.stack(frames).float() / 255

    def check(self, planes: Any) -> Parity:
        """Of the first clip and of the last."""
        first, last = self._first_and_last
        errors = [first([x[0] for x in planes]), last([x[-1] for x in planes])]
        return max(errors, key=lambda parity: parity.error)

    @cached_property
    def _first_and_last(self) -> tuple[Any, Any]:
        first, last = (
            phase_parity(moving_texture(self.length, seed=seed), NUM_PHASE, self.unwrap)
            for seed in (0, self.count - 1)
        )
        return first, last

    @cached_property
    def _floor(self) -> float:
        """Seconds that writing every byte of the output takes."""
        values = self.count * self.length * 2 * NUM_PHASE * (SIDE**2 + (SIDE // 2) ** 2)
        return 4 * values / device_timing.bandwidth(self.settings.device)

    def _graph(self, **names: Any) -> Row:
        clips = self.clips.to(self.settings.device)
        side = in_graph(self.settings, partial(self.call, clips), self.check)
        return bounded(timed(self.settings, {"ours": side}, True)["ours"], self._floor, **names)

    def _write(self, **names: Any) -> Row:
        return bounded(timed(self.settings, {"ours": self._ours()})["ours"], self._floor, **names)

    def _latency(self, **names: Any) -> Row:
        clip = self.clips[:1].to(self.settings.device)
        side = in_graph(self.settings, partial(self.call, clip), self._check_first)
        return self._of_one_clip(side, names)

    def _launched(self, **names: Any) -> Row:
        clip = self.clips[:1].to(self.settings.device)
        side = Side(partial(self.call, clip), self._check_first, gap=self.settings.operator_gap)
        return self._of_one_clip(side, names)

    def _of_one_clip(self, side: Side, names: dict[str, Any]) -> Row:
        ours = timed(self.settings, {"ours": side}, flushed=True)["ours"]
        return bounded(ours, LATENCY, **names | {"size": self._size(1)})

    def _check_first(self, planes: Any) -> Parity:
        return self._first_and_last[0]([x[0] for x in planes])

    def _ours(self) -> Side:
        clips = device_timing.rotated(self.clips, self.settings.device)
        return Side(lambda: self.call(next(clips)), self.check, gap=self.settings.operator_gap)

    def _strong(self) -> StrongPhaseDifference:
        device = self.settings.device
        return StrongPhaseDifference((SIDE, SIDE), NUM_PHASE, unwrap=self.unwrap, device=device)

    def _beside(self, peer: Any, names: dict[str, Any]) -> Row:
        clips = device_timing.rotated(self.clips, self.settings.device)
        side = Side(lambda: peer(next(clips)), self.check, optional=True)
        found = timed(self.settings, {"ours": self._ours(), "peer": side})
        return compared(found["ours"], found["peer"], **names)

    def _beside_strong(self, **names: Any) -> Row:
        return self._beside(self._strong(), names)

    def _beside_compiled(self, **names: Any) -> Row:
        if self.settings.quick:
            return Row(
                threads=self.settings.threads, gap="not in a quick run: compiling takes a minute",
                **names,
            )  # fmt: skip
        return self._beside(torch.compile(self._strong(), dynamic=False), names)

    def _beside_reference(self, **names: Any) -> Row:
        peer = partial(reference.phase_difference_windows, num_phase=NUM_PHASE, unwrap=self.unwrap)
        return self._beside(peer, names)

    def _task(self, name: str, against: str, measure: Any, **row: Any) -> Task:
        names = {
            "id": f"cuda/windows/{self.unwrap}/{name}", "against": against,
            "work": f"phase_difference_windows, unwrap {self.unwrap}",
            "size": self._size(self.count), **row,
        }  # fmt: skip
        return Task(names, partial(measure, **names))

    def _size(self, count: int) -> str:
        return f"{count}x{self.length}x{SIDE}x{SIDE} float32"
