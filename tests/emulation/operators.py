"""What test_operators.py runs, each in its own process: `python operators.py LIBRARY WHAT`."""

from __future__ import annotations

import resource
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from phasenet import SteerablePyramid, phase_difference_windows


def calls_of_torch(call: Callable[[], object]) -> Counter[str]:
    """How often the one operator that `call` makes calls each of torch's."""
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        call()
    events = profiled.events() or []
    return Counter(
        event.name
        for event in events
        if event.cpu_parent is not None and event.cpu_parent.name.startswith("phasenet::")
    )


def replace_in_torch(**kernels: Callable[..., Tensor]) -> torch.library.Library:
    """Torch's own operators on the CPU, for as long as what is returned lives."""
    library = torch.library.Library("aten", "IMPL")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="(?s).*Overriding a previously registered kernel")
        for name, kernel in kernels.items():
            library.impl(name, kernel, "CPU")
    return library


def few_calls() -> None:
    """One allocation for all that is not a result, and no call that changes nothing."""
    pyramid = SteerablePyramid(4, 2)
    for side in (24, 48):  # 48: on tensor cores
        frames = torch.rand(2, 5, side, side)
        called = calls_of_torch(partial(phase_difference_windows, frames, 4, levels=(1, 2)))
        # Two levels, and the memory for all else; frames of videos in one batch.
        assert called == {"aten::new_empty": 3, "aten::reshape": 1}, called
    images = torch.rand(2, 32, 40)
    coeffs = pyramid(images)
    # Half spectra of both residuals, and the bands' of each level.
    analysis = {"aten::new_empty": 4, "aten::_fft_r2c": 1, "aten::_fft_c2c": 2, "aten::_fft_c2r": 2}
    assert calls_of_torch(lambda: pyramid(images)) == analysis
    synthesis = {"aten::new_empty": 1, "aten::_fft_r2c": 2, "aten::_fft_c2c": 2}
    assert calls_of_torch(lambda: pyramid.inverse(coeffs)) == synthesis | {"aten::_fft_c2r": 1}
    images = torch.rand(2, 32, 64)  # by our own transforms: four results, and the rest
    coeffs = pyramid(images)
    assert calls_of_torch(lambda: pyramid(images)) == {"aten::new_empty": 5}
    assert calls_of_torch(lambda: pyramid.inverse(coeffs)) == {"aten::new_empty": 2}


def other_layouts() -> None:
    """Results stay right where ATen's transforms lay columns, not rows, one after the other."""
    images, frames = torch.rand(2, 33, 40), torch.rand(3, 20, 70)

    def everything() -> list[Tensor]:
        leaf, pyramid = images.clone().requires_grad_(), SteerablePyramid(4, 3)
        coeffs = pyramid(leaf)
        back = pyramid.inverse(coeffs)
        (grad,) = torch.autograd.grad(back.square().sum(), leaf)
        parts = [coeffs.highpass, *coeffs.bands, coeffs.lowpass, back, grad]
        return [*(part.detach() for part in parts), *phase_difference_windows(frames, 2)]

    def columns(x: np.ndarray, like: Tensor, real: bool = False) -> Tensor:
        dtype = like.real.dtype if real else like.real.dtype.to_complex()
        return torch.from_numpy(x).to(dtype).mT.contiguous().mT

    asked = []

    def r2c(x: Tensor, dim: list[int], norm: int, onesided: bool) -> Tensor:
        asked.append("r2c")
        return columns(np.fft.rfft2(x.numpy()), x)

    def c2r(x: Tensor, dim: list[int], norm: int, last: int) -> Tensor:
        asked.append("c2r")
        size = (x.shape[-2], last)
        by = "backward" if norm == 2 else "forward"
        return columns(np.fft.irfft2(x.numpy(), size, norm=by), x, real=True)

    def c2c(x: Tensor, dim: list[int], norm: int, forward: bool) -> Tensor:
        asked.append("c2c")
        if forward:
            return columns(np.fft.fft2(x.numpy()), x)
        return columns(np.fft.ifft2(x.numpy(), norm="backward" if norm == 2 else "forward"), x)

    usual = everything()
    replaced = replace_in_torch(_fft_r2c=r2c, _fft_c2r=c2r, _fft_c2c=c2c)
    for got, want in zip(everything(), usual, strict=True):
        assert got.is_contiguous()
        assert (got - want).norm() < 1e-5 * want.norm()
    assert set(asked) == {"r2c", "c2r", "c2c"}
    del replaced


def out_of_memory() -> None:
    """It is torch's own error, whether our memory ends or that of an FFT."""
    pyramid, images = SteerablePyramid(4, 2), torch.rand(64, 240, 240)
    powers_of_two = torch.rand(64, 256, 256)
    small = torch.rand(2, 60, 60)
    pyramid.inverse(pyramid(small))  # whatever is loaded at a first call
    phase_difference_windows(small, 2)
    cases = [
        ("pyramid: out of memory in an FFT", 10, lambda: pyramid(images)),
        ("pyramid: out of memory in an allocation", 40, lambda: pyramid(images)),
        ("pyramid: out of memory in an allocation", 10, lambda: pyramid(powers_of_two)),
        (
            "phase_difference_windows: out of memory in an allocation",
            10,
            lambda: phase_difference_windows(images, 2),
        ),
    ]
    for message, mebibytes, call in cases:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + (mebibytes << 20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
        try:
            with pytest.raises(torch.OutOfMemoryError, match=f"^phasenet::{message}"):
                call()
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)


def failing_transforms() -> None:
    """Torch's words and, for want of memory, its type reach Python, in the gradient too."""
    words = [
        "CUDA out of memory. Tried to allocate 20.00 GiB.",
        "cuFFT error: CUFFT_INTERNAL_ERROR",
    ]
    named = ["out of memory in an FFT", "an FFT failed"]
    pyramid = SteerablePyramid(4, 2)
    images = torch.rand(2, 32, 40, requires_grad=True)
    total = sum(part.abs().sum() for part in pyramid(images).bands)
    # Since 2.13 torch tells what went wrong; memory for such small images there is.
    told = torch.__version__ >= "2.13"
    for said, name in zip(words, named, strict=True):

        def failing(*_: object, said: str = said) -> Tensor:
            raise RuntimeError(said)

        replaced = replace_in_torch(_fft_r2c=failing, _fft_c2c=failing)
        kind = torch.OutOfMemoryError if told and "memory" in said else RuntimeError
        message = f"{name}: .*{said}" if told else "an FFT failed: torch has said why"
        with pytest.raises(kind, match=f"^phasenet::pyramid: {message}") as caught:
            pyramid(images)
        assert type(caught.value) is kind
        assert "\n" not in str(caught.value)
        with pytest.raises(kind, match=f"^phasenet::pyramid_backward: {message}") as caught:
            torch.autograd.grad(total, images, retain_graph=True)
        assert type(caught.value) is kind
        del replaced


if __name__ == "__main__":
    torch.ops.load_library(sys.argv[1])
    torch.set_num_threads(1)
    globals()[sys.argv[2]]()
    print("passed")
