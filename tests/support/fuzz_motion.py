"""Random calls of what magnifies, measures and compares."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

import phasenet
from support.fuzz_values import (
    BANDS,
    HEIGHTS,
    NONSENSE,
    Call,
    images,
    one_in,
    strided,
    values,
    wrong_images,
)


@st.composite
def turn_calls(draw: st.DrawFn) -> Call:
    shape = draw(st.lists(st.integers(0, 12), min_size=2, max_size=4))
    dtype = draw(st.sampled_from([torch.complex64, torch.complex128]))
    bands = draw(strided(draw(values(shape, dtype))))
    turns = draw(strided(draw(values(shape, dtype.to_real()))))
    wrong = st.one_of(NONSENSE, wrong_images())
    given = draw(one_in(8, wrong, st.just(bands))), draw(one_in(8, wrong, st.just(turns)))
    options = {"smoothing": draw(one_in(8, NONSENSE, st.sampled_from([0, 0.5, 2.0, 64])))}
    covers = frozenset(
        {
            "turn_phase",
            "reference.turn_phase",
        }
    )
    return Call(
        "turn_phase", phasenet.turn_phase, given, options, ("bands", "turns", "smoothing"), covers
    )


@st.composite
def magnify_calls(draw: st.DrawFn) -> Call:
    """A whole film, and frame by frame, which give the same."""
    given = {
        "factor": st.sampled_from([0, 1, -2.5, 20]),
        "fps": st.sampled_from([25, 240.0]),
        "low": st.sampled_from([0, 0.5, 2]),
        "high": st.sampled_from([3, 12.5]),
        "nbands": st.integers(2, 4),
        "height": st.sampled_from([None, 3, 4]),
        "bands_per_octave": st.integers(1, 4),
        "smoothing": st.sampled_from([0, 1.0]),
        "attenuate": st.booleans(),
        "limit": st.sampled_from([None, 0.25, 2]),
    }
    options = {name: draw(one_in(30, NONSENSE, right)) for name, right in given.items()}
    whole = {
        "temporal": draw(one_in(30, NONSENSE, st.sampled_from(["fir", "iir"]))),
        "reference": draw(one_in(30, NONSENSE, st.sampled_from(["first", "mean", 0, 1]))),
    }
    frames = draw(one_in(8, wrong_images(), images(3)))
    factor = options.pop("factor")

    def magnified(frames: Tensor) -> Tensor:
        result = phasenet.magnify_motion(frames, factor, **options, **whole)
        assert (result.shape, result.dtype) == (frames.shape, frames.dtype)
        if whole == {"temporal": "fir", "reference": "first"} and frames.dim() == 3:
            came = list(phasenet.magnify_frames(frames.unbind(0), factor, **options))
            assert (
                frames.is_meta or torch.stack(came or [result[:0]]).shape[-2:] == result.shape[-2:]
            )
        if whole["temporal"] == "iir":
            magnifier = phasenet.MotionMagnifier(factor, **options)
            assert repr(magnifier)
            magnifier.reset()
            pushed = [magnifier.push(frame) for frame in frames.unbind(-3)]
            same = not pushed or frames.is_meta or torch.stack(pushed, -3).equal(result)
            assert same or bool(result.isnan().any()), "frames are not the film's"
        return result

    covers = {
        "magnify_motion",
        "magnify_frames",
        "MotionMagnifier",
        "MotionMagnifier.push",
        "MotionMagnifier.reset",
    }
    names = ("frames", "factor", *options, *whole, "low, high")
    return Call("magnify_motion", magnified, (frames,), {}, names, frozenset(covers))


@st.composite
def similarity_calls(draw: st.DrawFn) -> Call:
    a = draw(one_in(15, wrong_images(), images(2)))
    dense = isinstance(a, Tensor) and a.layout == torch.strided and a.dim() > 0
    like = dense and a.is_floating_point() and draw(st.integers(0, 9))
    b = a.flip(0) * 0.5 if like else draw(one_in(15, wrong_images(), images(2)))
    level_lists = st.one_of(st.none(), st.lists(st.integers(1, 3), min_size=1, unique=True))
    options = {
        "height": draw(HEIGHTS),
        "nbands": draw(one_in(15, NONSENSE, st.integers(1, 4))),
        "levels": draw(one_in(15, NONSENSE, level_lists)),
        "window": draw(one_in(15, NONSENSE, st.integers(1, 40))),
        "k": draw(one_in(15, NONSENSE, st.sampled_from([1e-5, 1.0, 1]))),
        "full_scale": draw(one_in(15, NONSENSE, st.sampled_from([None, None, 4095.0]))),
    }
    name = draw(st.sampled_from(["cw_ssim", "cw_ssim_loss"]))
    names = ("a", "b", "images", *options)
    return Call(name, getattr(phasenet, name), (a, b), options, names, frozenset({name}))


@st.composite
def vibration_calls(draw: st.DrawFn) -> Call:
    frames = draw(one_in(15, wrong_images(), images(3)))
    like = isinstance(frames, Tensor) and frames.dim() > 1 and frames.layout == torch.strided
    alone = torch.rand(frames.shape[-2:]) if like else None
    mask = alone > 0.5 if like else None
    weights = st.sampled_from([None, alone, mask])
    weight = draw(one_in(8, st.one_of(NONSENSE, wrong_images()), weights))
    fps = draw(one_in(15, NONSENSE, st.sampled_from([25, 240.0])))
    options = {
        "height": draw(HEIGHTS),
        "nbands": draw(BANDS),
        "levels": draw(one_in(15, NONSENSE, st.lists(st.integers(1, 2), min_size=1, unique=True))),
        "full_scale": draw(one_in(15, NONSENSE, st.sampled_from([None, None, 4095.0]))),
        "color": draw(one_in(15, NONSENSE, st.just(False))),
    }
    low = draw(one_in(8, NONSENSE, st.sampled_from([0, 3])))

    def found(frames: Any, weight: Any) -> tuple[Tensor, ...]:
        result = phasenet.vibration(frames, fps, weight=weight, **options)
        if result.signal.is_meta:
            return tuple(result)
        peak = result.peak(low)
        assert all(x.shape == result.signal.shape[:-2] for x in peak)
        return tuple(result)

    names = ("frames", "weight", "fps", "low", "low, high", *options)
    covers = frozenset({"vibration", "Vibration", "Vibration.peak", "Peak"})
    return Call("vibration", found, (frames, weight), {}, names, covers)


MOTION = (turn_calls(), magnify_calls(), similarity_calls(), vibration_calls())
