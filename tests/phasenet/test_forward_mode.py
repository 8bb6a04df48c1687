"""Forward-mode derivatives: right by every route, or refused; a tangent is never dropped."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import forward_ad, gradcheck, gradgradcheck
from torch.autograd.functional import hessian, jacobian
from torch.func import jacfwd, jacrev, jvp, vmap

import phasenet
from phasenet import PyramidCoeffs, SteerablePyramid

SMALL = SteerablePyramid(3, 2)
OPS = torch.ops.phasenet


def real(parts):
    return tuple(torch.view_as_real(x) if x.is_complex() else x for x in parts)


def flat(coeffs: PyramidCoeffs) -> tuple[torch.Tensor, ...]:
    return real((coeffs.highpass, *coeffs.bands, coeffs.lowpass))


def adjoint(x):
    coeffs = SMALL(x)
    return OPS.pyramid_backward(coeffs.highpass, list(coeffs.bands), coeffs.lowpass)


def inverse_of_part(x):
    """Only one of the coefficients has a tangent."""
    coeffs = SMALL(torch.ones_like(x))
    return SMALL.inverse(coeffs._replace(highpass=x))


LINEAR = {
    "pyramid": lambda x: flat(SMALL(x)),
    "symmetric": lambda x: flat(SteerablePyramid(3, 2, boundary="symmetric")(x)),
    "adjoint": lambda x: (adjoint(x),),
    "inverse": lambda x: (SMALL.inverse(SMALL(x)),),
    "inverse of part": lambda x: (inverse_of_part(x),),
    "inverse's adjoint": lambda x: real(OPS.pyramid_inverse_backward(x, 3, 2)),
}


@pytest.mark.parametrize("name", LINEAR)
def test_linear_operators(name):
    function = LINEAR[name]
    image, tangent = torch.rand(2, 6, 7, dtype=torch.float64)
    want = jacobian(function, image)
    assert all(float(x.norm()) > 0 for x in want)
    torch.testing.assert_close(jacfwd(function)(image), want)
    moved = tuple(x.flatten(-2) @ tangent.flatten() for x in want)
    torch.testing.assert_close(jvp(function, (image,), (tangent,))[1], moved)
    for requires_grad in (False, True):
        for grad_mode in (False, True):
            with forward_ad.dual_level(), torch.set_grad_enabled(grad_mode):
                dual = forward_ad.make_dual(image.clone().requires_grad_(requires_grad), tangent)
                results = [forward_ad.unpack_dual(x) for x in function(dual)]
                mapped = vmap(function)(dual[None])
                tangents = tuple(forward_ad.unpack_dual(x).tangent[0] for x in mapped)
            torch.testing.assert_close(tuple(x.tangent for x in results), moved)
            torch.testing.assert_close(tangents, moved)
            if name != "inverse of part":
                torch.testing.assert_close(tuple(x.primal for x in results), function(image))
            assert all(x.primal.requires_grad == (requires_grad and grad_mode) for x in results)


def test_both_modes_and_their_mixtures():
    image = torch.rand(5, 6, dtype=torch.float64, requires_grad=True)
    gradcheck(lambda x: flat(SMALL(x)), image, check_forward_ad=True)
    gradgradcheck(
        lambda x: SMALL.inverse(SMALL(x)) ** 2,
        image,
        check_fwd_over_rev=True,
        check_rev_over_rev=True,
    )

    def loss(x):
        return SMALL(x).bands[0].abs().square().sum() + (SMALL.inverse(SMALL(x)) ** 4).sum()

    want = hessian(loss, image.detach())
    for mixed in (jacfwd(jacrev(loss)), jacrev(jacfwd(loss)), jacfwd(jacfwd(loss))):
        torch.testing.assert_close(mixed(image.detach()), want)


def test_half_precision_has_tangents_in_float32():
    image, tangent = torch.rand(2, 8, 9).half()
    with forward_ad.dual_level():
        result = SMALL(forward_ad.make_dual(image, tangent)).highpass
        moved = forward_ad.unpack_dual(result).tangent
    assert torch.equal(moved, SMALL(tangent).highpass)


FRAMES = torch.rand(4, 12, 13, dtype=torch.float64)
PHASES = {
    "windows": lambda x: phasenet.phase_difference_windows(x, 1)[0],
    "clip": lambda x: phasenet.phase_difference(x)[0],
    "band_phase": lambda x: phasenet.band_phase(SMALL(x).bands[0]),
    "denoised_phase": lambda x: phasenet.denoised_phase(x)[0],
    "windows' gradient": lambda x: OPS.phase_difference_windows_backward(
        [torch.ones(3, 2, 12, 13, dtype=torch.float64)], x, 1, 3, 2, [1], "full", "valid"
    ),
}


def with_duals(function, requires_grad, mapped):
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(FRAMES.clone().requires_grad_(requires_grad), FRAMES)
        return vmap(function)(dual[None]) if mapped else function(dual)


ROUTES = {
    "duals": lambda f: with_duals(f, False, False),
    "duals with a gradient": lambda f: with_duals(f, True, False),
    "vmap of duals": lambda f: with_duals(f, False, True),
    "jvp": lambda f: jvp(f, (FRAMES,), (FRAMES,)),
    "jacfwd": lambda f: jacfwd(f)(FRAMES),
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("name", PHASES)
def test_phases_are_refused(name, route):
    with pytest.raises(NotImplementedError, match="no forward-mode derivative; use") as raised:
        ROUTES[route](PHASES[name])
    assert "\n" not in str(raised.value)


def batched_grads(function):
    frames = FRAMES.clone().requires_grad_()
    result = function(frames)
    return torch.autograd.grad(result, frames, torch.ones_like(result)[None], is_grads_batched=True)


VECTORIZED = {
    "backward": lambda f: jacobian(f, FRAMES, vectorize=True),
    "forward": lambda f: jacobian(f, FRAMES, strategy="forward-mode", vectorize=True),
    "grad": batched_grads,
}


@pytest.mark.parametrize(
    "name", ["pyramid", "adjoint", "inverse", "inverse's adjoint", "windows", "clip"]
)
@pytest.mark.parametrize("route", VECTORIZED)
def test_the_older_vmap_is_refused(name, route):
    """By torch.func the same derivatives are right: see the tests above and test_torch_func.py."""
    function = PHASES.get(name) or LINEAR[name]

    def first(x):
        result = function(x)
        return result if isinstance(result, torch.Tensor) else result[0]

    message = r"^phasenet::\w+ (takes no vectorize=True and .*|has no forward-mode derivative); use"
    with pytest.raises(NotImplementedError, match=message) as raised:
        VECTORIZED[route](first)
    assert "\n" not in str(raised.value)
