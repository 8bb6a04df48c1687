"""Random calls of `phasenet.viz`, sensible and not."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st

import phasenet
from phasenet import viz
from support.fuzz_values import (
    FLOATS,
    HALVES,
    NONSENSE,
    Call,
    one_in,
    strided,
    values,
    wrong_images,
)

LIMITS = st.sampled_from([None, 1.0, 0.5, 1e-300, 1e300, 3, -1.0, 0.0, math.inf])
GROUNDS = st.sampled_from([viz.DARK, (0, 0, 0), [255, 1, 2], (1, 2), (1, 2, 300), (0.5, 1, 2)])
GAPS = st.integers(0, 5)
NUMBERS = st.sampled_from([0.0, 1.0, -3, 255, 10.0, 1e300, math.inf])


@st.composite
def any_shape(draw: st.DrawFn, dims: int | None = None) -> Any:
    """Real numbers of some dtype, layout and shape, as a tensor or as an array."""
    count = draw(st.integers(0, 4)) if dims is None else dims
    shape = [draw(st.integers(0, 9)) for _ in range(count)]
    dtype = draw(st.sampled_from([torch.uint8, *FLOATS, *HALVES]))
    x = draw(strided(draw(values(shape, dtype))))
    if draw(st.booleans()) and dtype not in HALVES:
        return x.resolve_neg().numpy()
    if dtype.is_floating_point and x.numel() and draw(st.integers(0, 4)) == 0:
        x = x.clone()
        x[(0,) * x.dim()] = draw(st.sampled_from([math.nan, math.inf]))
    return x


@st.composite
def pictures(draw: st.DrawFn) -> np.ndarray:
    shape = (draw(st.integers(0, 9)), draw(st.integers(0, 9)), 3)
    return np.full(shape, draw(st.integers(0, 255)), np.uint8)


def given(draw: st.DrawFn, **strategies: Any) -> dict[str, Any]:
    """Some of the options, the others left at their defaults."""
    return {
        name: draw(one_in(15, NONSENSE, strategy))
        for name, strategy in strategies.items()
        if draw(st.booleans())
    }


def call_of(name: str, arguments: dict[str, Any], options: dict[str, Any]) -> Call:
    function = getattr(viz, name)

    def run(*args: Any, **more: Any) -> torch.Tensor | None:
        result = function(*args, **more)
        if result is None:
            return None
        if name != "motion_arrows":
            assert result.dtype == np.uint8
            assert result.shape[-1] == 3
        return torch.from_numpy(result)

    names = (*arguments, *options)
    covers = frozenset({f"viz.{name}"})
    return Call(f"viz.{name}", run, tuple(arguments.values()), options, names, covers, False)


@st.composite
def colour_calls(draw: st.DrawFn) -> Call:
    name = draw(st.sampled_from(["colour_signed", "grey", "colour_phase", "phase_wheel"]))
    x = draw(one_in(10, st.one_of(NONSENSE, wrong_images()), any_shape()))
    if name == "phase_wheel":
        return call_of(name, {"size": draw(one_in(4, NONSENSE, st.integers(1, 40)))}, {})
    if name == "colour_signed":
        return call_of(name, {"values": x}, given(draw, limit=LIMITS, ground=GROUNDS))
    if name == "grey":
        return call_of(name, {"values": x}, given(draw, low=NUMBERS, high=NUMBERS))
    dtype = draw(st.sampled_from([torch.complex64, torch.complex128]))
    right = draw(strided(draw(values([draw(st.integers(0, 9)), 3], dtype))))
    c = x if draw(st.integers(0, 4)) == 0 else right
    return call_of(name, {"coefficients": c}, given(draw, limit=LIMITS))


@st.composite
def layout_calls(draw: st.DrawFn) -> Call:
    name = draw(st.sampled_from(["tile", "tile_pyramid", "film_strip"]))
    if name == "tile":
        rows = draw(st.lists(st.lists(pictures(), max_size=3), max_size=3))
        rows = draw(one_in(8, st.one_of(NONSENSE, st.just([[torch.zeros(3, 3)]])), st.just(rows)))
        return call_of(name, {"rows": rows}, given(draw, gap=GAPS, ground=GROUNDS))
    if name == "tile_pyramid":
        lead = draw(st.lists(st.integers(1, 2), max_size=1))
        image = draw(values([*lead, draw(st.integers(8, 20)), draw(st.integers(8, 20))], FLOATS[0]))
        coeffs: Any = phasenet.SteerablePyramid(4, draw(st.integers(2, 4)))(image)
        coeffs = draw(one_in(5, st.one_of(NONSENSE, st.just((image,) * 3)), st.just(coeffs)))
        return call_of(name, {"coeffs": coeffs}, given(draw, gap=GAPS))
    window = draw(one_in(8, st.one_of(NONSENSE, wrong_images(), any_shape()), any_shape(4)))
    return call_of(name, {"window": window}, given(draw, limit=LIMITS, gap=GAPS))


@st.composite
def motion_calls(draw: st.DrawFn) -> Call:
    height, width = draw(st.integers(0, 20)), draw(st.integers(0, 20))
    dtype = draw(st.sampled_from([*FLOATS, *HALVES]))
    field = draw(strided(draw(values([2, height, width], dtype))))
    motion = draw(one_in(8, st.one_of(NONSENSE, wrong_images(), any_shape(3)), st.just(field)))
    share = strided(draw(values([height, width], dtype)))
    options = given(draw, scale=NUMBERS, step=st.integers(1, 30), least_weight=NUMBERS)
    options |= given(draw, weight=st.one_of(st.none(), share, any_shape(2)))
    if draw(st.booleans()):
        return call_of("motion_arrows", {"motion": motion}, options)
    kind = draw(st.sampled_from([torch.uint8, *FLOATS, *HALVES]))
    right = draw(strided(draw(values([height, width], kind))))
    frame = draw(one_in(8, st.one_of(NONSENSE, wrong_images()), st.just(right)))
    options |= given(draw, enlarge=st.integers(1, 4))
    return call_of("draw_motion", {"frame": frame, "motion": motion}, options)


@st.composite
def save_calls(draw: st.DrawFn) -> Call:
    picture = draw(one_in(5, st.one_of(NONSENSE, any_shape(3)), pictures()))
    if isinstance(picture, np.ndarray) and 0 in picture.shape and picture.dtype == np.uint8:
        picture = np.zeros((1, 1, 3), np.uint8)
    suffix = draw(st.sampled_from([".png", ".jpg", "", ".bmp"]))
    wrong = draw(st.one_of(st.just(None), st.sampled_from([2.0, True, (), [1]])))

    def run(given: Any) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"picture{suffix}" if wrong is None else wrong
            viz.save(path, given)

    covers = frozenset({"viz.save"})
    return Call("viz.save", run, (picture,), {}, ("path", "picture"), covers, False)


VIZ = (colour_calls(), layout_calls(), motion_calls(), save_calls())
