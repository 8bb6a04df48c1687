"""A quick check of the installed operators against the float64 reference, with times."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median
from time import perf_counter
from typing import NamedTuple

import torch
from torch import Tensor

from phasenet import reference
from phasenet.parity import ambiguous_planes, phase_error, relative_error
from phasenet.phase import phase_difference_windows
from phasenet.pyramid import SteerablePyramid
from phasenet.stream import PhaseStream

_REPEATS = 5


class Check(NamedTuple):
    """One comparison: its name, the error, what it may be at most, and milliseconds (median)."""

    name: str
    error: float
    bar: float
    milliseconds: float

    @property
    def passed(self) -> bool:
        return self.error <= self.bar


def self_test(device: torch.device | str = "cpu") -> Iterator[Check]:
    """Compare pyramid, inverse, phase differences, their gradient and the stream on `device`.

    Errors are ``||a - b|| / ||b||`` against `phasenet.reference` in float64, on input made by
    formula; of phase differences in float32 without the patches that a phase within rounding of pi
    may put at either of two values.
    """
    device = torch.device(device)
    images = _frames(4, (96, 128))
    pyramid = SteerablePyramid(5, 4)
    exact = reference.SteerablePyramid(5, 4)(images)
    for dtype, bar in ((torch.float32, 1e-6), (torch.float64, 1e-13)):
        name, x = str(dtype).removeprefix("torch."), images.to(device, dtype)
        coeffs, time = _timed(lambda x=x: pyramid(x), device)
        error = max(
            relative_error(a.cpu(), b) for a, b in zip(coeffs.bands, exact.bands, strict=True)
        )  # residuals may be almost nothing
        yield Check(f"pyramid 4x96x128 {name}", error, bar, time)
        image, time = _timed(lambda c=coeffs: pyramid.inverse(c), device)
        yield Check(f"inverse 4x96x128 {name}", relative_error(image.cpu(), images), bar, time)

    video = _frames(64, (48, 48))
    planes = reference.phase_difference_windows(video)[0]
    got, time = _timed(lambda: phase_difference_windows(video.to(device)), device)
    yield Check("phase windows 64x48x48 float64", relative_error(got[0].cpu(), planes), 1e-11, time)
    single = video.to(device, torch.float32)
    got, time = _timed(lambda: phase_difference_windows(single), device)
    unclear = ambiguous_planes(video, 12, levels=(1,))[0]
    error, _ = phase_error(got[0].cpu(), planes, unclear)
    yield Check("phase windows 64x48x48 float32", error, 5e-5, time)
    yield _gradient(video[:16], device)
    yield _stream(single, got, device)


def _gradient(video: Tensor, device: torch.device) -> Check:
    def gradient(function: Callable[..., tuple[Tensor, ...]], x: Tensor) -> Tensor:
        x = x.clone().requires_grad_()
        squares = [level.square().sum() for level in function(x, 4)]
        return torch.autograd.grad(squares, x)[0]

    want = gradient(reference.phase_difference_windows, video)
    got, time = _timed(lambda: gradient(phase_difference_windows, video.to(device)), device)
    return Check("phase gradient 16x48x48 float64", relative_error(got.cpu(), want), 1e-10, time)


def _stream(frames: Tensor, whole: tuple[Tensor, ...], device: torch.device) -> Check:
    def streamed() -> list[tuple[Tensor, ...]]:
        stream = PhaseStream()
        windows = [window for frame in frames.unbind() for window in stream.push(frame)]
        return [window.levels for window in windows + stream.flush()]

    windows, time = _timed(streamed, device)
    differ = sum(
        int((window[level] != whole[level][index]).sum())
        for index, window in enumerate(windows)
        for level in range(len(whole))
    )
    name = "stream 64x48x48 float32, values that differ"
    return Check(name, float(differ), 0.0, time)


def _frames(length: int, size: tuple[int, int]) -> Tensor:
    """Waves of several directions that move by fractions of a pixel: float64 [T, H, W]."""
    y, x = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in size), indexing="ij")
    time = torch.arange(length, dtype=torch.float64)[:, None, None]
    total = torch.zeros(length, *size, dtype=torch.float64)
    for i in range(24):
        frequency, direction = 0.15 + 0.11 * i, 2.4 * i
        along = x * torch.cos(torch.tensor(direction)) + y * torch.sin(torch.tensor(direction))
        total += torch.cos(frequency * (along - 0.2 * torch.sin(0.3 * time + i)) + i * i)
    return 0.5 + 0.4 * total / total.abs().max()


def _timed(call: Callable, device: torch.device) -> tuple:
    """What `call` gives, and the median of its milliseconds over several calls."""
    result, times = call(), []
    for _ in range(_REPEATS):
        _wait(device)
        start = perf_counter()
        result = call()
        _wait(device)
        times.append(1000 * (perf_counter() - start))
    return result, median(times)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
