"""Motion of several pixels, by warping from coarse to fine, and what its weight says."""

from __future__ import annotations

import math

import cv2
import pytest
import torch
from support.textures import moving_texture
from torch.autograd import gradcheck

from benchmarks.moved_pictures import KINDS, MovingPicture
from phasenet import local_motion, runs
from phasenet.coarse_to_fine import _doubted
from phasenet.warping import warped

MARGIN = 16


def root_mean_square(motion: torch.Tensor, expected: torch.Tensor) -> float:
    """Of what motion ``[2, H, W]`` is off by, away from the borders."""
    off = (motion.double() - expected)[..., MARGIN:-MARGIN, MARGIN:-MARGIN]
    return float(off.square().sum(-3).mean().sqrt())


def by_dis(frames: torch.Tensor) -> torch.Tensor:
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return torch.from_numpy(flow.calc(*(x.numpy() for x in frames), None)).permute(2, 0, 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pixels", [1.5, 3.0, 8.0])
def test_motions_of_pixels_in_grey_levels(kind, pixels):
    """Nearer than OpenCV's dense inverse search over three pictures; one look loses them."""
    errors = []
    for seed in range(3):
        picture = MovingPicture(kind, (128, 144), seed=seed + int(2 * pixels))
        x, y = pixels * math.cos(2.4 * seed - 0.6), pixels * math.sin(2.4 * seed - 0.6)
        frames = torch.stack([picture.at(0.0), picture.at(x, y)])
        frames = (255 * frames).round().clamp(0, 255).byte()
        expected = torch.tensor([x, y], dtype=torch.float64)[:, None, None]
        found = local_motion(frames, largest=8)[0], by_dis(frames), local_motion(frames)[0]
        errors.append([root_mean_square(motion, expected) for motion in found])
    ours, dis, one_look = torch.tensor(errors).mean(0).tolist()
    assert ours < min(0.06, dis)
    assert ours < 0.5 * one_look


@pytest.mark.parametrize("shift", [(0.0, 0.7), (-0.5, 0.5)])
def test_below_a_pixel_without_coarse_structure(shift):
    """The mirrored borders of small pictures have some, which does not move: 0.02 pixels once."""
    expected = torch.tensor([shift[1], shift[0]], dtype=torch.float64)[:, None, None]
    for size, seed in (((56, 64), 11), ((56, 64), 12), ((75, 101), 11)):
        frames = moving_texture(2, size, shift, seed=seed, smoothness=0.0)
        errors = [root_mean_square(local_motion(frames, largest=x)[0], expected) for x in (8, None)]
        assert errors[0] < errors[1] + 0.003


def test_what_has_no_fine_structure_is_seen_on_coarse_scales():
    picture = MovingPicture("soft", (128, 144), seed=7)
    frames = torch.stack([picture.at(0.0), picture.at(0.4, 0.3)])
    frames = (255 * frames).round().byte()
    expected = torch.tensor([0.4, 0.3], dtype=torch.float64)[:, None, None]
    assert root_mean_square(local_motion(frames, largest=8)[0], expected) < 0.03
    assert root_mean_square(local_motion(frames)[0], expected) > 0.05


@pytest.mark.parametrize("shift", [(0.0, 0.1), (0.25, -0.4), (0.01, -0.01), (0.0, 0.7)])
@pytest.mark.parametrize("largest", [1, 8])
def test_below_a_pixel_as_one_look(shift, largest):
    frames = moving_texture(2, (75, 101), shift, seed=3)
    expected = torch.tensor([shift[1], shift[0]], dtype=torch.float64)[:, None, None]
    for dtype in (torch.float64, torch.float32):
        motion = local_motion(frames.to(dtype), largest=largest)
        assert motion.dtype == dtype
        assert root_mean_square(motion[0], expected) < 0.02 * math.hypot(*shift)


def test_the_weight_tells_what_is_known():
    texture = moving_texture(2, (96, 96), (1.2, -2.3))
    position = torch.arange(96, dtype=torch.float64)
    edges = torch.stack([torch.cos(position - 0.2 * t) for t in range(2)])[:, None, :]
    parts = {
        "texture": texture,
        "along edges": 0.5 + 0.4 * edges.expand(2, 96, 96),
        "noise": torch.rand(2, 96, 96, dtype=torch.float64),
        "almost flat": 0.5 + 1e-3 * torch.randn(2, 96, 96, dtype=torch.float64),
        "flat": torch.full((2, 96, 96), 0.5, dtype=torch.float64),
    }
    for name, frames in parts.items():
        motion, weight = local_motion(frames, largest=4, return_weight=True)
        assert torch.equal(motion, local_motion(frames, largest=4))
        assert weight.shape == (1, 96, 96)
        assert 0 <= float(weight.min()) <= float(weight.max()) <= 1
        middle = weight[..., MARGIN:-MARGIN, MARGIN:-MARGIN]
        if name == "texture":
            assert float(middle.mean()) > 0.9
        else:
            assert float(middle.mean()) < 0.1, name
    assert torch.equal(motion, torch.zeros_like(motion))


def test_what_leaves_the_frame_has_no_weight():
    frames = moving_texture(2, (96, 96), (0.0, 3.0))
    motion, weight = local_motion(frames, largest=4, return_weight=True)
    assert float(motion[0, 0, 20:-20, -40:-20].mean()) == pytest.approx(3, abs=0.05)
    assert float(weight[0, 20:-20, -2:].max()) == 0
    assert float(weight[0, 20:-20, 20:-20].mean()) > 0.5


@pytest.mark.parametrize("size", [(40, 31), (37, 53), (33, 40)])
@pytest.mark.parametrize("largest", [None, 1, 8])
def test_equal_frames_do_not_move(size, largest):
    still = torch.rand(1, *size).expand(3, *size)
    assert torch.count_nonzero(local_motion(still, largest=largest)) == 0


def test_batches_dtypes_and_nan():
    frames = torch.randint(0, 256, (2, 4, 33, 40), dtype=torch.uint8)
    motion, weight = local_motion(frames, largest=2, return_weight=True)
    assert motion.shape == (2, 3, 2, 33, 40)
    assert weight.shape == (2, 3, 33, 40)
    assert motion.dtype == weight.dtype == torch.float32
    torch.testing.assert_close(motion[1], local_motion(frames[1], largest=2), rtol=0, atol=1e-4)
    told = local_motion(frames[0] / 255, largest=2, noise=1 / (255 * 12**0.5))
    torch.testing.assert_close(told, motion[0], rtol=0, atol=1e-4)
    assert local_motion(frames[:0], largest=2).shape == (0, 3, 2, 33, 40)
    assert local_motion((frames / 255).half(), largest=2).dtype == torch.float32
    broken = frames[0].double() / 255
    broken[3, 5, 5] = math.nan
    motion = local_motion(broken, largest=2)
    assert motion.isfinite().flatten(1).all(1).tolist() == [True, True, False]


@pytest.mark.parametrize("size", [(4, 4), (4, 9), (7, 5), (8, 8), (16, 33)])
@pytest.mark.parametrize("levels", [(1, 2), (2,), (1,)])
def test_any_size(size, levels):
    """As many scales as there are."""
    motion, weight = local_motion(
        torch.rand(3, *size), largest=100, levels=levels, return_weight=True
    )
    assert motion.shape == (2, 2, *size)
    assert motion.isfinite().all()
    assert weight.isfinite().all()


@pytest.mark.parametrize("scale", [1e-15, 1e-4, 1e15])
def test_frames_of_any_scale(scale):
    frames = scale * moving_texture(2, (48, 48), (0.5, 1.5)).float()
    motion, weight = local_motion(frames, largest=2, return_weight=True)
    assert motion.isfinite().all()
    assert weight.isfinite().all()


def test_runs_of_frames_change_nothing(monkeypatch):
    frames = torch.rand(2, 5, 24, 20, dtype=torch.float64)
    whole = local_motion(frames, largest=4)
    monkeypatch.setattr(runs, "_PIXELS", 1)
    torch.testing.assert_close(local_motion(frames, largest=4), whole, rtol=1e-9, atol=1e-9)


def test_vmap_is_each():
    frames = torch.rand(2, 4, 20, 24, dtype=torch.float64)
    got = torch.func.vmap(lambda x: local_motion(x, largest=2))(frames)
    torch.testing.assert_close(got, local_motion(frames, largest=2), rtol=1e-9, atol=1e-9)


@pytest.mark.slow
def test_gradients_are_those_of_differences():
    torch.manual_seed(0)
    frames = moving_texture(2, (8, 9), (0.1, 0.2)).requires_grad_()
    assert gradcheck(
        lambda x: local_motion(x, height=3, levels=(1,), largest=2, return_weight=True),
        frames, eps=1e-7, atol=1e-3, rtol=1e-2, fast_mode=True,
    )  # fmt: skip


def test_gradients_are_finite():
    frames = torch.rand(2, 24, 20, requires_grad=True)
    for given in (frames, 0 * frames):
        motion, weight = local_motion(given, largest=2, return_weight=True)
        (grad,) = torch.autograd.grad(motion.square().sum() + weight.sum(), frames)
        assert grad.isfinite().all()


@pytest.mark.parametrize(("wavelength", "bound"), [(4.0, 0.002), (2.7, 0.006)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_warped_waves(wavelength, bound, dtype):
    """How far off they are, in pixels; and whole pixels are exact."""
    k = 2 * math.pi / wavelength
    x = torch.arange(120, dtype=torch.float64)
    wave = torch.cos(k * x).expand(30, 120)[None].to(dtype)
    motion = torch.zeros(1, 2, 30, 120, dtype=dtype)
    for pixels in (0.1, -0.3, 0.45, 2.2):
        motion[:, 0] = pixels
        got = warped(wave, motion)[0, 15, 30:90].double()
        expected = torch.cos(k * (x + pixels))[30:90]
        turned = -torch.sin(k * (x + pixels))[30:90]
        assert abs(float((got - expected) @ turned / turned.square().sum()) / k) < bound
    motion[:, 0], motion[:, 1] = 2, -3
    noise = torch.rand(1, 30, 120, dtype=dtype)
    torch.testing.assert_close(warped(noise, motion)[:, 3:, :-2], noise[:, :-3, 2:])
    assert torch.equal(warped(noise, torch.zeros_like(motion)), noise)


def test_doubt_is_added_to_the_covariance():
    root = torch.randn(5, 2, 2, dtype=torch.float64)
    matrix, doubt = root @ root.mT, torch.rand(5, dtype=torch.float64)
    expected = (matrix.inverse() + doubt[:, None, None] * torch.eye(2)).inverse()
    known = torch.stack([matrix[:, 0, 0], matrix[:, 0, 1], matrix[:, 1, 1]])[:, None]
    got = _doubted(known, doubt[None])[:, 0]
    want = torch.stack([expected[:, 0, 0], expected[:, 0, 1], expected[:, 1, 1]])
    torch.testing.assert_close(got, want)
