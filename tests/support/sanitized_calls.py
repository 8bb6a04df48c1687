"""Calls that reach every kernel once, for a build with sanitizers; prints what it did."""

from __future__ import annotations

import os

import torch

import phasenet


def main() -> None:
    torch.manual_seed(0)
    calls = 0
    for transform in ("cosine", "fourier"):
        os.environ["PHASENET_TRANSFORM"] = transform
        for dtype in (torch.float32, torch.float64):
            for size, unwrap in (((17, 21), "full"), ((48, 48), "published"), ((6, 33), "full")):
                frames = torch.rand(2, 15, *size, dtype=dtype, requires_grad=True)
                levels = phasenet.phase_difference_windows(frames, 4, unwrap=unwrap)
                sum(level.square().sum() for level in levels).backward()
                assert bool(torch.isfinite(frames.grad).all())
                stream = phasenet.PhaseStream(4, unwrap=unwrap)
                windows = [w for frame in frames[0].detach() for w in stream.push(frame)]
                assert len(windows + stream.flush()) == 15
                calls += 3
        # What is read and written in another dtype, rows of a length that no vector divides.
        for dtype in (torch.uint8, torch.float16, torch.bfloat16):
            frames = (255 * torch.rand(2, 6, 17, 21)).to(dtype)
            frames = frames if dtype == torch.uint8 else (frames / 255).requires_grad_()
            levels = phasenet.phase_difference_windows(frames, 4, dtype=torch.bfloat16)
            if frames.requires_grad:
                sum(level.float().square().sum() for level in levels).backward()
                assert bool(torch.isfinite(frames.grad).all())
            for size in ((49, 77), (131, 40)):
                images = (255 * torch.rand(300, *size)).to(dtype)
                coeffs = phasenet.SteerablePyramid(4, 2)(images)
                assert bool(torch.isfinite(coeffs.lowpass).all())
            calls += 3
    for dtype in (torch.float32, torch.float64):
        # Small factors, prime ones (13, 127) and those by convolutions (131, 359).
        for size, nbands in (((48, 30), 2), ((49, 77), 3), ((13, 127), 4), ((131, 359), 2)):
            images = torch.rand(5, *size, dtype=dtype, requires_grad=True)
            pyramid = phasenet.SteerablePyramid(4, nbands)
            coeffs = pyramid(images)
            restored = pyramid.inverse(coeffs)
            torch.testing.assert_close(restored, images)
            (restored.square().sum() + phasenet.band_phase(coeffs.bands[0]).sum()).backward()
            calls += 5
    print(f"{calls} calls on {phasenet.build_info()['instruction_set']}, {phasenet.__file__}")


if __name__ == "__main__":
    main()
