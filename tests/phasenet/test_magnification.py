"""Magnified motion against pictures that were moved so far in truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import phasenet
from benchmarks.moved_pictures import KINDS, MovingPicture, psnr
from phasenet import (
    MotionMagnifier,
    fir_magnification,
    magnification,
    magnify_frames,
    magnify_motion,
    reference,
)
from phasenet.temporal_filters import fir_reach

FPS = 30.0


def swing(length: int, hertz: float, pixels: float) -> torch.Tensor:
    time = torch.arange(length, dtype=torch.float64) / FPS
    return pixels * torch.sin(2 * math.pi * hertz * time)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("factor", "pixels", "finest"), [(5, 0.05, 4), (20, 0.1, 12), (10, 0.3, 12)]
)
def test_motion_is_magnified_by_the_factor(kind, factor, pixels, finest):
    """Up to a quarter of the wavelength of the finest detail, within 5 %."""
    picture = MovingPicture(kind, (160, 200), seed=factor, finest=finest)
    frames = picture.film(torch.tensor([0.0, pixels, -pixels]))
    moved = magnify_motion(frames.float(), factor, fps=FPS, low=0, high=FPS / 2)
    for frame, sign in ((1, 1), (2, -1)):
        x = picture.place(moved[frame], sign * factor * pixels)
        assert x / pixels == pytest.approx(sign * factor, rel=0.05)
    torch.testing.assert_close(moved[0].double(), frames[0], rtol=0, atol=2e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_narrow_filters_are_nearer_to_the_truth_than_octaves(kind):
    picture = MovingPicture(kind, (160, 200), seed=10, finest=12)
    frames, truth = picture.film(torch.tensor([0.0, 0.3])), picture.at(3.0)
    options = {"fps": FPS, "low": 0, "high": FPS / 2}
    narrow = magnify_motion(frames, 10, **options)[1]
    for nbands in (4, 8):
        octaves = magnify_motion(frames, 10, nbands=nbands, bands_per_octave=1, **options)[1]
        assert psnr(narrow, truth) > psnr(octaves, truth) + 1.5
    assert psnr(narrow, truth) > psnr(frames[1], truth) + 15


@pytest.mark.parametrize("temporal", ["fir", "iir"])
def test_only_motion_of_the_band_changes(temporal):
    picture = MovingPicture("crisp", (64, 80), seed=1, finest=6)
    band = {"fps": FPS, "low": 2, "high": 6, "temporal": temporal}
    inside, slow = swing(120, math.sqrt(12), 0.1), swing(140, 0.3, 0.1)
    moved = magnify_motion(picture.film(inside), 10, **band)
    at = int(inside[45:75].argmax()) + 45
    assert picture.place(moved[at], 1.0) / inside[at] == pytest.approx(10, rel=0.05)
    beside = magnify_motion(picture.film(slow), 10, **band)
    at = int(slow[100:].argmax()) + 100  # long after the beginning, which has all frequencies
    assert picture.place(beside[at], 0.1) / slow[at] == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("temporal", ["fir", "iir"])
def test_motion_is_taken_away(temporal):
    """That of the band by a factor of 0, that beside it by `attenuate`: at least nine tenths."""
    picture = MovingPicture("crisp", (40, 48), seed=2, finest=6)
    options = {"fps": FPS, "low": 2, "high": 6, "temporal": temporal}
    inside, slow = swing(120, math.sqrt(12), 0.2), swing(60, 0.3, 0.2)
    without = magnify_motion(picture.film(inside), 0, **options)
    at = int(inside[45:75].argmax()) + 45
    assert abs(picture.place(without[at], 0.0)) < 0.1 * inside[at]
    still = magnify_motion(picture.film(slow), 1, attenuate=True, **options)
    at = int(slow.argmax())
    assert abs(picture.place(still[at], 0.0)) < 0.1 * slow[at]


def test_frames_one_by_one_are_those_of_the_film():
    frames = torch.randint(0, 256, (5, 2, 3, 20, 27), dtype=torch.uint8)
    options = {"fps": FPS, "low": 1, "high": 5, "color": True, "nbands": 3}
    magnifier = MotionMagnifier(7, **options)
    pushed = torch.stack([magnifier.push(frame) for frame in frames])
    film = magnify_motion(frames.movedim(0, 1), 7, temporal="iir", **options)
    assert torch.equal(pushed.movedim(0, 1), film)
    magnifier.reset()
    other = torch.rand(9, 8, 3, 4)[..., :3, :, :]
    assert torch.equal(magnifier.push(frames[0]), pushed[0])
    with pytest.raises(ValueError, match=r"frame: expected \(2, 3, 20, 27\) as the first frame"):
        magnifier.push(other)


def test_a_film_in_parts_is_the_whole_film(monkeypatch):
    """Fewer phases at a time, of fewer frames at a time."""
    frames = torch.rand(140, 9, 12, dtype=torch.float64).cumsum(0) / 10
    options = {"fps": FPS, "low": 4, "high": 9, "attenuate": True, "reference": 3, "nbands": 3}
    whole = magnify_motion(frames, 3, **options)
    assert 4 * fir_reach(4, 9, FPS) + 1 < 140
    monkeypatch.setattr(fir_magnification, "_PHASE_BYTES", 1)
    monkeypatch.setattr(fir_magnification, "_RUN_PIXELS", 50_000)
    torch.testing.assert_close(magnify_motion(frames, 3, **options), whole, rtol=0, atol=1e-9)


def test_without_a_filter_motion_is_followed_from_part_to_part(monkeypatch):
    """Nothing reaches over their ends, and in each the texture goes on by more than its waves."""
    x, t = torch.arange(40.0, dtype=torch.float64), torch.arange(60.0)[:, None, None]
    frames = 0.5 + 0.2 * torch.sin((x - 0.3 * t + torch.arange(12.0)[:, None]) * 0.7)
    options = {"fps": FPS, "low": 0, "high": FPS / 2, "nbands": 2, "bands_per_octave": 1}
    whole = magnify_motion(frames, 3.5, **options)
    monkeypatch.setattr(magnification, "_STEP", 13)
    parts = torch.stack(list(magnify_frames(frames, 3.5, **options)))
    torch.testing.assert_close(parts, whole, rtol=0, atol=1e-9)
    monkeypatch.setattr(fir_magnification, "_PHASE_BYTES", 1)
    torch.testing.assert_close(magnify_motion(frames, 3.5, **options), whole, rtol=0, atol=1e-9)


@pytest.mark.parametrize("most", [1, 5, 9, 40, 83, 1000])
def test_bands_whose_phases_are_there_at_a_time(most):
    """Each is once, and no more than may be, but for one that is larger by itself."""
    sizes, seen = [16, 16, 4, 4, 1], []
    for group in fir_magnification._groups(sizes, 4, most):
        held = sum(sizes[scale] for scale in group.scales) * len(group.bands)
        assert held <= most or (len(group.scales), len(group.bands)) == (1, 1)
        seen += [(scale, band) for scale in group.scales for band in group.bands]
    assert sorted(seen) == [(scale, band) for scale in range(5) for band in range(4)]


@pytest.mark.parametrize("which", [0, 3, 117])
def test_parts_of_a_film_count_from_the_same_place(which, monkeypatch):
    """What has drifted over wavelengths: once each part began anew, and the picture jumped."""
    picture = MovingPicture("fractal", (24, 32), finest=4)
    frames = picture.film(torch.arange(130) * 0.3)
    options = {"fps": FPS, "low": 0, "high": 9, "nbands": 3, "reference": which}
    whole = magnify_motion(frames, 1.5, **options)
    assert 4 * fir_reach(0, 9, FPS) + 1 < 130
    monkeypatch.setattr(fir_magnification, "_PHASE_BYTES", 1)
    monkeypatch.setattr(fir_magnification, "_RUN_PIXELS", 50_000)
    torch.testing.assert_close(magnify_motion(frames, 1.5, **options), whole, rtol=0, atol=1e-9)


@pytest.mark.parametrize("length", [1, 2, 20, 43, 90, 131])
@pytest.mark.parametrize(("low", "attenuate"), [(0, False), (4, True)])
def test_frames_that_come_are_magnified_as_the_film(length, low, attenuate, monkeypatch):
    """Of any length beside what is held, with drift."""
    monkeypatch.setattr(magnification, "_STEP", 7)
    frames = MovingPicture("fractal", (12, 16), finest=4).film(torch.arange(length) * 0.3)
    options = {"fps": FPS, "low": low, "high": 12, "nbands": 2, "attenuate": attenuate}
    whole = magnify_motion(frames, 1.5, **options)
    came = torch.stack(list(magnify_frames(iter(frames), 1.5, **options)))
    torch.testing.assert_close(came, whole, rtol=0, atol=1e-9)


def test_frames_that_come_keep_their_dtype_and_are_held_no_longer_than_needed():
    reach, taken = fir_reach(4, 10, FPS), 0

    def frames():
        nonlocal taken
        while True:
            taken += 1
            yield torch.randint(0, 256, (3, 12, 10), dtype=torch.uint8)

    came = magnify_frames(frames(), 3, fps=FPS, low=4, high=10, nbands=2, color=True)
    for given in range(1, 200):
        frame = next(came)
        assert (frame.shape, frame.dtype) == ((3, 12, 10), torch.uint8)
        assert taken - given <= 2 * max(reach, 64)
    with pytest.raises(ValueError, match=r"frame: expected \(9, 8\) as the first frame"):
        list(magnify_frames([torch.rand(9, 8), torch.rand(8, 9)], 2, fps=9, low=0, high=3))
    with pytest.raises(ValueError, match=r"frame: expected shape \[H, W\], got \[2, 9, 8\]"):
        next(magnify_frames([torch.rand(2, 9, 8)], 2, fps=9, low=0, high=3))
    with pytest.raises(ValueError, match="low, high: expected low < high"):  # before it is begun
        magnify_frames([], 2, fps=9, low=4, high=3)
    assert list(magnify_frames([], 2, fps=9, low=0, high=3)) == []
    [empty] = magnify_frames([torch.rand(0, 8)], 2, fps=9, low=0, high=3)
    assert empty.shape == (0, 8)


def test_flags_are_flags_and_gradients_are_refused():
    band = {"fps": FPS, "low": 0, "high": 3}
    for name in ("attenuate", "color"):
        with pytest.raises(TypeError, match=f"{name}: expected True or False, got str"):
            magnify_motion(torch.rand(2, 3, 8, 8), 2, **band, **{name: "no"})
    frame = torch.rand(8, 8, requires_grad=True)
    with pytest.raises(ValueError, match="frame: expected a tensor without gradient"):
        MotionMagnifier(2, **band).push(frame)
    with pytest.raises(ValueError, match="frame: expected a tensor without gradient"):
        next(magnify_frames([frame], 2, **band))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.uint16, torch.float16])
def test_other_dtypes_are_magnified_as_floats_of_their_scale(dtype):
    frames = (torch.rand(4, 18, 22) * 200).to(dtype)
    options = {"fps": FPS, "low": 0, "high": 10, "nbands": 2}
    moved = magnify_motion(frames, 1.5, **options)
    assert moved.dtype == dtype
    # In single precision as well: where a phase moves by a half turn, rounding decides which way.
    expected = magnify_motion(frames.float(), 1.5, **options)
    if dtype != torch.float16:
        limits = torch.iinfo(dtype)
        expected = expected.round().clamp(limits.min, limits.max)
    assert torch.equal(moved, expected.to(dtype))


def test_colours_keep_what_is_not_luma():
    frames = torch.rand(4, 3, 18, 22, dtype=torch.float64)
    options = {"fps": FPS, "low": 0, "high": 10, "nbands": 2}
    change = magnify_motion(frames, 4, color=True, **options) - frames
    assert torch.allclose(change[:, 0], change[:, 1], atol=1e-12)
    luma = 0.299 * frames[:, 0] + 0.587 * frames[:, 1] + 0.114 * frames[:, 2]
    torch.testing.assert_close(change[:, 2], magnify_motion(luma, 4, **options) - luma)


def test_what_motion_is_counted_from():
    frames = MovingPicture("fractal", (24, 32)).film(swing(5, 4, 0.2))
    options = {"fps": FPS, "low": 0, "high": FPS / 2, "nbands": 2}
    for which, picture in [("first", frames[0]), (3, frames[3]), ("mean", frames.mean(0))]:
        one = magnify_motion(frames, 3, reference=which, **options)
        other = magnify_motion(frames, 3, reference=picture, **options)
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9)
        assert which == "first" or float((one - magnify_motion(frames, 3, **options)).norm()) > 0.01
    torch.testing.assert_close(magnify_motion(frames, 3, reference=2, **options)[2], frames[2])


def test_nothing_changes_where_nothing_moves_or_shall():
    frames = torch.rand(1, 20, 24, dtype=torch.float64).expand(6, -1, -1)
    options = {"fps": FPS, "low": 1, "high": 5}
    for temporal in ("fir", "iir"):
        still = magnify_motion(frames, 30, temporal=temporal, **options)
        torch.testing.assert_close(still, frames, rtol=0, atol=1e-12)
    moving = torch.rand(6, 20, 24, dtype=torch.float64)
    torch.testing.assert_close(magnify_motion(moving, 1, **options), moving)
    assert magnify_motion(torch.rand(0, 20, 24), 2, **options).shape == (0, 20, 24)


def test_arrays_are_taken_with_their_dtype():
    frames = torch.randint(0, 4096, (4, 3, 18, 22)).to(torch.uint16)  # a 12-bit camera's
    options = {"fps": FPS, "low": 1, "high": 10, "nbands": 2, "color": True}
    expected = magnify_motion(frames, 3, **options)
    assert torch.equal(magnify_motion(frames.numpy(), 3, **options), expected)
    assert torch.equal(torch.stack(list(magnify_frames(frames.numpy(), 3, **options))), expected)
    magnifier = MotionMagnifier(3, **options)
    pushed = torch.stack([magnifier.push(frame) for frame in frames.numpy()])
    assert torch.equal(pushed, magnify_motion(frames.numpy(), 3, temporal="iir", **options))
    with_mean = magnify_motion(frames, 3, reference=frames[1], **options)
    given = frames[1].numpy()
    assert torch.equal(magnify_motion(frames.numpy(), 3, reference=given, **options), with_mean)


@pytest.mark.parametrize("temporal", ["fir", "iir"])
def test_a_limit_bounds_how_far_structure_is_moved(temporal):
    """A wave that is asked to move by 30 pixels; one asked for half of what may be does."""
    x = torch.arange(96, dtype=torch.float64)
    options = {"fps": FPS, "low": 0, "high": FPS / 2, "temporal": temporal, "attenuate": True}

    def moved(factor, limit):
        wave = lambda d: torch.cos(2 * math.pi * (x - d) / 12).expand(48, -1)  # noqa: E731
        frames = torch.stack([wave(d) for d in (0.0, 0.1)])
        row = magnify_motion(frames, factor, limit=limit, **options)[1, 24, 24:72]
        turn = (row * torch.exp(2j * math.pi * x[24:72] / 12)).sum()
        return float(turn.angle()) / (2 * math.pi) * 12  # in pixels

    assert moved(16, None) == pytest.approx(1.6, rel=0.15)
    assert moved(16, 3.5) == pytest.approx(moved(16, None), rel=0.02)
    for limit in (0.5, 2):  # filters answer to waves somewhat longer and shorter, too
        assert moved(300, limit) == pytest.approx(limit, rel=0.3)
    assert abs(moved(300, 100)) == pytest.approx(6, abs=0.3)  # half of its wavelength


def test_progress_is_told_as_work_is_done(monkeypatch):
    monkeypatch.setattr(magnification, "_STEP", 20)
    monkeypatch.setattr(fir_magnification, "_PHASE_BYTES", 1)
    told: list[float] = []
    options = {"fps": FPS, "low": 4, "high": 15, "nbands": 2, "progress": told.append}
    frames = torch.rand(90, 16, 16)
    came = [(told[-1], frame) for frame in magnify_frames(frames, 3, **options)]
    assert told == sorted(told)
    assert told[-1] == pytest.approx(90)
    assert len(told) > 30
    assert all(done >= number for number, (done, _) in enumerate(came, 1))


REFUSED = [
    ({"low": 5, "high": 2}, ValueError, "low, high: expected low < high <= fps / 2 = 15 Hz"),
    ({"high": 16}, ValueError, "low, high: expected"),
    ({"fps": 0}, ValueError, "fps: expected"),
    ({"factor": math.nan}, ValueError, "factor: expected a finite number"),
    ({"factor": "2"}, TypeError, "factor: expected a number"),
    ({"smoothing": 65}, ValueError, "smoothing: expected at most 64 pixels"),
    ({"nbands": 1}, ValueError, "nbands: expected at least 2"),
    ({"height": 99}, ValueError, "height: expected at most"),
    ({"height": 7}, ValueError, "height: expected at most 6 for frames of shape"),
    ({"bands_per_octave": 5}, ValueError, "bands_per_octave: expected at most 4"),
    ({"temporal": "ideal"}, ValueError, "temporal: expected 'fir' or 'iir'"),
    ({"limit": 0}, ValueError, "limit: expected a finite number above 0"),
    ({"frames": np.zeros((4, 8, 8), np.int64)}, TypeError, "frames: expected dtype"),
    ({"frames": np.zeros((4, 8, 8), "U1")}, TypeError, "frames: expected an array of uint8"),
    ({"reference": 4}, ValueError, "reference: expected at most 3"),
    ({"reference": "last"}, ValueError, "reference: expected 'first' or 'mean'"),
    ({"reference": 1, "temporal": "iir"}, ValueError, "reference: expected 'first' for temporal"),
    ({"color": True}, ValueError, r"frames: expected shape \[\.\.\., T, 3, H, W\]"),
    ({"frames": torch.rand(4, 4)}, ValueError, "frames: expected shape"),
    ({"frames": torch.rand(4, 8, 8).bool()}, TypeError, "frames: expected dtype"),
    ({"frames": torch.rand(4, 8, 8).requires_grad_()}, ValueError, "frames: expected a tensor wit"),
]


@pytest.mark.parametrize(("changed", "kind", "message"), REFUSED)
def test_what_is_refused(changed, kind, message):
    given = {"frames": torch.rand(4, 16, 16), "factor": 2, "fps": FPS, "low": 1, "high": 5}
    with pytest.raises(kind, match=f"^{message}"):
        magnify_motion(**{**given, **changed})


# --- The phases that are turned -------------------------------------------------------------------


@pytest.mark.parametrize("smoothing", [0, 1.2])
def test_gradients_of_turned_phases(smoothing):
    bands = torch.randn(2, 5, 6, dtype=torch.complex128, requires_grad=True)
    turns = torch.randn(2, 5, 6, dtype=torch.float64, requires_grad=True)
    call = lambda b, t: phasenet.turn_phase(b, t, smoothing=smoothing)  # noqa: E731
    assert torch.autograd.gradcheck(call, (bands, turns))


@pytest.mark.parametrize("angle", [3e3, 1e5, 1e9, 1e30])
def test_amplitudes_stay_whatever_the_turn(angle):
    bands = torch.randn(7, 33, dtype=torch.complex64)
    turned = phasenet.turn_phase(bands, torch.full((7, 33), angle), smoothing=0)
    assert float((turned.abs() / bands.abs() - 1).abs().max()) < 0.01
    if angle == 3e3:
        expected = reference.turn_phase(bands, torch.full((7, 33), angle), smoothing=0)
        torch.testing.assert_close(turned, expected, rtol=0, atol=2e-4)


def test_what_a_single_wave_moves_too_far():
    """As the tutorial says: 7 %, and 18 % where filters are octaves in 4 orientations."""
    x = torch.arange(160, dtype=torch.float64)
    for options, expected in (({"nbands": 4, "bands_per_octave": 1}, 1.18), ({}, 1.07)):
        wave = lambda d: torch.cos(2 * math.pi * (x - d) / 11.3).expand(64, -1)  # noqa: E731
        frames = torch.stack([wave(d) for d in (0.0, 0.1)])
        row = magnify_motion(frames, 11, fps=FPS, low=0, high=FPS / 2, **options)[1, 32, 47:-45]
        angle = (row * torch.exp(2j * math.pi * x[47:-45] / 11.3)).sum().angle()
        added = float(angle) / (2 * math.pi) * 11.3 - 0.1
        assert added == pytest.approx(expected, abs=0.01)
