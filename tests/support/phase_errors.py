"""The errors of phase differences and of their gradient on one instruction set, by both transforms.

Run as a program, with the transform's name; see ``tests/phasenet/test_instruction_sets.py``.
"""

from __future__ import annotations

import json
import sys

import torch

import phasenet
from phasenet import reference
from phasenet.parity import ambiguous_planes, phase_error, relative_error

# Square, odd, narrower than a vector, and with a prime whose transform is a convolution.
SHAPES = [(6, 48, 48), (4, 33, 70), (6, 4, 5), (3, 97, 131)]
NUM_PHASE = 2


def errors(shape: tuple[int, int, int], unwrap: str, dtype: torch.dtype) -> dict[str, float]:
    frames = torch.rand(*shape, dtype=torch.float64).to(dtype).requires_grad_()
    wide = frames.detach().double().requires_grad_()
    height = 3 if min(shape[1:]) < 8 else 4
    options = {"height": height, "levels": tuple(range(1, height - 1))}
    got = phasenet.phase_difference_windows(frames, NUM_PHASE, unwrap=unwrap, **options)
    want = reference.phase_difference_windows(wide, NUM_PHASE, unwrap=unwrap, **options)
    rounding = 2e-6 if dtype == torch.float32 else 1e-14
    masks = ambiguous_planes(wide.detach(), NUM_PHASE, rounding=rounding, **options)
    forward = [
        phase_error(a.detach(), b.detach(), mask)
        for a, b, mask in zip(got, want, masks, strict=True)
    ]
    found = {"forward": max(e for e, _ in forward), "left_out": max(share for _, share in forward)}
    if dtype == torch.float64 and max(shape) < 100:
        weights = [torch.randn_like(plane) for plane in want]
        (grad,) = torch.autograd.grad(got, frames, weights)
        (expected,) = torch.autograd.grad(want, wide, weights)
        found["gradient"] = relative_error(grad, expected)
    return found


def main() -> None:
    torch.manual_seed(int(sys.argv[1]))
    found = [
        {"shape": shape, "unwrap": unwrap, "dtype": str(dtype), **errors(shape, unwrap, dtype)}
        for shape in SHAPES
        for unwrap in ("full", "published")
        for dtype in (torch.float32, torch.float64)
    ]
    print(json.dumps({"used": phasenet.build_info()["instruction_set"], "errors": found}))


if __name__ == "__main__":
    main()
