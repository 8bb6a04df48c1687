"""What a type checker makes of the public names; ``Any`` would hide every mistake after it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COEFFS = (
    "tuple[torch._tensor.Tensor, tuple[torch._tensor.Tensor, ...], torch._tensor.Tensor, "
    "fallback=phasenet.coefficients.PyramidCoeffs]"
)
TYPES = {
    "phasenet.SteerablePyramid(4, 2)(x)": COEFFS,
    "phasenet.SteerablePyramid(4, 2)(x).bands": "tuple[torch._tensor.Tensor, ...]",
    "phasenet.SteerablePyramid(4, 2)(x).to('cpu')": COEFFS,
    "phasenet.SteerablePyramid().inverse(phasenet.SteerablePyramid()(x))": "torch._tensor.Tensor",
    "phasenet.reference.SteerablePyramid()(x)": COEFFS,
    "phasenet.phase_difference(x)": "tuple[torch._tensor.Tensor, ...]",
    "phasenet.phase_difference_windows(x)": "tuple[torch._tensor.Tensor, ...]",
    "phasenet.denoised_phase(x)": "tuple[torch._tensor.Tensor, ...]",
    "phasenet.local_motion(x)": "torch._tensor.Tensor",
    "phasenet.local_motion(x, return_weight=True)": (
        "tuple[torch._tensor.Tensor, torch._tensor.Tensor]"
    ),
    "phasenet.band_phase(x)": "torch._tensor.Tensor",
    "phasenet.PhaseStream().push(x)[0].index": "int",
    "phasenet.PhaseStream().flush()[0].levels": "tuple[torch._tensor.Tensor, ...]",
}
MISTAKES = {
    "phasenet.SteerablePyramid()(3)": "arg-type",
    "phasenet.SteerablePyramid()(x).band": "attr-defined",
    "phasenet.reference.SteerablePyramid()(x, x)": "call-arg",
    "phasenet.denoised_phase(3)": "arg-type",
}


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed")
def test_types_of_the_public_names(tmp_path):
    lines = ["import phasenet, torch", "x = torch.rand(3, 16, 16)"]
    lines += [f"reveal_type({expression})" for expression in TYPES] + list(MISTAKES)
    script = tmp_path / "user.py"
    script.write_text("\n".join(lines))
    # Read the package in the checkout, whatever is installed.
    result = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file=", f"--cache-dir={tmp_path / 'cache'}",
         "--follow-imports=silent", str(script)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    said = dict(line.split(": ", 1) for line in result.stdout.splitlines() if "user.py:" in line)
    said = {int(place.rsplit(":", 1)[1]): text for place, text in said.items()}
    for number, expected in enumerate(TYPES.values(), start=3):
        assert said[number].endswith(f'Revealed type is "{expected}"'), result.stdout
    for number, code in enumerate(MISTAKES.values(), start=3 + len(TYPES)):
        assert said[number].endswith(f"[{code}]"), result.stdout
