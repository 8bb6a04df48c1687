"""With exactly one argument wrong, the refusal begins with the name of that one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import phasenet
from phasenet import PyramidCoeffs, reference

NO_INTEGERS = [None, "3", 3.0, math.nan, True, (3,), np.float32(3), torch.tensor(3)]
NO_TENSORS = [None, 1, [[1.0]], np.zeros((3, 20, 20)), torch.zeros(3, 20, 20).to_sparse()]
WRONG: dict[str, list[Any]] = {
    "height": [*NO_INTEGERS, 2, 0, -1, 20, 62, 63, 10**30],
    "nbands": [*NO_INTEGERS, 1, 0, -1, 33, 10**30],
    "num_phase": [*NO_INTEGERS, 0, -1, 65537, 2**63],
    "levels": [None, 1, "12", 1.0, (), (1, 1), (0,), (-1,), (60,), (1.0,), (True,), [[1]], {1},
               torch.tensor([1]), np.array([]), np.array([0.5]), np.array([1, 1])],
    "unwrap": [None, "both", "FULL", 1, b"full", ["full"]],
    "boundary": [None, "wrap", "Valid", 1, ["valid"]],
    "dtype": ["float16", torch.int32, torch.complex64, float, 1, np.float32],
    "out": [1, "x", torch.zeros(5, 20, 20), (), [torch.zeros(1)] * 3, np.zeros((2, 20, 20))],
    "images": [*NO_TENSORS, torch.zeros(()), torch.zeros(20), torch.zeros(0, 20), torch.zeros(1, 9),
               torch.zeros(20, 20).int(), torch.zeros(20, 20).cfloat()],
}  # fmt: skip
WRONG["frames"] = [x if not isinstance(x, torch.Tensor) or x.is_sparse else x.expand(3, *x.shape)
                   for x in WRONG["images"]] + [torch.zeros(20, 20)]  # fmt: skip
WRONG["clips"] = [*WRONG["frames"], torch.zeros(1, 20, 20), torch.zeros(0, 20, 20)]
WRONG["frame"] = WRONG["images"][:-4] + WRONG["images"][-2:]
WRONG["noise"] = ["x", True, -1e-9, float("nan"), float("inf"), torch.tensor(0.1), [0.1], 1j]
WRONG["full_scale"] = WRONG["largest"] = [*WRONG["noise"], 0]
WRONG["bands_per_octave"] = [*NO_INTEGERS, 0, -1, 5, 10**30]
WRONG["width"] = [*WRONG["full_scale"], 0.03, 1.01, 2]
WRONG["bands"] = [*NO_TENSORS, torch.zeros(3)]


def streamed(frame: Any, num_phase: Any, **options: Any) -> Any:
    return phasenet.PhaseStream(num_phase, **options).push(frame)


def pyramid_of(module: Any) -> Callable[..., PyramidCoeffs]:
    def pyramid(images: Any, height: Any, nbands: Any, **options: Any) -> PyramidCoeffs:
        out = {"out": options.pop("out")} if "out" in options else {}
        return module.SteerablePyramid(height, nbands, **options)(images, **out)

    return pyramid


PHASE = ("height", "nbands", "levels", "unwrap")
CALLS: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "PhaseStream": (streamed, ("frame", "num_phase", *PHASE, "boundary", "dtype")),
    "band_phase": (phasenet.band_phase, ("bands",)),
    "denoised_phase": (phasenet.denoised_phase, ("frames", *PHASE)),
    "local_motion": (
        phasenet.local_motion,
        ("frames", "height", "nbands", "levels", "noise", "full_scale", "largest"),
    ),
}
for module in (phasenet, reference):
    own = ("out",) if module is phasenet else ()
    windows = ("frames", "num_phase", *PHASE, "boundary", "dtype", *own)
    CALLS |= {
        f"{module.__name__}.windows": (module.phase_difference_windows, windows),
        f"{module.__name__}.clip": (module.phase_difference, ("clips", *PHASE, "dtype")),
        f"{module.__name__}.pyramid": (
            pyramid_of(module),
            ("images", "height", "nbands", "bands_per_octave", "width", "boundary", *own),
        ),
    }


def right(name: str, pyramid: bool) -> st.SearchStrategy[Any]:
    """Values that are right whatever the others are."""
    shape = st.tuples(st.integers(8, 24), st.integers(8, 24))
    lead = {"images": (2,), "clips": (3,), "frames": (5,), "bands": (2,), "frame": ()}
    if name in lead:
        dtype = torch.complex64 if name == "bands" else torch.float32
        return shape.map(lambda s: torch.ones(*lead[name], *s, dtype=dtype))
    return st.sampled_from(
        {
            "height": [4, np.int64(4)],
            "nbands": [2, 3],
            "num_phase": [1, 2, 4],
            "levels": [(1,), [2, 1], np.array([2])],
            "unwrap": ["full", "published"],
            "bands_per_octave": [1, 2],
            "width": [None, 0.5, 1 / 3],
            "boundary": ["periodic", "symmetric"] if pyramid else ["replicate", "valid"],
            "dtype": [None, torch.float16, torch.float64],
            "out": [None],
            "noise": [None, 0, 0.01, np.float32(0.1)],
            "full_scale": [None, 4095, 2.0],
            "largest": [None, 0.5, 3],
        }[name]
    )


@pytest.mark.parametrize("call", CALLS)
@settings(max_examples=20, deadline=None, database=None)
@given(data=st.data())
def test_the_wrong_argument_is_named(call, data):
    function, names = CALLS[call]
    arguments = {name: data.draw(right(name, "pyramid" in call)) for name in names}
    function(**arguments)
    for name in names:
        for value in WRONG[name]:
            if call == "local_motion" and isinstance(value, np.ndarray) and value.ndim > 2:
                continue  # which it takes
            if "pyramid" in call and name == "nbands" and value == 1:
                continue
            with pytest.raises((TypeError, ValueError)) as raised:
                function(**{**arguments, name: value})
            message = str(raised.value)
            assert message.startswith(f"{name}: expected "), (name, value, message)
            assert "\n" not in message


@pytest.mark.parametrize("module", [phasenet, reference])
def test_the_wrong_coefficient_is_named(module):
    pyramid = module.SteerablePyramid(4, 2)
    coeffs = pyramid(torch.rand(2, 16, 18))
    wrong = [*NO_TENSORS, torch.zeros(()), coeffs.lowpass.double(), coeffs.lowpass[:1]]
    cases = [("coeffs", x) for x in (None, 1, coeffs.highpass, tuple(coeffs)[:2])]
    cases += [("coeffs.highpass", coeffs._replace(highpass=x)) for x in wrong[:-2]]
    cases += [("coeffs.bands", coeffs._replace(bands=x)) for x in (None, coeffs.highpass, ())]
    cases += [("coeffs.bands[1]", coeffs._replace(bands=(coeffs.bands[0], x))) for x in wrong]
    cases += [("coeffs.lowpass", coeffs._replace(lowpass=x)) for x in wrong]
    for name, value in cases:
        with pytest.raises((TypeError, ValueError)) as raised:
            pyramid.inverse(value)
        assert str(raised.value).startswith(f"{name}: expected "), (name, str(raised.value))
