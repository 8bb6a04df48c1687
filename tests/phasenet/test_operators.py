"""The operators as PyTorch sees them: schemas, fake kernels, gradients, compilation."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from phasenet import (
    PyramidCoeffs,
    SteerablePyramid,
    phase_difference,
    phase_difference_windows,
    reference,
)

ops = torch.ops.phasenet


def coefficients(size=(18, 21), dtype=torch.float32, grad=True):
    highpass, *bands, lowpass = ops.pyramid(torch.rand(2, *size, dtype=dtype), 4, 3)
    parts = [highpass, *bands, lowpass]
    highpass, *bands, lowpass = [part.detach().requires_grad_(grad) for part in parts]
    return highpass, bands, lowpass


def stream_state():
    frames = torch.rand(2, 18, 21)
    state = ops.phase_stream_state(frames, 3, 4, 2, (1, 2))
    ops.phase_stream_push(frames, state, 0, 3, 4, 2, (1, 2), "full", "valid")
    return state


def narrow_calls():
    octave = 3, 0.25
    images = torch.rand(2, 13, 10, requires_grad=True)
    highpass, *bands, lowpass = [
        x.requires_grad_() for x in ops.pyramid(images.detach(), 4, 2, *octave)
    ]
    return {
        "pyramid": (images, 4, 1, *octave),
        "pyramid_backward": (highpass, bands, lowpass, *octave),
        "pyramid_inverse": (highpass, bands, lowpass, *octave),
        "pyramid_inverse_backward": (images, 4, 2, *octave),
    }


def calls_of_orientations():
    some, images = [2, 0], torch.rand(2, 13, 10, requires_grad=True)
    whole = ops.pyramid(images.detach(), 4, 4, 2, 0.5, [1, 3], some)
    highpass, *bands, lowpass = [x.requires_grad_() for x in (images.detach(), *whole[1:])]
    return {
        "pyramid": (images, 4, 3, 1, 1.0, [0, 1], some),
        "pyramid_backward": (highpass, bands, lowpass, 2, 0.5, [1, 3], 4, some),
        "pyramid_inverse": (highpass, bands, lowpass, 2, 0.5, [1, 3], 4, some),
        "pyramid_inverse_backward": (images, 4, 3, 1, 1.0, [0, 1], some),
    }


def operator_calls():
    images = torch.rand(2, 18, 21, requires_grad=True)
    frames = torch.rand(2, 6, 18, 21, requires_grad=True)
    options = (3, 4, 2, (1, 2), "full", "valid")
    grads = [torch.rand_like(x) for x in ops.phase_difference_windows(frames.detach(), *options)]
    return {
        "pyramid": (images, 4, 2),
        "pyramid_backward": coefficients(),
        "pyramid_inverse": coefficients(),
        "pyramid_inverse_backward": (images, 4, 2),
        "band_phase": (torch.randn(3, 4, 5, dtype=torch.complex64, requires_grad=True),),
        "turn_phase": (
            torch.randn(3, 4, 5, dtype=torch.complex64, requires_grad=True),
            torch.randn(3, 4, 5, requires_grad=True),
            1.5,
        ),
        "turn_phase_push": (
            torch.randn(3, 4, 5, dtype=torch.complex64),
            torch.zeros(4, 3, 4, 5),
            1,
            [0.2, 0.1, 0.0, -0.5, 0.1],
            3.0,
            True,
            2.0,
        ),
        "phase_difference_windows": (frames, *options),
        "phase_difference_windows_backward": (grads, frames.detach(), *options),
        "phase_stream_state": (frames.detach()[0, :2], *options[:4], torch.bfloat16),
        "phase_stream_push": (frames.detach()[0, :2], stream_state(), 1, *options),
    }


@pytest.mark.parametrize("name", sorted(operator_calls()))
def test_opcheck(name):
    torch.library.opcheck(getattr(ops, name).default, operator_calls()[name])


@pytest.mark.parametrize("name", sorted(narrow_calls()))
def test_opcheck_narrow_filters(name):
    torch.library.opcheck(getattr(ops, name).default, narrow_calls()[name])


@pytest.mark.parametrize("name", sorted(calls_of_orientations()))
def test_opcheck_orientations(name):
    torch.library.opcheck(getattr(ops, name).default, calls_of_orientations()[name])


@pytest.mark.parametrize(
    "arguments",
    [
        (torch.rand(7, 19, 16), 12, 4, 2, (2, 1), "published", "replicate"),
        (torch.rand(7, 19, 16, dtype=torch.float64), 2, 5, 4, (3,), "full", "valid"),
        (
            torch.randint(0, 255, (1, 2, 4, 12, 9), dtype=torch.uint8),
            3,
            3,
            2,
            (1,),
            "full",
            "valid",
        ),
        (torch.rand(4, 16, 19).transpose(1, 2), 2, 4, 2, (1, 2), "full", "replicate"),
    ],
)
def test_opcheck_windows(arguments):
    torch.library.opcheck(ops.phase_difference_windows.default, arguments)


def writing_calls():
    images, frames, options = torch.rand(2, 18, 21), torch.rand(2, 6, 18, 21), (3, 4, 2, (1, 2))
    parts = coefficients(grad=False)
    windows = (frames, *options, "full", "valid", torch.float16)
    return {
        "pyramid": ((images, 4, 2), ops.pyramid(images, 4, 2)),
        "pyramid_inverse": (parts, ops.pyramid_inverse(*parts)),
        "phase_difference_windows": (windows, ops.phase_difference_windows(*windows)),
    }


@pytest.mark.parametrize("name", sorted(writing_calls()))
def test_opcheck_out(name):
    arguments, out = writing_calls()[name]
    torch.library.opcheck(getattr(ops, name).out, arguments, {"out": out})


def test_every_operator_is_checked():
    names = {
        name.split("::")[1]
        for name in torch._C._dispatch_get_all_op_names()
        if "phasenet::" in name
    }
    writing = {f"{name}.out" for name in writing_calls()}
    assert names == {*operator_calls(), *writing, "instruction_set", "instruction_sets"}


def test_pyramid_gradients():
    pyramid = SteerablePyramid(3, 3)
    images = torch.rand(5, 6, dtype=torch.float64, requires_grad=True)

    def coefficients_of(x):
        highpass, bands, lowpass = pyramid(x)
        return highpass, *bands, lowpass

    assert gradcheck(coefficients_of, images)
    assert gradgradcheck(coefficients_of, images, fast_mode=True)


def test_inverse_gradients():
    highpass, *bands, lowpass = [
        part.requires_grad_() for part in ops.pyramid(torch.rand(5, 6, dtype=torch.float64), 3, 3)
    ]

    def image_of(highpass, lowpass, *bands):
        return SteerablePyramid(3, 3).inverse(PyramidCoeffs(highpass, bands, lowpass))

    assert gradcheck(image_of, (highpass, lowpass, *bands))
    assert gradgradcheck(image_of, (highpass, lowpass, *bands), fast_mode=True)


@pytest.mark.parametrize("unwrap", ["full", "published"])
@pytest.mark.parametrize("boundary", ["replicate", "valid"])
def test_phase_gradients_equal_those_of_the_reference(unwrap, boundary):
    frames = torch.rand(2, 6, 11, 14, dtype=torch.float64, requires_grad=True)
    options = {"unwrap": unwrap, "boundary": boundary}
    ours = phase_difference_windows(frames, 3, **options)
    theirs = reference.phase_difference_windows(frames, 3, **options)
    weights = [torch.randn_like(plane) for plane in ours]
    got, want = (
        torch.autograd.grad(
            sum((p * w).sum() for p, w in zip(planes, weights, strict=True)), frames
        )
        for planes in (ours, theirs)
    )
    assert float((got[0] - want[0]).norm() / want[0].norm()) < 1e-12


def test_phase_gradcheck():
    torch.manual_seed(0)  # away from branch cuts, where finite differences jump by 2 pi
    frames = torch.rand(3, 7, 8, dtype=torch.float64, requires_grad=True)
    assert gradcheck(
        lambda x: phase_difference_windows(x, 2), frames, eps=1e-7, atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize("unwrap", ["full", "published"])
def test_clip_gradcheck(unwrap):
    torch.manual_seed(0)  # away from branch cuts, as above
    clips = torch.rand(2, 3, 7, 8, dtype=torch.float64, requires_grad=True)
    assert gradcheck(
        lambda x: phase_difference(x, height=3, levels=(1,), unwrap=unwrap),
        clips,
        eps=1e-7,
        atol=1e-4,
        rtol=1e-4,
    )


def test_mirrored_pyramid_gradients():
    pyramid = SteerablePyramid(3, 2, boundary="symmetric")
    images = torch.rand(4, 5, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: pyramid(x).unmirrored().bands[0], images)
    assert gradcheck(lambda x: pyramid.inverse(pyramid(x)), images)


def test_phase_second_derivative_is_refused():
    frames = torch.rand(4, 8, 9, requires_grad=True)
    loss = phase_difference_windows(frames, 3)[0].square().sum()
    (grad,) = torch.autograd.grad(loss, frames, create_graph=True)
    with pytest.raises(NotImplementedError, match="differentiable once"):
        grad.square().sum().backward()


def test_partial_gradients():
    """Outputs nobody used get no gradient and do not disturb the others."""
    images = torch.rand(16, 16, dtype=torch.float64, requires_grad=True)
    SteerablePyramid(4, 2)(images).bands[1].abs().sum().backward()
    assert float(images.grad.norm()) > 0
    frames = torch.rand(5, 16, 16, requires_grad=True)
    phase_difference_windows(frames, 2)[1].square().sum().backward()
    assert float(frames.grad.norm()) > 0


def test_compiles_without_graph_break():
    def features(x):
        level1, level2 = phase_difference_windows(x, 4)
        return level1.square().mean() + level2.square().mean()

    frames = torch.rand(6, 16, 16, dtype=torch.float64)
    compiled = torch.compile(features, fullgraph=True, backend="aot_eager", dynamic=True)
    torch.testing.assert_close(compiled(frames), features(frames))
    longer = torch.rand(9, 16, 16, dtype=torch.float64)
    torch.testing.assert_close(compiled(longer), features(longer))
