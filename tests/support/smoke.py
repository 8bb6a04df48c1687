"""What an installed package has to be able to do; for any Python that has it, outside the sources.

It needs torch and numpy, and prints what it ran on.
"""

from __future__ import annotations

import platform
from importlib import resources

import torch

import phasenet
from phasenet import reference


def error(got: torch.Tensor, want: torch.Tensor) -> float:
    return float((got - want).detach().norm() / want.detach().norm())


def main() -> None:
    torch.manual_seed(0)
    frames = torch.rand(2, 9, 30, 37, dtype=torch.float64, requires_grad=True)
    ours = phasenet.phase_difference_windows(frames, 4)
    for got, want in zip(ours, reference.phase_difference_windows(frames, 4), strict=True):
        assert error(got, want) < 1e-9, "phase differences are not those of the reference"
    sum(level.square().sum() for level in ours).backward()
    assert bool(torch.isfinite(frames.grad).all())
    for dtype, bar in ((torch.float32, 1e-6), (torch.float64, 1e-14)):
        images = torch.rand(3, 75, 101, dtype=dtype)
        pyramid = phasenet.SteerablePyramid(5, 4)
        assert error(pyramid.inverse(pyramid(images)), images) < bar, "images are not restored"
    for shape, dtype in (((5, 16, 16), torch.uint8), ((7, 131, 33), torch.float32)):
        video = (255 * torch.rand(shape)).to(dtype)
        real, fake = (phasenet.phase_difference_windows(x, 2) for x in (video, video.to("meta")))
        assert [x.shape for x in real] == [x.shape for x in fake]
    assert resources.files("phasenet").joinpath("py.typed").is_file(), "py.typed is missing"
    info = phasenet.build_info()
    print(
        f"smoke test passed: Python {platform.python_version()}, torch {torch.__version__}, "
        f"phasenet {phasenet.__version__} built with torch {info['build_torch']}, "
        f"{info['instruction_set']}"
    )


if __name__ == "__main__":
    main()
