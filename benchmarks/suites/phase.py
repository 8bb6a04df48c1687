"""`phase_difference_windows` as MIMAMO Net uses it: 12 differences, height 4, 2 bands, 2 levels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import phasenet
from benchmarks.clips import moving_texture, wrap_shares
from benchmarks.contest import Outcome, Parity, Side, compared, contest
from benchmarks.memory import memory_rows
from benchmarks.parity import phase_parity
from benchmarks.rows import Row
from benchmarks.settings import Settings, SuiteRun
from benchmarks.strong_pytorch import StrongPhaseDifference
from phasenet import reference

NUM_PHASE, SIZE = 12, (48, 48)
MODES = ("reference", "full")
REFERENCE = "phasenet.reference (a pyramid for each frame of each window)"
STRONG = "strong PyTorch (each frame once, batched FFT, separable conv2d)"
COMPILED = "strong PyTorch under torch.compile"
MATMUL = "strong PyTorch, blur as matrix products"
FLOOR = "allocating its output and writing it once"


def run(settings: Settings) -> SuiteRun:
    """Time every row of the suite."""
    length, long = (8, 32) if settings.quick else (64, 1024)
    frames = moving_texture(long)
    shares = wrap_shares(frames[:length])
    with torch.inference_mode():
        rows: list[Row] = []
        for mode in MODES:
            suite = _Mode(settings, frames, length, mode)
            rows += [*suite.against_peers(), *suite.at_length(), suite.threads()]
        suite = _Mode(settings, frames, length, MODES[0])
        rows += [suite.in_dtype(torch.float64), suite.in_dtype(torch.uint8), suite.floor()]
    settings.tell("phase: peak memory")
    rows += memory_rows(settings, length)
    return SuiteRun(rows, {"wrap_share": shares, "clip": f"moving texture, {length} frames"})


@dataclass
class _Mode:
    """The rows of one unwrap mode."""

    settings: Settings
    frames: Tensor  # uint8 [long, H, W]; the first `length` are the usual clip
    length: int
    unwrap: str

    def __post_init__(self) -> None:
        self.clip = self.frames[: self.length]
        self.parity = phase_parity(self.clip, NUM_PHASE, self.unwrap)
        self.work = f"phase_difference_windows, unwrap {self.unwrap}"

    def against_peers(self) -> list[Row]:
        self._tell("against its peers")
        strong, matmul = self._strong(), self._strong(blur="matmul")
        floats = self._as(torch.float32)
        sides = {
            "ours": self._ours(floats),
            "strong": Side(lambda: strong(floats), self.parity),
            "matmul": Side(lambda: matmul(floats), self.parity),
            "compiled": self._compiled(strong, floats),
        }
        found = self._contest(sides)
        slow = contest(
            {
                "ours": sides["ours"],
                "reference": Side(
                    lambda: reference.phase_difference_windows(
                        floats, NUM_PHASE, unwrap=self.unwrap
                    ),
                    self.parity,
                ),
            },
            self.settings.threads,
            self.settings.slow_budget,
        )
        return [
            self._row("reference", REFERENCE, slow["ours"], slow["reference"], target=150),
            self._row("strong", STRONG, found["ours"], found["strong"], target=20),
            self._row("compiled", COMPILED, found["ours"], found["compiled"]),
            self._row("matmul", MATMUL, found["ours"], found["matmul"]),
        ]

    def at_length(self) -> list[Row]:
        """Cost per frame of a long clip, beside a short one and beside short ones at once.

        Its parity is that of as many windows in its middle. All write into the same memory at every
        call (`out`), as fresh memory would be cleared by the system first. As many frames in short
        clips write as much.
        """
        long = len(self.frames)
        self._tell(f"{long} frames")
        start = (long - self.length) // 2
        context = slice(start - NUM_PHASE // 2, start + self.length + NUM_PHASE - NUM_PHASE // 2)
        middle = phase_parity(self.frames[context], NUM_PHASE, self.unwrap, boundary="valid")

        def check(planes: tuple[Tensor, ...]) -> Parity:
            return middle([level[start : start + self.length] for level in planes])

        floats, short = self._as(torch.float32, self.frames), self._as(torch.float32)
        clips = floats.unflatten(0, (-1, self.length))
        found = self._contest(
            {
                "short": self._written(short, self.parity),
                "long": self._written(floats, check),
                "clips": self._written(clips, lambda planes: self.parity([x[0] for x in planes])),
            }
        )
        ours = {"frames": long, "kind": "cost"}
        return [
            self._row(
                "length", f"itself at {self.length} frames, per frame", found["long"],
                found["short"], scale=self.length / long, target=1.1, **ours,
            ),
            self._row(
                "clips", f"itself on {len(clips)} clips of {self.length} frames at once",
                found["long"], found["clips"], **ours,
            ),
        ]  # fmt: skip

    def threads(self) -> Row:
        self._tell("threads")
        gap = None if self.settings.threads > 1 else "needs two threads"
        gap = "a GPU has no threads" if self.settings.device == "cuda" else gap
        floats = self._as(torch.float32)
        found = self._contest(
            {str(count): self._ours(floats, threads=count, gap=gap) for count in (1, 2)}
        )
        return self._row("threads", "itself on 1 thread", found["2"], found["1"], target=1.7)

    def in_dtype(self, dtype: torch.dtype) -> Row:
        """Against the strongest PyTorch: PyTorch's depthwise convolution is slow in float64."""
        name = _name(dtype)
        self._tell(name)
        blur = "matmul" if dtype == torch.float64 else "conv2d"
        strong = self._strong(
            blur=blur, dtype=torch.float64 if dtype == torch.float64 else torch.float32
        )
        frames = self._as(dtype)
        found = self._contest(
            {"ours": self._ours(frames), "strong": Side(lambda: strong(frames), self.parity)}
        )
        against = MATMUL if blur == "matmul" else STRONG
        return self._row(name, against, found["ours"], found["strong"], dtype=dtype)

    def floor(self) -> Row:
        """What cannot be saved: the output has to be written."""
        self._tell("write floor")
        shapes = [(self.length, 2 * NUM_PHASE, side, side) for side in (48, 24)]
        device = self.settings.device
        found = self._contest(
            {
                "ours": self._ours(self._as(torch.float32)),
                "floor": Side(lambda: [torch.full(shape, 0.5, device=device) for shape in shapes]),
            }
        )
        return self._row("floor", FLOOR, found["ours"], found["floor"], kind="cost")

    def _row(
        self, name: str, against: str, ours: Outcome, peer: Outcome, *,
        frames: int | None = None, dtype: torch.dtype = torch.float32, **options: Any,
    ) -> Row:  # fmt: skip
        return compared(
            ours, peer, id=f"phase/{self.unwrap}/{name}", work=self.work, against=against,
            size=f"{frames or self.length}x{SIZE[0]}x{SIZE[1]} {_name(dtype)}", **options,
        )  # fmt: skip

    def _ours(
        self, frames: Tensor, check: Any = None, threads: int | None = None, gap: str | None = None
    ) -> Side:
        return Side(
            lambda: phasenet.phase_difference_windows(frames, NUM_PHASE, unwrap=self.unwrap),
            check or self.parity, threads, gap or self.settings.operator_gap,
        )  # fmt: skip

    def _written(self, frames: Tensor, check: Callable[[Any], Parity]) -> Side:
        """The operator, writing into the result of the first call."""
        out: list[tuple[Tensor, ...]] = []

        def call() -> tuple[Tensor, ...]:
            result = phasenet.phase_difference_windows(
                frames, NUM_PHASE, unwrap=self.unwrap, out=out[0] if out else None
            )
            out[:] = [result]
            return result

        return Side(call, check, gap=self.settings.operator_gap)

    def _strong(self, **options: Any) -> StrongPhaseDifference:
        return StrongPhaseDifference(
            SIZE, NUM_PHASE, unwrap=self.unwrap, device=self.settings.device, **options
        )

    def _compiled(self, strong: StrongPhaseDifference, frames: Tensor) -> Side:
        if self.settings.quick:
            return Side(gap="not in a quick run: compiling takes a minute")
        compiled = torch.compile(strong, dynamic=False)
        return Side(lambda: compiled(frames), self.parity, optional=True)

    def _as(self, dtype: torch.dtype, frames: Tensor | None = None) -> Tensor:
        frames = self.clip if frames is None else frames
        frames = frames if dtype == torch.uint8 else frames.to(dtype) / 255
        return frames.to(self.settings.device)

    def _contest(self, sides: dict[str, Side]) -> dict[str, Outcome]:
        return contest(sides, self.settings.threads, self.settings.budget)

    def _tell(self, what: str) -> None:
        self.settings.tell(f"phase: unwrap {self.unwrap}, {what}")


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
