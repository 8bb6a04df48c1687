"""The installed package: what it says of its build, and what importing it brings in."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

import phasenet


def run(code: str, **environment: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout.strip()


def test_build_info():
    info = phasenet.build_info()
    assert info["version"] == phasenet.__version__
    assert info["torch_target"] == "2.10"
    assert info["torch"] == torch.__version__
    assert "baseline" in info["cpu"]
    assert info["instruction_set"] in info["cpu"]
    assert info["cuda_reason"]


def test_phasenet_does_not_import_mimamo():
    code = "import sys, phasenet; print([m for m in sys.modules if m.split('.')[0] == 'mimamo'])"
    assert run(code) == "[]"


def test_instruction_sets_agree(tmp_path):
    """Every set this machine has gives the same planes to float32 accuracy."""
    frames = torch.rand(10, 48, 48, generator=torch.Generator().manual_seed(1))
    torch.save(frames, tmp_path / "frames.pt")
    results = {}
    for name in ("baseline", "avx2", "avx512"):
        target = tmp_path / f"{name}.pt"
        code = (
            "import torch, phasenet;"
            f"x = torch.load({str(tmp_path / 'frames.pt')!r});"
            f"torch.save(phasenet.phase_difference_windows(x, 6), {str(target)!r});"
            "print(phasenet.build_info()['instruction_set'])"
        )
        used = run(code, PHASENET_CPU=name)
        results[used] = torch.load(target)
    if len(results) == 1:
        pytest.skip("this machine has only the baseline instruction set")
    baseline = results.pop("baseline")
    for planes in results.values():
        for got, want in zip(planes, baseline, strict=True):
            assert float((got - want).norm() / want.norm()) < 1e-5
