"""How long each kernel takes, as torch's profiler sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.gpu import pyramids
from benchmarks.gpu.windows import MODES, Windows
from benchmarks.settings import Settings

CALLS = 10
LEAST = 0.5e-6  # seconds a call, below which a kernel is not told


def kernel_times(settings: Settings) -> Iterator[dict[str, Any]]:
    """One record a kernel: launches a call, and seconds in all of them together.

    Elsewhere than on a GPU, torch's operators stand for the kernels.
    """
    for work, prepare in _works(settings):
        settings.tell(f"kernels: {work}")
        try:
            with torch.inference_mode():
                found = _profiled(prepare(), settings.device)
        except Exception as error:  # the next one may be well
            yield {
                "record": "kernel",
                "work": work,
                "gap": f"{type(error).__name__}: {error}"[:300],
            }
            continue
        for name, launches, seconds in found:
            yield {
                "record": "kernel", "work": work, "kernel": name,
                "launches": launches, "seconds": seconds,
            }  # fmt: skip


def _works(settings: Settings) -> Iterator[tuple[str, Callable[[], Callable[[], Any]]]]:
    """What is looked at: a name, and what makes the call."""
    for mode in MODES:
        windows = Windows(settings, mode)

        def clips(windows: Windows = windows) -> Callable[[], Any]:
            clips = windows.clips.to(settings.device)
            return lambda: windows.call(clips)

        yield f"windows, unwrap {mode}", clips

    def gradient() -> Callable[[], Any]:
        frames = Windows(settings, "full").clips.to(settings.device)

        def call() -> Any:
            with torch.inference_mode(False), torch.enable_grad():
                given = frames.clone().requires_grad_()
                planes = Windows(settings, "full").call(given)
                return torch.autograd.grad(planes, given, [torch.ones_like(p) for p in planes])

        return call

    yield "windows and their gradient, unwrap full", gradient
    for pyramid in pyramids.shapes(settings):

        def images(pyramid: pyramids.Pyramid = pyramid) -> Callable[[], Any]:
            images = pyramid.images.to(settings.device)
            return lambda: pyramid.call.inverse(pyramid.call(images))

        yield f"pyramid and its inverse, {pyramid.shape.side}", images


def _profiled(call: Callable[[], Any], device: str) -> list[tuple[str, float, float]]:
    """Name, launches a call and seconds a call of each kernel, the slowest first."""
    for _ in range(2):
        call()
    on_gpu = device == "cuda"
    if on_gpu:
        torch.cuda.synchronize()
    activities = [ProfilerActivity.CUDA] if on_gpu else [ProfilerActivity.CPU]
    with profile(activities=activities) as seen:
        for _ in range(CALLS if on_gpu else 1):
            call()
        if on_gpu:
            torch.cuda.synchronize()
    calls = CALLS if on_gpu else 1
    found = []
    for event in seen.key_averages():
        microseconds = event.self_device_time_total if on_gpu else event.self_cpu_time_total
        seconds = microseconds * 1e-6 / calls
        if seconds >= LEAST:
            found.append((event.key, event.count / calls, seconds))
    return sorted(found, key=lambda one: -one[2])
