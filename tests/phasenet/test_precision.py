"""Dtypes in and out, and what half precision costs."""

from __future__ import annotations

import pytest
import torch
from support.textures import moving_texture

import phasenet
from phasenet import SteerablePyramid, phase_difference, phase_difference_windows, reference
from phasenet.parity import relative_error

HALF = [torch.float16, torch.bfloat16]
EVERY = [*HALF, torch.float32, torch.float64]
#: Relative errors against float64 that the documentation states: of an output rounded to the
#: dtype, and of frames that were rounded to it as well.
STATED = {torch.float16: (2.5e-4, 6.5e-2), torch.bfloat16: (2e-3, 4e-1)}


@pytest.mark.parametrize("dtype", EVERY)
@pytest.mark.parametrize("given", [torch.uint8, *EVERY])
@pytest.mark.parametrize("function", ["windows", "clip"])
def test_every_dtype_to_every_dtype(function, given, dtype):
    """Planes are what the compute dtype gives, rounded once."""
    frames = (255 * torch.rand(2, 7, 19, 22, dtype=torch.float64)).to(torch.uint8)
    frames = frames if given == torch.uint8 else (frames / 255.0).to(given)
    computed = frames if given in (torch.uint8, torch.float64) else frames.float()

    def call(x, **options):
        if function == "clip":
            return phase_difference(x, **options)
        return phase_difference_windows(x, 4, **options)

    for got, want in zip(call(frames, dtype=dtype), call(computed), strict=True):
        assert got.dtype == dtype
        assert torch.equal(got, want.to(dtype))


@pytest.mark.parametrize("given", [torch.uint8, *EVERY])
def test_without_a_dtype_the_input_decides(given):
    frames = torch.zeros(3, 16, 16, dtype=given)
    expected = torch.float32 if given == torch.uint8 else given
    for module in (phasenet, reference):
        assert {x.dtype for x in module.phase_difference_windows(frames, 2)} == {expected}
        assert {x.dtype for x in module.phase_difference(frames)} == {expected}


@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize(("seed", "shift"), [(0, (0.3, -0.2)), (1, (0.1, 0.05)), (2, (0.0, 0.6))])
def test_errors_are_those_stated(seed, shift, dtype):
    frames = moving_texture(16, (48, 48), shift, seed=seed)
    exact = phase_difference_windows(frames, 4)
    rounded_output, rounded_frames = STATED[dtype]
    for got, want in zip(phase_difference_windows(frames, 4, dtype=dtype), exact, strict=True):
        assert relative_error(got, want) < rounded_output
    for got, want in zip(phase_difference_windows(frames.to(dtype), 4), exact, strict=True):
        assert relative_error(got, want) < rounded_frames


@pytest.mark.parametrize("dtype", HALF)
def test_half_precision_has_gradients(dtype):
    frames = moving_texture(6, (24, 20), (0.3, -0.2)).requires_grad_()
    half = frames.detach().to(dtype).requires_grad_()
    weights = [torch.randn_like(x) for x in phase_difference_windows(frames, 3)]
    grads = []
    for x in (half, frames):
        planes = phase_difference_windows(half.float() if x is half else half.double(), 3)
        planes = phase_difference_windows(x, 3) if x is half else planes
        loss = sum((p.double() * w).sum() for p, w in zip(planes, weights, strict=True))
        grads.append(torch.autograd.grad(loss, half)[0])
    assert grads[0].dtype == dtype
    assert relative_error(grads[0], grads[1].double()) < 10 * STATED[dtype][0]


@pytest.mark.parametrize("dtype", HALF)
def test_pyramids_of_half_precision_are_computed_in_float32(dtype):
    images = torch.rand(2, 20, 24).to(dtype)
    pyramid = SteerablePyramid(4, 3)
    got, want = pyramid(images), pyramid(images.float())
    assert got.bands[0].dtype == torch.complex64
    for a, b in zip((got.highpass, *got.bands), (want.highpass, *want.bands), strict=True):
        assert torch.equal(a, b)
    with pytest.raises(TypeError, match=r"coeffs.highpass: expected dtype float32 or float64"):
        pyramid.inverse(got._replace(highpass=got.highpass.to(dtype)))


@pytest.mark.parametrize("dtype", HALF)
def test_autocast(dtype):
    """Everything in float32, whatever comes in; float64 stays; a dtype asked for is given."""
    frames = torch.rand(5, 16, 18)
    pyramid = SteerablePyramid(4, 2)
    want = phase_difference_windows(frames.to(dtype).float(), 2)
    with torch.autocast("cpu", dtype=dtype):
        got = phase_difference_windows(frames.to(dtype), 2)
        assert got[0].dtype == torch.float32
        assert torch.equal(got[0], want[0])
        assert phase_difference_windows(frames.double(), 2)[0].dtype == torch.float64
        assert phase_difference_windows(frames, 2, dtype=dtype)[0].dtype == dtype
        direct = torch.ops.phasenet.phase_difference_windows(
            frames.to(dtype), 2, 4, 2, (1, 2), "full", "replicate"
        )
        assert torch.equal(direct[0], want[0])
        coeffs = pyramid(frames.to(dtype))
        assert coeffs.bands[0].dtype == torch.complex64
        parts = coeffs.highpass.to(dtype), list(coeffs.bands), coeffs.lowpass.to(dtype)
        assert torch.ops.phasenet.pyramid_inverse(*parts).dtype == torch.float32
    # The operator reads half precision itself, under autocast or not.
    direct = torch.ops.phasenet.pyramid(frames.to(dtype), 4, 2)
    assert torch.equal(direct[1], coeffs.bands[0])
    with pytest.raises(RuntimeError, match="expected dtype uint8, float16, bfloat16, float32 or"):
        torch.ops.phasenet.pyramid(frames.to(torch.int32), 4, 2)


def autocast_calls(module):
    """Every public function of images, as a list of tensors of its results."""
    pyramid = module.SteerablePyramid(4, 3, boundary="symmetric")

    def parts(frames):
        coeffs = pyramid(frames)
        return [coeffs.highpass, *coeffs.bands, coeffs.lowpass]

    calls = {
        "SteerablePyramid": parts,
        "inverse": lambda x: [pyramid.inverse(pyramid(x))],
        "phase_difference": module.phase_difference,
        "phase_difference_windows": lambda x: module.phase_difference_windows(x, 2),
    }
    if module is reference:
        return calls

    def streamed(frames):
        stream = phasenet.PhaseStream(2)
        windows = [w for frame in frames for w in stream.push(frame)] + stream.flush()
        return [x for window in windows for x in window.levels]

    return calls | {
        "PhaseStream": streamed,
        "band_phase": lambda x: [phasenet.band_phase(pyramid(x).bands[0])],
        "denoised_phase": phasenet.denoised_phase,
        "local_motion": lambda x: [phasenet.local_motion(x)],
    }


@pytest.mark.parametrize("given", [torch.uint8, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("module", [phasenet, reference])
def test_autocast_changes_no_number(module, given):
    frames = torch.rand(5, 24, 26, dtype=torch.float64)
    frames = (255 * frames).to(given) if given == torch.uint8 else frames.to(given)
    # What half precision is rounded to without autocast is another test's matter.
    computed = frames.float() if given == torch.bfloat16 else frames
    for name, call in autocast_calls(module).items():
        want = call(computed)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            got = call(frames)
        for a, b in zip(got, want, strict=True):
            assert a.dtype == b.dtype, name
            assert torch.equal(a, b), name


def test_gradients_under_autocast_are_those_without():
    """As PyTorch wants it, the backward pass is not under autocast itself."""
    frames = torch.rand(4, 20, 22)

    def gradient(function, enabled):
        x = frames.clone().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            loss = sum(y.square().sum() for y in function(x))
        return torch.autograd.grad(loss, x)[0]

    for function in (phasenet.denoised_phase, lambda x: [phasenet.local_motion(x)]):
        assert torch.equal(gradient(function, True), gradient(function, False))


def test_gradients_under_autocast():
    layer = torch.nn.Linear(18, 18)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        frames = layer(torch.rand(5, 16, 18))
        assert frames.dtype == torch.bfloat16
        loss = sum(x.square().mean() for x in phase_difference_windows(frames, 2))
    loss.backward()
    assert float(layer.weight.grad.norm()) > 0


@pytest.mark.parametrize("dtype", [torch.int32, torch.complex64, torch.float8_e5m2, "float16"])
def test_other_output_dtypes_are_refused(dtype):
    frames = torch.rand(5, 16, 16)
    for module in (phasenet, reference):
        for function in (module.phase_difference, module.phase_difference_windows):
            with pytest.raises(TypeError, match=r"dtype: expected torch.float16, bfloat16"):
                function(frames, dtype=dtype)
    if isinstance(dtype, torch.dtype):
        with pytest.raises(RuntimeError, match="dtype: expected float16"):
            torch.ops.phasenet.phase_difference_windows(
                frames, 2, 4, 2, (1, 2), "full", "valid", dtype
            )


def test_values_too_large_for_float16_do_not_occur():
    """The largest difference, 5 pi, and everything below fit; nothing becomes infinite."""
    planes = phase_difference_windows(torch.rand(9, 24, 24), 4, dtype=torch.float16)
    assert all(torch.isfinite(x).all() for x in planes)
