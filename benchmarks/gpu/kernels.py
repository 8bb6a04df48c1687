"""How long each kernel takes, as torch's profiler sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice, zip_longest
from typing import Any

import torch
from torch import Tensor
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from benchmarks.gpu import pyramids
from benchmarks.gpu.windows import Windows
from benchmarks.paired_timing import reason
from benchmarks.suites import Settings
from benchmarks.suites.phase import MODES

CALLS = 10
LEAST = 0.5e-6  # seconds a call, below which a kernel is not told


def kernel_times(settings: Settings, start: int = 0) -> Iterator[list[dict[str, Any]]]:
    """A work's kernels, work by work from `start` on: launches a call, and seconds in all of them.

    Elsewhere than on a GPU, torch's operators stand for the kernels.
    """
    for work, call, images in islice(_works(settings), start, None):
        settings.tell(f"kernels: {work}")
        try:
            with torch.inference_mode():
                found = _profiled(partial(call, images.to(settings.device)), settings.device)
        except Exception as error:  # the next one may be well
            found = [{"gap": reason(error)}]
        yield [{"record": "kernel", "work": work, **one} for one in found]


def in_turn(*operators: Iterable[Any]) -> Iterator[Any]:
    """The first of each operator, then the second: one that hangs keeps no other waiting long."""
    for works in zip_longest(*operators):
        yield from (work for work in works if work is not None)


def _works(settings: Settings) -> Iterator[tuple[str, Callable[[Tensor], Any], Tensor]]:
    """What is looked at: a name, what is called, and with what."""
    return in_turn(_of_windows(settings), _of_pyramids(settings))


def _of_windows(settings: Settings) -> Iterator[tuple[str, Callable[[Tensor], Any], Tensor]]:
    for mode in MODES:
        windows = Windows(settings, mode)
        yield f"windows, unwrap {mode}", windows.call, windows.inputs

    def gradient(frames: Tensor) -> Any:
        with torch.inference_mode(False), torch.enable_grad():
            given = frames.clone().requires_grad_()
            planes = windows.call(given)
            return torch.autograd.grad(planes, given, [torch.ones_like(p) for p in planes])

    yield f"windows and their gradient, unwrap {windows.unwrap}", gradient, windows.inputs


def _of_pyramids(settings: Settings) -> Iterator[tuple[str, Callable[[Tensor], Any], Tensor]]:
    for pyramid in pyramids.shapes(settings):

        def there_and_back(images: Tensor, call: Any = pyramid.call) -> Tensor:
            return call.inverse(call(images))

        yield f"pyramid and its inverse, {pyramid.shape.side}", there_and_back, pyramid.inputs


def _profiled(call: Callable[[], Any], device: str) -> list[dict[str, Any]]:
    """Launches a call and seconds a call of each kernel, the slowest first."""
    cuda = device == "cuda"
    for _ in range(2):
        call()
    calls = CALLS if cuda else 1
    with profile(activities=[ProfilerActivity.CUDA if cuda else ProfilerActivity.CPU]) as seen:
        for _ in range(calls):
            call()
        if cuda:
            torch.cuda.synchronize()
    found = []
    kind = DeviceType.CUDA if cuda else DeviceType.CPU
    for event in seen.key_averages():
        if event.device_type != kind:
            continue
        total = event.self_device_time_total if cuda else event.self_cpu_time_total
        seconds = total * 1e-6 / calls
        if seconds >= LEAST:
            launches = event.count / calls
            found.append({"kernel": event.key, "launches": launches, "seconds": seconds})
    return sorted(found, key=lambda one: -one["seconds"])
