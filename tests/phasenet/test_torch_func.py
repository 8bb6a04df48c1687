"""torch.func on the operators: vmap over any dimension, Jacobians, and what is refused."""

from __future__ import annotations

import pytest
import torch
from support.transforms import flat
from torch.autograd.functional import hessian, jacobian
from torch.func import grad, jacfwd, jacrev, vjp, vmap

import phasenet
from phasenet import PyramidCoeffs, SteerablePyramid, band_phase

SMALL = SteerablePyramid(3, 2)


@pytest.mark.parametrize("dim", [0, 1, 2, -1])
def test_vmap_of_the_pyramid(dim):
    images = torch.rand(3, 2, 12, 13, dtype=torch.float64)
    mapped = vmap(SMALL, in_dims=dim)(images.movedim(0, dim))
    assert isinstance(mapped, PyramidCoeffs)
    for got, want in zip(flat(mapped), flat(SMALL(images)), strict=True):
        assert torch.equal(got, want)
    restored = vmap(SMALL.inverse)(mapped)
    torch.testing.assert_close(restored, images)


def test_vmap_where_only_some_coefficients_are_mapped():
    coeffs = SMALL(torch.rand(12, 13, dtype=torch.float64))
    changes = torch.rand(4, *coeffs.lowpass.shape, dtype=torch.float64)

    def image(lowpass):
        return SMALL.inverse(coeffs._replace(lowpass=lowpass))

    mapped = vmap(image)(changes)
    torch.testing.assert_close(mapped, torch.stack([image(x) for x in changes]))


def test_vmap_twice():
    images = torch.rand(2, 3, 8, 9, dtype=torch.float64)
    mapped = vmap(vmap(SMALL, in_dims=1), in_dims=0)(images.movedim(1, 2))
    assert torch.equal(mapped.bands[0], SMALL(images).bands[0])


def test_vmap_of_phases():
    frames = torch.rand(3, 5, 12, 13, dtype=torch.float64)
    whole = phasenet.phase_difference_windows(frames, 2)
    mapped = vmap(lambda x: phasenet.phase_difference_windows(x, 2))(frames)
    clips = vmap(phasenet.phase_difference)(frames)
    for got, want in zip((*mapped, *clips), (*whole, *phasenet.phase_difference(frames)),
                         strict=True):  # fmt: skip
        assert torch.equal(got, want)
    bands = SMALL(frames).bands[0]
    assert torch.equal(vmap(band_phase, in_dims=2)(bands.movedim(0, 2)), band_phase(bands))
    motion = vmap(phasenet.local_motion)(frames)
    torch.testing.assert_close(motion, phasenet.local_motion(frames))


@pytest.mark.parametrize("jac", [jacrev, jacfwd])
def test_jacobians_of_the_pyramid(jac):
    image = torch.rand(4, 5, dtype=torch.float64)

    def parts(x):
        coeffs = SMALL(x)
        return coeffs.highpass, coeffs.bands[0].real, coeffs.bands[0].imag, coeffs.lowpass

    for got, want in zip(jac(parts)(image), jacobian(parts, image), strict=True):
        torch.testing.assert_close(got, want)
    coeffs = SMALL(image)

    def restored(lowpass):
        return SMALL.inverse(coeffs._replace(lowpass=lowpass))

    torch.testing.assert_close(jac(restored)(coeffs.lowpass), jacobian(restored, coeffs.lowpass))


def test_jacobians_of_phases():
    torch.manual_seed(0)
    frames = torch.rand(3, 4, 5, dtype=torch.float64)

    def planes(x):
        return phasenet.phase_difference_windows(x, 2, height=3, levels=(1,))[0]

    def clip(x):
        return phasenet.phase_difference(x, height=3, levels=(1,))[0]

    def phase(x):
        return band_phase(SMALL(x).bands[0])

    for whole in (planes, clip, phase):

        def some(x, whole=whole):
            return whole(x).flatten()[::9]

        torch.testing.assert_close(jacrev(some)(frames), jacobian(some, frames))


def test_gradients_of_every_image_of_a_batch():
    images = torch.rand(3, 8, 9, dtype=torch.float64)

    def loss(x):
        return (SMALL.inverse(SMALL(x)) ** 4).sum() + SMALL(x).bands[0].abs().sum()

    each = torch.stack([torch.autograd.functional.vjp(loss, x)[1] for x in images])
    torch.testing.assert_close(vmap(grad(loss))(images), each)


def test_second_derivatives_of_the_pyramid():
    image = torch.rand(5, 6, dtype=torch.float64)

    def loss(x):
        return SMALL(x).bands[0].abs().square().sum() + (SMALL.inverse(SMALL(x)) ** 4).sum()

    want = hessian(loss, image)
    torch.testing.assert_close(torch.func.hessian(loss)(image), want)
    torch.testing.assert_close(jacrev(jacrev(loss))(image), want)


def test_second_derivatives_of_phases_are_refused():
    frames = torch.rand(4, 8, 9, dtype=torch.float64)

    def loss(x):
        return phasenet.phase_difference_windows(x, 2)[1].square().sum()

    with pytest.raises(NotImplementedError, match="differentiable once, not twice"):
        jacrev(jacrev(loss))(frames)
    with pytest.raises(NotImplementedError, match="no forward-mode derivative; use"):
        jacfwd(loss)(frames)


def test_vjp_of_half_precision():
    frames = torch.rand(4, 8, 9).half()
    planes, pull = vjp(lambda x: phasenet.phase_difference_windows(x, 2)[0], frames)
    assert planes.dtype == torch.float16
    assert pull(torch.ones_like(planes))[0].dtype == torch.float16


OPS = torch.ops.phasenet


def direct(name, x):
    """The operator itself, without the public functions, and a real number of each result."""
    coeffs = flat(SMALL(x))
    call = {
        "pyramid": lambda: OPS.pyramid(x, 3, 2),
        "pyramid_inverse": lambda: [OPS.pyramid_inverse(coeffs[0], [coeffs[1]], coeffs[2])],
        "pyramid_backward": lambda: [OPS.pyramid_backward(coeffs[0], [coeffs[1]], coeffs[2])],
        "pyramid_inverse_backward": lambda: OPS.pyramid_inverse_backward(x, 3, 2),
        "band_phase": lambda: [OPS.band_phase(coeffs[1])],
        "phase_difference_windows": lambda: OPS.phase_difference_windows(
            x, 2, 3, 2, [1], "full", "valid"
        ),
        "with a dtype": lambda: OPS.phase_difference_windows(
            x, 2, 3, 2, [1], "full", "valid", dtype=torch.float32
        ),
    }[name]
    return sum(y.abs().square().sum() for y in call())


@pytest.mark.parametrize(
    "name",
    ["pyramid", "pyramid_inverse", "pyramid_backward", "pyramid_inverse_backward", "band_phase",
     "phase_difference_windows", "with a dtype"],
)  # fmt: skip
def test_operators_called_directly_under_transforms(name):
    torch.manual_seed(0)
    frames = torch.rand(2, 3, 6, 7, dtype=torch.float64)

    def loss(x):
        return direct(name, x)

    want = torch.stack([torch.autograd.functional.vjp(loss, x)[1] for x in frames])
    assert float(want.norm()) > 0
    torch.testing.assert_close(grad(loss)(frames[0]), want[0])
    torch.testing.assert_close(jacrev(loss)(frames[1]), want[1])
    torch.testing.assert_close(vmap(grad(loss))(frames), want)
    torch.testing.assert_close(vmap(loss)(frames), torch.stack([loss(x) for x in frames]))
    if name not in ("band_phase", "phase_difference_windows", "with a dtype"):
        torch.testing.assert_close(jacfwd(loss)(frames[0]), want[0])
    else:
        with pytest.raises(NotImplementedError, match="no forward-mode derivative; use"):
            jacfwd(loss)(frames[0])


def test_streams_are_refused_under_transforms():
    frames = torch.rand(2, 9, 10)

    def pushed(frame):
        return OPS.phase_stream_state(frame[None], 2, 3, 2, [1])[0]

    with pytest.raises(RuntimeError, match="phase_stream_state"):
        vmap(pushed)(frames)
