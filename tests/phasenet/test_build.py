"""The installed package: what it says of its build, and what importing it brings in."""

from __future__ import annotations

import os
import subprocess
import sys

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
    assert info["instruction_set"] in info["instruction_sets"]
    assert set(info["instruction_sets"]) <= set(info["cpu"])
    assert info["cuda_reason"]


def test_phasenet_does_not_import_mimamo():
    code = "import sys, phasenet; print([m for m in sys.modules if m.split('.')[0] == 'mimamo'])"
    assert run(code) == "[]"
