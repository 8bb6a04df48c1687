"""The pictures: what lies where, in which colour."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from phasenet import SteerablePyramid, phase_difference, viz


def test_signed_values():
    picture = viz.colour_signed(torch.tensor([-9.0, -1.0, 0.0, 1.0, torch.nan]), limit=1.0)
    assert picture.dtype == np.uint8
    assert (picture[0] == picture[1]).all()
    assert picture[1, 2] > picture[1, 0]  # blue
    assert picture[3, 0] > picture[3, 2]  # orange
    assert tuple(picture[2]) == tuple(picture[4]) == viz.DARK
    assert viz.colour_signed(torch.zeros(0, 3)).shape == (0, 3, 3)


def test_phases_go_round_the_wheel():
    turns = torch.linspace(-torch.pi, torch.pi, 100)
    colours = viz.colour_phase(torch.polar(torch.ones(100), turns)).astype(int)
    assert (colours[0] == colours[-1]).all()
    assert np.abs(np.diff(colours, axis=0)).max() < 12  # no seam
    brightness = viz.colour_phase(torch.polar(torch.linspace(0, 1, 9), torch.ones(9))).sum(-1)
    assert (np.diff(brightness.astype(int)) > 0).all()
    wheel = viz.phase_wheel(65)
    assert (wheel[0, 0] == 255).all()
    right, top = wheel[32, 64], wheel[0, 32]
    assert (right == viz.colour_phase(np.array(1 + 0j))).all()
    assert (top == viz.colour_phase(np.array(1j))).all()


def test_a_tiled_pyramid_has_its_parts():
    image = torch.rand(40, 56)
    coeffs = SteerablePyramid(4, 3)(image)
    picture = viz.tile_pyramid(coeffs, gap=2)
    assert picture.shape == (2 + 40 + 2 + 40 + 2 + 20 + 2, 2 + 3 * 58, 3)
    # NumPy's magnitudes, as torch's may differ in their last bits, and a byte with them.
    limits = [float(np.percentile(np.abs(x), 98)) for x in (coeffs.highpass, coeffs.bands[0])]
    assert (picture[2:42, 2:58] == viz.colour_signed(coeffs.highpass, limits[0])).all()
    assert (picture[44:84, 60:116] == viz.colour_phase(coeffs.bands[0], limits[1])[1]).all()
    with pytest.raises(ValueError, match=r"coeffs: .* one image, highpass and"):
        viz.tile_pyramid(SteerablePyramid(4, 3)(image[None]))


def test_a_few_strong_edges_leave_a_tiled_pyramid_bright():
    image = 0.5 + 0.01 * torch.randn(128, 128)
    image[10:14, 10:14] = 50.0
    coeffs = SteerablePyramid(4, 2)(image)
    dark = viz.colour_phase(coeffs.bands[0][0])[64:, 64:].mean()
    assert viz.tile_pyramid(coeffs, gap=0)[128 + 64 : 256, 64:128].mean() > 4 * dark
    black = SteerablePyramid(4, 2)(torch.zeros(16, 16))
    assert (viz.tile_pyramid(black, gap=0)[16:32] == 0).all()


def test_a_film_strip_has_a_row_for_each_band():
    window = phase_difference(torch.rand(6, 16, 20))[0]
    picture = viz.film_strip(window, limit=0.5, gap=1)
    assert picture.shape == (2 * 17 + 1, 5 * 21 + 1, 3)
    assert (picture[18:34, 43:63] == viz.colour_signed(window[1, 2], 0.5)).all()
    with pytest.raises(ValueError, match=r"window: expected shape \[nbands, P, h, w\]"):
        viz.film_strip(window[0])


def test_arrows_point_where_things_move():
    frame, motion = torch.full((24, 24), 0.2), torch.zeros(2, 24, 24)
    motion[0] = 0.5  # to the right
    picture = viz.draw_motion(frame, motion, scale=10, step=24, enlarge=4)
    assert picture.shape == (96, 96, 3)
    drawn = np.argwhere(picture[..., 0].astype(int) - picture[..., 2] > 60)
    (top, left), (bottom, right) = drawn.min(0), drawn.max(0)
    assert abs(left - 48) <= 2
    assert abs(right - 68) <= 3  # 0.5 pixels x 10 x 4, and the head
    assert bottom - top < 8
    with pytest.raises(ValueError, match=r"motion: expected shape \[2, H, W\]"):
        viz.draw_motion(frame, motion[:, :5])


def test_no_arrow_where_motion_is_not_known():
    motion, weight = torch.ones(2, 24, 24), torch.ones(24, 24)
    motion[:, :, 4:8] = 100.0
    weight[:, 4:8], weight[:, 8:16] = 0.0, 0.05
    arrows = viz.motion_arrows(motion, weight, scale=1, step=8)
    assert sorted(set(arrows[:, 0, 0])) == [4, 20]  # not the cells in the middle
    np.testing.assert_allclose(arrows[:, 1] - arrows[:, 0], 1)  # of what has weight
    assert len(viz.motion_arrows(motion, weight, step=8, least_weight=0)) == 9
    assert len(viz.motion_arrows(motion, torch.full((24, 24), torch.nan))) == 0
    frame = torch.full((24, 24), 0.2)
    assert np.ptp(viz.draw_motion(frame, motion, torch.zeros(24, 24))) == 0
    with pytest.raises(ValueError, match=r"weight: expected shape \[H, W\] for motion"):
        viz.draw_motion(frame, motion, weight[:5])


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: viz.colour_signed(torch.ones(2), -1.0), ValueError, "limit: expected a positive"),
        (lambda: viz.colour_phase(torch.ones(2)), TypeError, "coefficients: expected complex"),
        (lambda: viz.grey(torch.ones(2) * 1j), TypeError, "values: expected real"),
        (lambda: viz.tile([[]]), ValueError, "rows: expected at least one"),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_saved_pictures_are_read_back(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    viz.save(tmp_path / "a.png", picture)
    assert (cv2.imread(str(tmp_path / "a.png"))[..., ::-1] == picture).all()
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    with pytest.raises(OSError, match=r"expected a suffix such as \.png"):
        viz.save(tmp_path / "a.what", picture)


def test_opencv_is_asked_for_only_where_needed():
    code = (
        "import sys; sys.modules['cv2'] = None; sys.modules['matplotlib'] = None\n"
        "import torch, phasenet; from phasenet import viz\n"
        "viz.tile_pyramid(phasenet.SteerablePyramid()(torch.rand(20, 20)))\n"
        "try: viz.save('x.png', viz.phase_wheel(9))\n"
        "except ImportError as error: print(error)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == (
        "phasenet.viz: OpenCV is not installed; pip install opencv-python"
    ), result.stderr


@pytest.mark.parametrize("size", [(0, 5), (6, 9)])
def test_steps_beyond_the_frame_leave_no_arrow(size):
    assert viz.motion_arrows(torch.ones(2, *size), step=2**31).shape == (0, 2, 2)
