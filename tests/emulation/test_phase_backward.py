"""The gradient of phase differences by the CUDA sources."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from support.phase_cases import CASES
from support.textures import clashing_waves, moving_texture

import phasenet


def gradients(emulated, frames, num_phase, height, nbands, levels, unwrap, boundary):
    """Ours, and the CPU operator's in float64, for the same random gradient of the windows."""
    options = (num_phase, height, nbands, list(levels), unwrap, boundary)
    exact = frames.double().clone().requires_grad_()
    planes = phasenet.phase_difference_windows(
        exact, num_phase, height=height, nbands=nbands, levels=levels, unwrap=unwrap,
        boundary=boundary,
    )  # fmt: skip
    grads = [torch.randn_like(p) for p in planes]
    (expected,) = torch.autograd.grad(planes, exact, grads)
    given = [g.to(frames.dtype).numpy() for g in grads]
    got = emulated.phase_difference_windows_backward(given, frames.numpy(), *options)
    return torch.from_numpy(got), expected


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize(
    ("unwrap", "boundary"), [("full", "replicate"), ("published", "valid")], ids=["full", "valid"]
)
def test_gradients_match_the_cpu_operator(emulated, case, unwrap, boundary):
    size, length, num_phase, height, nbands, levels = case
    frames = torch.rand(2, length, *size, dtype=torch.float64)
    got, expected = gradients(emulated, frames, num_phase, height, nbands, levels, unwrap, boundary)
    assert got.shape == frames.shape
    assert (got - expected).norm() / expected.norm() < 1e-11


@pytest.mark.slow
@pytest.mark.parametrize("unwrap", ["full", "published"])
def test_nothing_comes_back_through_the_clamp(emulated, unwrap):
    frames = clashing_waves(50, 16, 20)
    options = (48, 4, 2, (1, 2), unwrap, "valid")
    planes = phasenet.phase_difference_windows(frames, 48, unwrap=unwrap, boundary="valid")
    assert sum(int((p.abs() == 5 * math.pi).sum()) for p in planes) > 0
    got, expected = gradients(emulated, frames, *options)
    assert (got - expected).norm() / expected.norm() < 1e-9  # the dark halves divide by little


@pytest.mark.parametrize(
    ("size", "num_phase", "unwrap", "boundary"),
    [
        pytest.param((48, 48), 6, "full", "replicate", marks=pytest.mark.slow),
        pytest.param((24, 24), 12, "full", "replicate", marks=pytest.mark.slow),
        pytest.param((17, 23), 5, "published", "valid", marks=pytest.mark.slow),
        ((9, 11), 3, "published", "replicate"),
        ((5, 31), 1, "full", "valid"),
    ],
)
def test_planes_walked_along(emulated, size, num_phase, unwrap, boundary):
    """In single precision, with the same bits however frames are shared out."""
    # Smooth motion: no phase lies so near a jump that rounding decides.
    frames = torch.stack(
        [moving_texture(7, size, motion, seed=i) for i, motion in enumerate([(0.3, -0.4), (1, 0)])]
    ).float()
    options = (num_phase, 4 if min(size) > 8 else 3, 2, (1, 2) if min(size) > 8 else (1,))
    results = []
    for multiprocessors in (132, 1):
        emulated.configure(multiprocessors=multiprocessors)
        torch.manual_seed(0)
        got, expected = gradients(emulated, frames, *options, unwrap, boundary)
        assert got.dtype == torch.float32
        # Planes on tensor cores are less exact where they are faint, and there gradients are large.
        bar = 5e-5 if size == (48, 48) else 1e-5
        assert (got - expected).norm() / expected.norm() < 1e-5
        for ours, right in zip(got.flatten(0, 1), expected.flatten(0, 1), strict=True):
            assert (ours - right).norm() / right.norm() < bar
        results.append(got)
    assert torch.equal(*results)


@pytest.mark.parametrize("unwrap", ["full", pytest.param("published", marks=pytest.mark.slow)])
@pytest.mark.parametrize("what", ["noise", pytest.param("clamped", marks=pytest.mark.slow)])
def test_walks_and_tiles_agree(emulated, what, unwrap):
    """Where phases of many pixels wrap, and where differences are clamped; planes are the same."""
    if what == "noise":
        frames, options = torch.rand(2, 5, 9, 13), (7, 3, 3, (1,), unwrap, "replicate")
    else:
        frames, options = clashing_waves(30, 16, 20).float(), (24, 4, 2, (1,), unwrap, "valid")
    results = []
    for shared_limit in (227, 48):  # KB; the less is too little for a walk
        emulated.configure(shared_limit=shared_limit << 10, multiprocessors=3)
        torch.manual_seed(0)
        got, _ = gradients(emulated, frames, *options)
        results.append(got.double())
    assert not torch.equal(*results)
    assert (results[0] - results[1]).norm() / results[1].norm() < 1e-5


def test_one_difference_of_squares(emulated):
    """On tensor cores."""
    # A texture that is faint nowhere, where an amplitude's rounding is most of it: then gradients
    # of that place alone, the worst there are, are off by 5e-6. By chance others are nearly that.
    frames = moving_texture(2, (48, 48), (0.3, -0.4), seed=8).float()
    got, expected = gradients(emulated, frames, 1, 4, 2, (1, 2), "full", "valid")
    assert (got - expected).norm() / expected.norm() < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("what", ["noise", "clamped"])
def test_squares_on_tensor_cores_and_walks_agree(emulated, what):
    """Others than sm_90 walk along single columns; planes are the same."""
    if what == "noise":  # of three videos: the smaller level's planes do not fill two squares
        frames, num_phase = torch.rand(3, 5, 48, 48), 3
        options = {"unwrap": "published", "boundary": "valid"}
    else:
        frames, num_phase = clashing_waves(14, 48, 48, frequency=1.7, speed=1.6).float(), 12
        options = {"unwrap": "full", "boundary": "replicate"}
        planes = phasenet.phase_difference_windows(frames, num_phase, **options)
        assert sum(int((p.abs() == np.float32(5 * math.pi)).sum()) for p in planes) > 0
    results = []
    for architecture in (90, 80):
        emulated.configure(architecture=architecture)
        torch.manual_seed(0)
        got, _ = gradients(emulated, frames, num_phase, 4, 2, (1, 2), **options)
        results.append(got.double())
    assert not torch.equal(*results)
    assert (results[0] - results[1]).norm() / results[1].norm() < 1e-5


@pytest.mark.parametrize(
    "size", [(24, 24), *(pytest.param(n, marks=pytest.mark.slow) for n in [(48, 48), (40, 70)])]
)
def test_every_order_of_threads_gives_the_same_bits(emulated, size):
    frames = torch.rand(2, 4, *size)
    grads = [p.numpy() for p in phasenet.phase_difference_windows(frames, 3)]
    results = []
    for order in ("forward", "backward", "shuffled"):
        emulated.configure(order=order, seed=5)
        results.append(
            emulated.phase_difference_windows_backward(
                grads, frames.numpy(), 3, 4, 2, [1, 2], "full", "replicate"
            )
        )
    assert (results[0] == results[1]).all()
    assert (results[0] == results[2]).all()


def test_flat_frames_have_no_gradient(emulated):
    frames = np.zeros((4, 16, 16), np.float32)
    grads = [np.ones((4, 4, 16, 16), np.float32)]
    got = emulated.phase_difference_windows_backward(
        grads, frames, 2, 4, 2, [1], "full", "replicate"
    )
    assert (got == 0).all()


@pytest.mark.parametrize("shape", [(0, 3, 16, 16), (2, 0, 16, 16)])
def test_nothing_gives_nothing(emulated, shape):
    grads = [np.zeros((*shape[:2], 4, 16, 16), np.float32)]
    got = emulated.phase_difference_windows_backward(
        grads, np.zeros(shape, np.float32), 2, 4, 2, [1], "full", "replicate"
    )
    assert got.shape == shape


def test_gradients_of_another_shape_are_refused(emulated):
    grads = [np.zeros((4, 4, 16, 15), np.float32)]
    with pytest.raises(RuntimeError, match="grads: expected the shapes and dtype"):
        emulated.phase_difference_windows_backward(
            grads, np.zeros((4, 16, 16), np.float32), 2, 4, 2, [1], "full", "replicate"
        )
