"""Every operator on a GPU once, on little: what compute-sanitizer looks at.

`python tests/gpu/small_case.py [--device cpu] [--operators FILE]`, from the checkout. Results are
checked against the float64 reference.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

ROOT = str(Path(__file__).resolve().parents[2])
if ROOT not in sys.path:  # where this file is run by its path
    sys.path.insert(0, ROOT)

import phasenet  # noqa: E402
from phasenet import reference  # noqa: E402


def main(device: str) -> None:
    """Raise AssertionError where a result is off."""
    generator = torch.Generator().manual_seed(0)
    for dtype, bar in ((torch.float32, 1e-5), (torch.float64, 1e-12)):
        for size, nbands in (((24, 24), 2), ((19, 37), 3)):
            exact = torch.rand(2, *size, generator=generator, dtype=torch.float64)
            images = exact.to(device, dtype, copy=True).requires_grad_()
            pyramid = phasenet.SteerablePyramid(4, nbands)
            coeffs = pyramid(images)
            want = reference.SteerablePyramid(4, nbands)(exact).bands[0]
            _close(coeffs.bands[0], want, bar)
            back = pyramid.inverse(coeffs)
            _close(back, exact, bar)
            (back.square().sum() + sum(b.abs().sum() for b in coeffs.bands)).backward()
            assert images.grad is not None
            assert bool(images.grad.isfinite().all())
        for size in ((48, 48), (20, 27)):
            frames = torch.rand(6, *size, generator=generator).to(device, dtype).requires_grad_()
            planes = phasenet.phase_difference_windows(frames, 4)
            sum(level.square().sum() for level in planes).backward()
            assert all(bool(level.isfinite().all()) for level in planes)
            assert frames.grad is not None
            assert bool(frames.grad.isfinite().all())
    print(f"small case: done on {device}")


def _close(got: torch.Tensor, want: torch.Tensor, bar: float) -> None:
    error = float((got.detach().cpu().to(want.dtype) - want).norm() / want.norm())
    assert error < bar, f"error {error:.1e}, expected less than {bar:.0e}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--operators", metavar="FILE", help="library to load in place of the CPU's")
    options = parser.parse_args()
    if options.operators:
        torch.ops.load_library(options.operators)
    main(options.device)
