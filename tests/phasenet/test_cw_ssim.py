"""CW-SSIM against its formula, and what it forgives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from benchmarks.moved_pictures import KINDS, MovingPicture
from phasenet import SteerablePyramid, cw_ssim, cw_ssim_loss


def by_formula(a, b, height, nbands, levels, window, k):
    """Window after window, as it is written."""
    found = []
    pyramid = SteerablePyramid(height, nbands, downsample=False)
    for level in levels:
        step = 2 ** (level - 1)
        # Those of all sides, thinned: the magnitudes are those of the picture's waves.
        c, d = (pyramid(x).bands[level - 1][:, ::step, ::step] for x in (a, b))
        n, h, w = c.shape
        high, wide = min(window, h), min(window, w)
        values = []
        for band in range(n):
            for y in range(h - high + 1):
                for x in range(w - wide + 1):
                    p = c[band, y : y + high, x : x + wide]
                    q = d[band, y : y + high, x : x + wide]
                    power = p.abs().square().mean() + q.abs().square().mean()
                    values.append((2 * (p * q.conj()).mean().abs() + k) / (power + k))
        found.append(torch.stack(values).mean())
    return torch.stack(found).mean()


@pytest.mark.parametrize(
    ("size", "height", "nbands", "levels", "window"),
    [((16, 24), 4, 3, None, 7), ((32, 16), 5, 2, (3, 1), 5), ((8, 8), 3, 1, None, 9)],
)
def test_is_the_formula(size, height, nbands, levels, window):
    a, b = torch.rand(2, *size, dtype=torch.float64)
    got = cw_ssim(a, b, height=height, nbands=nbands, levels=levels, window=window, k=1e-3)
    named = levels or range(1, height - 1)
    want = by_formula(a, b, height, nbands, named, window, 1e-3)
    assert float(got) == pytest.approx(float(want), rel=1e-12)
    single = cw_ssim(
        a.float(), b.float(), height=height, nbands=nbands, levels=levels, window=window, k=1e-3
    )
    assert single.dtype == torch.float32
    # Of the power in a window, whatever the share of it that both have in common.
    assert float(single) == pytest.approx(float(want), abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_forgives_small_shifts_and_light(kind):
    picture = MovingPicture(kind, (96, 120), seed=1)
    still = picture.at(0)
    assert float(cw_ssim(still, picture.at(0.5))) > 0.99
    assert float(cw_ssim(still, picture.at(0.7, 0.7))) > 0.97
    assert float(cw_ssim(still, still + 0.2)) > 1 - 1e-9  # brighter
    assert float(cw_ssim(still, 1.2 * still)) > 0.98  # of more contrast
    assert float(cw_ssim(still, 1.2 * still)) < float(cw_ssim(still, 1.1 * still)) < 0.999


@pytest.mark.parametrize("kind", ["crisp", "fractal"])
def test_tells_what_is_another_picture(kind):
    picture = MovingPicture(kind, (96, 120), seed=1)
    still, other = picture.at(0), MovingPicture(kind, (96, 120), seed=2).at(0)
    moved = picture.at(1)
    assert float(cw_ssim(still, other)) < 0.55 < 0.95 < float(cw_ssim(still, moved))
    noisy = still + (moved - still).std() * torch.randn_like(still)  # as far from it in squares
    assert float(cw_ssim(still, noisy)) < float(cw_ssim(still, moved)) - 0.02


def test_equal_and_flat_pictures():
    a = torch.rand(3, 2, 33, 47)
    torch.testing.assert_close(cw_ssim(a, a), torch.ones(3, 2))
    assert abs(float(cw_ssim_loss(a, a))) < 1e-6
    assert torch.equal(cw_ssim(0 * a, 0 * a), torch.ones(3, 2))
    assert cw_ssim(a[:0], a[:0]).shape == (0, 2)
    bytes_ = (255 * a).round().to(torch.uint8)
    torch.testing.assert_close(
        cw_ssim(bytes_, bytes_.flip(-1)), cw_ssim(a, a.flip(-1)), atol=1e-2, rtol=0
    )
    b = torch.rand_like(a)
    torch.testing.assert_close(cw_ssim(a, b), cw_ssim(b, a))
    assert float(cw_ssim_loss(a, b)) == pytest.approx(1 - float(cw_ssim(a, b).mean()))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32, np.float64])
def test_pictures_of_cameras_and_libraries(dtype):
    """In their full scale, and 12 bits where they are told."""
    a, b = np.random.default_rng().random((2, 33, 40))
    integer = np.issubdtype(dtype, np.integer)
    for full_scale in (None, 100.0) if dtype == np.uint8 else (None, 4095.0):
        most = full_scale or (np.iinfo(dtype).max if integer else 1.0)
        given = [(most * x).round().astype(dtype) if integer else (most * x).astype(dtype)
                 for x in (a, b)]  # fmt: skip
        # What rounding to 100 steps changes is another matter, by 2e-3 in a draw of a thousand.
        want = float(cw_ssim(*(torch.from_numpy(x.astype(np.float64) / most) for x in given)))
        for pair in (given, [torch.from_numpy(x) for x in given]):
            got = cw_ssim(*pair, full_scale=full_scale)
            assert got.dtype == (torch.float64 if dtype == np.float64 else torch.float32)
            assert float(got) == pytest.approx(want, abs=1e-5)
            loss = cw_ssim_loss(*pair, full_scale=full_scale)
            assert float(loss) == pytest.approx(1 - float(got), abs=1e-6)


def test_gradients():
    a, b = torch.rand(2, 9, 12, dtype=torch.float64, requires_grad=True).unbind(0)
    options = {"height": 3, "nbands": 2, "window": 3}
    assert gradcheck(lambda a, b: cw_ssim_loss(a, b, **options), (a, b))
    flat = torch.zeros(16, 16, requires_grad=True)
    cw_ssim_loss(flat, torch.rand(16, 16)).backward()
    assert bool(flat.grad.isfinite().all())


def test_a_picture_is_found_again():
    """As a loss it moves a picture's noise away."""
    picture = MovingPicture("crisp", (32, 32), seed=4).at(0)
    found = (picture + 0.1 * torch.randn_like(picture)).requires_grad_()
    before = cw_ssim_loss(found, picture).item()
    optimizer = torch.optim.Adam([found], lr=0.01)
    for _ in range(30):  # to a tenth, give or take a fifth of it
        optimizer.zero_grad()
        loss = cw_ssim_loss(found, picture)
        loss.backward()
        optimizer.step()
    assert loss.item() < before / 2


@pytest.mark.parametrize(
    ("a", "b", "options", "error", "message"),
    [
        (torch.rand(16, 16), torch.rand(16, 17), {}, ValueError, r"b: expected shape \[16, 16\]"),
        (torch.rand(16, 16), torch.rand(16, 16).double(), {}, TypeError, "b: expected dtype"),
        (torch.rand(16), torch.rand(16), {}, ValueError, r"a: expected shape \[..., H, W\]"),
        (None, torch.rand(16, 16), {}, TypeError, "a: expected a torch.Tensor"),
        (np.zeros((16, 16), np.int64), torch.rand(16, 16), {}, TypeError, "a: expected dtype"),
        (np.array(["a"]), torch.rand(16, 16), {}, TypeError, "a: expected an array of uint8"),
        (torch.rand(16, 16), np.zeros((16, 16)), {}, TypeError, "b: expected dtype torch.float32"),
        (torch.rand(16, 16), torch.rand(16, 16), {"full_scale": 0}, ValueError, "full_scale: exp"),
        (torch.rand(16, 16), None, {}, TypeError, "b: expected a torch.Tensor"),
        (torch.rand(8, 8), torch.rand(8, 8), {}, ValueError, "height: expected at most 4"),
        (torch.rand(16, 16), torch.rand(16, 16), {"k": 0}, ValueError, "k: expected .* above 0"),
        (torch.rand(16, 16), torch.rand(16, 16), {"window": 0}, ValueError, "window: expected"),
        (torch.rand(16, 16), torch.rand(16, 16), {"levels": []}, ValueError, "levels: expected"),
    ],
)
def test_refuses(a, b, options, error, message):
    with pytest.raises(error, match=message):
        cw_ssim(a, b, **options)
