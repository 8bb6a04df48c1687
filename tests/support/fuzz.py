"""Random calls of every public function, sensible and not, for hypothesis."""

from __future__ import annotations

import inspect
import math
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

import phasenet
from phasenet import PyramidCoeffs, SteerablePyramid, reference, viz
from support.fuzz_motion import MOTION
from support.fuzz_values import (
    BANDS,
    FLOATS,
    HALVES,
    HEIGHTS,
    NONSENSE,
    Call,
    images,
    map_tensors,
    one_in,
    strided,
    tensors_in,
    values,
    wrong_images,
)
from support.fuzz_viz import VIZ

LAYOUT = ("real", "downsample", "tight_frame")


def writing(function: Any, wrong: Any) -> Any:
    """`function`, whose results are also written into given memory; or `wrong` is given as that."""

    def called(*args: Any, **options: Any) -> Any:
        result = function(*args, **options)
        poisoned = map_tensors(lambda x: torch.full_like(x, math.nan).contiguous(), result)
        shapes_alone = any(x.is_meta for x in tensors_in(args))
        out = poisoned if wrong is None or shapes_alone else wrong
        written = function(*args, **options, out=out)
        for a, b in zip(tensors_in(written), tensors_in(result), strict=True):
            assert a.is_meta or torch.equal(a, b), "what is written is not what is returned"
        return written

    return called


# What else may be given as memory for a result; None for what is right.
OUT = one_in(8, st.one_of(NONSENSE, wrong_images(), images(2), st.tuples(images(2))), st.none())


@st.composite
def phase_calls(draw: st.DrawFn) -> Call:
    names = ["phase_difference", "phase_difference_windows", "denoised_phase", "local_motion"]
    name = draw(st.sampled_from(names))
    own = name in ("denoised_phase", "local_motion")
    module = phasenet if own else draw(st.sampled_from([phasenet, phasenet, reference]))
    frames = draw(one_in(15, wrong_images(), images(3)))
    level_lists = st.lists(st.integers(1, 3), min_size=1, max_size=3, unique=True)
    options = {
        "height": draw(HEIGHTS),
        "nbands": draw(BANDS),
        "levels": draw(one_in(15, NONSENSE, level_lists)),
    }
    if name != "local_motion":
        modes = st.sampled_from(["full", "published"])
        options["unwrap"] = draw(one_in(15, NONSENSE, modes))
    else:
        options["return_weight"] = draw(st.booleans())
        options["largest"] = draw(one_in(15, NONSENSE, st.sampled_from([None, None, 0.5, 3])))
        options["noise"] = draw(one_in(15, NONSENSE, st.sampled_from([None, 0, 0.01])))
        options["full_scale"] = draw(one_in(15, NONSENSE, st.sampled_from([None, None, 4095.0])))
        options["color"] = draw(one_in(15, NONSENSE, st.just(False)))
    if not own and module is phasenet:
        options["dtype"] = draw(one_in(15, NONSENSE, st.sampled_from([None, *FLOATS, *HALVES])))
    if name == "phase_difference_windows":
        options["num_phase"] = draw(one_in(15, NONSENSE, st.integers(1, 12)))
        options["boundary"] = draw(one_in(15, NONSENSE, st.sampled_from(["replicate", "valid"])))
    first = "clips" if name == "phase_difference" else "frames"
    function = getattr(module, name)
    if function is phasenet.phase_difference_windows and draw(st.booleans()):
        function = writing(function, draw(OUT))
    prefix = "reference." if module is reference else ""
    covers = frozenset({f"{prefix}{name}"})
    names = (first, *options, "out")
    return Call(f"{module.__name__}.{name}", function, (frames,), options, names, covers)


@st.composite
def chosen(draw: st.DrawFn, of_inverse: bool = False) -> dict[str, Any]:
    """Which parts: all of them, most often."""
    if draw(st.booleans()):
        return {}
    some = st.lists(st.integers(1, 3), max_size=3, unique=True)
    parts = {
        "levels": draw(one_in(15, NONSENSE, st.one_of(st.none(), some))),
        "residuals": draw(one_in(15, NONSENSE, st.booleans())),
    }
    if of_inverse:
        kept = st.lists(st.integers(0, 2), min_size=1, max_size=3, unique=True)
        parts["bands"] = draw(one_in(15, NONSENSE, st.one_of(st.none(), kept)))
    return parts


@st.composite
def pyramid_calls(draw: st.DrawFn) -> Call:
    module = draw(st.sampled_from([phasenet, phasenet, reference]))
    height, nbands = draw(HEIGHTS), draw(BANDS)
    boundary = draw(one_in(15, NONSENSE, st.sampled_from(["periodic", "symmetric"])))
    x = draw(one_in(15, wrong_images(), images(2)))
    octave = {
        "bands_per_octave": draw(one_in(15, NONSENSE, st.integers(1, 3))),
        "width": draw(one_in(15, NONSENSE, st.sampled_from([None, 0.2, 1 / 3]))),
    }
    flags = {name: draw(one_in(15, NONSENSE, st.booleans())) for name in LAYOUT}
    parts = draw(chosen())

    def forward(x: Any) -> PyramidCoeffs:
        if module is reference:
            return reference.SteerablePyramid(height, nbands, **octave)(x)
        if with_out:
            pyramid = phasenet.SteerablePyramid(height, nbands, boundary=boundary, **octave)
            coeffs = writing(pyramid, wrong)(x)
        else:
            options = {"boundary": boundary, **octave, **flags}
            pyramid = phasenet.SteerablePyramid(height, nbands, **options)
            coeffs = pyramid(x, **parts)
        assert repr(pyramid)
        assert repr(coeffs)
        return coeffs

    with_out, wrong = draw(st.booleans()), draw(OUT)
    names = ("height", "nbands", "boundary", "images", "out", *octave, *LAYOUT, *parts)
    own = ("SteerablePyramid", "SteerablePyramid.forward", "SteerablePyramid.extra_repr")
    theirs = ("reference.SteerablePyramid", "reference.SteerablePyramid.forward")
    covers = frozenset(theirs if module is reference else (*own, "PyramidCoeffs"))
    name = f"{module.__name__}.SteerablePyramid({height}, {nbands})"
    return Call(name, forward, (x,), {}, names, covers)


@st.composite
def filter_calls(draw: st.DrawFn) -> Call:
    """Filters, as numbers and as a picture."""
    height, nbands, count = draw(st.integers(3, 5)), draw(st.integers(1, 4)), draw(BANDS)
    sizes = st.tuples(st.integers(16, 40), st.integers(3, 40))
    size = draw(one_in(8, NONSENSE, sizes))

    def filters(size: Any) -> tuple[Tensor, ...]:
        pyramid = SteerablePyramid(height, nbands, bands_per_octave=count)
        found = pyramid.filters(size)
        assert viz.tile_filters(found).ndim == 3
        return tuple(x for one in found for x in (one.impulse, one.response))

    own = ("Filter", "SteerablePyramid.filters", "viz.tile_filters")
    names = ("size", "height", "bands_per_octave")
    return Call("filters", filters, (size,), {}, names, frozenset(own), False)


@st.composite
def steer_calls(draw: st.DrawFn) -> Call:
    coeffs = draw(coefficients(draw(st.integers(3, 5)), draw(st.integers(2, 4))))
    angles = draw(one_in(8, NONSENSE, st.lists(st.floats(-10, 10), max_size=3)))
    names = ("coeffs", "angles")
    return Call("steer", phasenet.steer, (coeffs, angles), {}, names, frozenset({"steer"}))


@st.composite
def coefficients(draw: st.DrawFn, height: int, nbands: int) -> PyramidCoeffs:
    """Coefficients of one pyramid, now and then with a part that does not belong."""
    lead = draw(st.lists(st.integers(0, 2), max_size=2))
    size = [draw(st.integers(2 ** (height - 1), 40)) for _ in range(2)]
    dtype = draw(st.sampled_from(FLOATS))
    *sizes, low = phasenet.shapes.level_sizes(size, height)
    bands = [draw(strided(draw(values([*lead, nbands, *s], dtype.to_complex())))) for s in sizes]
    parts: list[Any] = [
        draw(strided(draw(values([*lead, *size], dtype)))),
        tuple(band.conj() if draw(st.booleans()) else band for band in bands),
        draw(strided(draw(values([*lead, *low], dtype)))),
    ]
    if draw(st.integers(0, 4)) == 0:
        wrong = st.one_of(NONSENSE, wrong_images(), images(2))
        parts[draw(st.integers(0, 2))] = draw(st.one_of(wrong, st.tuples(wrong, wrong)))
    return PyramidCoeffs(*parts)


@st.composite
def inverse_calls(draw: st.DrawFn) -> Call:
    height, nbands = draw(st.integers(3, 5)), draw(st.integers(2, 4))
    coeffs: Any = draw(coefficients(height, nbands))
    if draw(st.integers(0, 19)) == 0:
        coeffs = draw(st.one_of(NONSENSE, st.just(tuple(coeffs[:2]))))
    boundary = draw(one_in(4, st.just("symmetric"), st.just("periodic")))
    module = draw(one_in(4, st.just(reference), st.just(phasenet)))
    covers = frozenset({"SteerablePyramid.inverse"})
    inverse, parts = SteerablePyramid(height, nbands, boundary=boundary).inverse, draw(chosen(True))
    if draw(st.booleans()):
        inverse = writing(inverse, draw(OUT))
    if module is reference and isinstance(coeffs, PyramidCoeffs):
        inverse, parts = reference.SteerablePyramid(height, nbands).inverse, {}
        covers = frozenset({"reference.SteerablePyramid.inverse"})
    names = ("coeffs", "height", "out", *parts)
    name = f"{module.__name__}.SteerablePyramid({height}, {nbands}).inverse"
    return Call(name, inverse, (coeffs,), parts, names, covers)


def _turned(coeffs: PyramidCoeffs) -> PyramidCoeffs:
    return PyramidCoeffs.map(coeffs, lambda x: -2 * x)


@st.composite
def coefficient_calls(draw: st.DrawFn) -> Call:
    """What coefficients do themselves."""
    height, nbands = draw(st.integers(3, 5)), draw(st.integers(2, 4))
    coeffs = draw(coefficients(height, nbands))
    plain = draw(st.sampled_from(["unmirrored", "detach", "cpu", "map", None]))
    if plain is not None:
        name = f"PyramidCoeffs.{plain}"
        # What is on the CPU has nothing to say about shapes on the meta device.
        function = getattr(PyramidCoeffs, plain)
        if plain == "map":
            function = _turned
        covers = frozenset({name})
        return Call(name, function, (coeffs,), {}, ("coeffs",), covers, plain != "cpu")
    devices = ["cpu", torch.device("cpu"), "meta", "nonsense", "cuda:99", -1]
    right = st.sampled_from([*devices, torch.float16, *FLOATS, torch.bfloat16, torch.int32, True])
    places = draw(st.lists(one_in(10, NONSENSE, right), max_size=2))
    covers = frozenset({"PyramidCoeffs.to"})

    def moved(coeffs: PyramidCoeffs) -> PyramidCoeffs:
        result = coeffs.to(*places)
        assert repr(result)
        # There is nothing to compare on the meta device, and PyTorch cannot compare complex numbers
        # of half precision, which large ones exceed.
        if "meta" in places or torch.float16 in places:
            return PyramidCoeffs(torch.zeros(1), (), coeffs.highpass)
        return result

    names = ("args", "device", "dtype", "coeffs")
    return Call(f"PyramidCoeffs.to({places})", moved, (coeffs,), {}, names, covers, False)


@st.composite
def band_phase_calls(draw: st.DrawFn) -> Call:
    shape = draw(st.lists(st.integers(0, 12), max_size=4))
    dtype = draw(st.sampled_from([torch.complex64, torch.complex128]))
    right = draw(strided(draw(values(shape, dtype))))
    bands = draw(one_in(8, st.one_of(NONSENSE, wrong_images()), st.just(right)))
    covers = frozenset({"band_phase"})
    return Call("band_phase", phasenet.band_phase, (bands,), {}, ("bands",), covers)


@st.composite
def stream_calls(draw: st.DrawFn) -> Call:
    """Frames pushed one by one; all windows of them."""
    num_phase = draw(one_in(15, NONSENSE, st.integers(1, 12)))
    options = {
        "height": draw(one_in(15, NONSENSE, st.integers(3, 5))),
        "nbands": draw(one_in(15, NONSENSE, st.integers(2, 4))),
        "levels": draw(one_in(15, NONSENSE, st.just((1,)))),
        "unwrap": draw(one_in(15, NONSENSE, st.sampled_from(["full", "published"]))),
        "boundary": draw(one_in(15, NONSENSE, st.sampled_from(["replicate", "valid"]))),
        "dtype": draw(one_in(15, NONSENSE, st.sampled_from([None, *FLOATS, *HALVES]))),
    }
    frames = draw(images(3))
    one = draw(one_in(15, wrong_images(), images(2)))  # of another shape, most often
    stray = draw(st.integers(0, 9)) == 0

    def push(frames: Tensor, one: Any) -> tuple[Tensor, ...]:
        stream = phasenet.PhaseStream(num_phase, **options)
        assert repr(stream)
        assert stream.delay >= 0
        stream.reset()
        windows = [window for frame in frames.unbind(-3) for window in stream.push(frame)]
        if stray:
            windows += stream.push(one)
        windows += stream.flush()
        if stray or not windows:
            return tuple(level for window in windows for level in window.levels)
        whole = phasenet.phase_difference_windows(frames, num_phase, **options)
        for level, parts in zip(whole, zip(*(w.levels for w in windows), strict=True), strict=True):
            stacked = torch.stack(parts, -4)
            # On the meta device there are only shapes.
            same = stacked.shape == level.shape if level.is_meta else torch.equal(stacked, level)
            assert same, "a stream's windows are not the video's"
        return whole

    own = ("push", "flush", "reset", "delay")
    covers = frozenset({"PhaseStream", "StreamWindow", *(f"PhaseStream.{name}" for name in own)})
    names = ("num_phase", "frame", *options)
    return Call("PhaseStream", push, (frames, one), {}, names, covers)


def build_info_calls() -> st.SearchStrategy[Call]:
    def told() -> None:
        assert phasenet.build_info()["version"] == phasenet.__version__

    return st.just(Call("build_info", told, (), {}, (), frozenset({"build_info"})))


STRATEGIES = (
    stream_calls(),
    phase_calls(),
    pyramid_calls(),
    inverse_calls(),
    filter_calls(),
    steer_calls(),
    coefficient_calls(),
    band_phase_calls(),
    build_info_calls(),
    *MOTION,
    *VIZ,
)
calls = st.one_of(*STRATEGIES)


def public_names() -> set[str]:
    """Every public function, class and method of phasenet."""
    found = set()
    modules = (("", phasenet), ("viz.", viz))
    exported = [(prefix + name, getattr(m, name)) for prefix, m in modules for name in m.__all__]
    exported += [
        (f"reference.{name}", thing)
        for name, thing in vars(reference).items()
        if getattr(thing, "__module__", None) == reference.__name__ and not name.startswith("_")
    ]
    for name, thing in exported:
        if inspect.ismodule(thing) or isinstance(thing, str):
            continue
        found.add(name)
        if inspect.isclass(thing):
            found |= {
                f"{name}.{method}"
                for method, value in vars(thing).items()
                if not method.startswith("_")
                and (inspect.isfunction(value) or isinstance(value, property))
            }
    return found
