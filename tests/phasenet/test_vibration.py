"""What vibrates, and how, in films of pictures that were moved exactly."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from benchmarks.moved_pictures import KINDS, MovingPicture
from phasenet import vibration
from phasenet.parity import relative_error
from phasenet.vibration import Vibration

SIZE = (48, 64)


def film(kind: str, motion: torch.Tensor, seed: int = 0, noise: float = 0.0) -> torch.Tensor:
    """Frames [T, H, W] of 8 bits, moved by [T, 2] pixels, with noise of the camera."""
    picture = MovingPicture(kind, SIZE, seed=seed, finest=4)
    frames = torch.stack([picture.at(x, y) for x, y in motion.tolist()])
    frames += noise * torch.randn(
        frames.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    return (255 * frames.clamp(0, 1)).round().to(torch.uint8)


def sine(
    fps: float, length: int, hertz: float, pixels: float, direction: float = 0.0
) -> torch.Tensor:
    swing = pixels * torch.sin(
        2 * math.pi * hertz * torch.arange(length, dtype=torch.float64) / fps
    )
    return swing[:, None] * torch.tensor([math.cos(direction), math.sin(direction)])


@pytest.mark.parametrize(("kind", "noise"), [("soft", 0.005), ("crisp", 0.02), ("fractal", 0.02)])
def test_a_tone_of_a_fiftieth_of_a_pixel(kind, noise):
    """440 Hz in a quarter of a second at 2,000 frames a second, pictures of 0.12 in contrast.

    Noise of 0.02 is 16 dB below that. The spectrum has a value every 4 Hz.
    """
    frames = film(kind, sine(2000, 500, 440, 0.02, 0.6), seed=3, noise=noise)
    found = vibration(frames, 2000)
    peak = found.peak(20)
    assert float(peak.frequency) == pytest.approx(440, abs=0.5)
    assert float(peak.amplitude) == pytest.approx(0.02, rel=0.3)
    assert float(peak.direction) == pytest.approx(0.6, abs=0.25)


def test_the_spectrum_is_of_the_swing_about_the_mean():
    found = vibration(torch.rand(9, 32, 40, generator=torch.Generator().manual_seed(0)), 9)
    swing, window = found.signal - found.signal.mean(0), torch.hann_window(9)[:, None]
    expected = torch.fft.rfft(swing * window, dim=0) * 2 / window.sum()
    torch.testing.assert_close(found.spectrum, expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("pixels", "hertz"), [(0.003, 5.3), (0.2, 7.0), (1.0, 11.5)])
def test_motion_in_pixels(kind, pixels, hertz):
    """From thousandths of a pixel to one, within 2 %, in any direction."""
    motion = sine(60, 60, hertz, pixels, -0.9)
    picture = MovingPicture(kind, (90, 110), seed=5, finest=4)
    frames = torch.stack([picture.at(x, y) for x, y in motion.tolist()])
    found = vibration(frames, 60)
    assert found.signal.dtype == torch.float64
    assert relative_error(found.signal, motion) < 0.02
    peak = found.peak()
    assert float(peak.frequency) == pytest.approx(hertz, abs=0.02)
    assert float(peak.amplitude) == pytest.approx(pixels, rel=0.02)


def test_the_spectrum_of_a_sine_is_its_amplitude():
    """At one of the frequencies; between them the peak is found all the same."""
    time = torch.arange(64, dtype=torch.float64) / 64
    for hertz in (8.0, 8.37, 8.5, 8.9):
        signal = torch.stack([torch.sin(2 * math.pi * hertz * time), 0 * time], -1)
        window = torch.hann_window(64, dtype=torch.float64)
        spectrum = torch.fft.rfft(signal * window[:, None], dim=0) * 2 / window.sum()
        frequencies = torch.arange(33, dtype=torch.float64)
        found = Vibration(signal, frequencies, spectrum)
        assert float(found.peak().frequency) == pytest.approx(hertz, abs=2e-3)
        assert float(found.peak().amplitude) == pytest.approx(1, abs=2e-3)
        if hertz == 8.0:
            assert float(spectrum[8, 0].abs()) == pytest.approx(1, abs=1e-3)
    with pytest.raises(ValueError, match=r"low, high: .*every 1 Hz to 32, got 8.1 to 8.2"):
        found.peak(8.1, 8.2)


def test_only_what_is_weighted_counts():
    moving = film("fractal", sine(60, 40, 7.5, 0.2), seed=1)
    still = film("fractal", torch.zeros(40, 2), seed=2)
    frames = torch.cat([moving, still], dim=-1)
    weight = torch.zeros(frames.shape[-2:])
    weight[:, 80:120] = 1
    assert float(vibration(frames, 60, weight=weight).peak().amplitude) < 0.002
    weight = weight.flip(-1)
    found = vibration(frames, 60, weight=weight)
    assert float(found.peak().amplitude) > 0.15
    for mask in (weight > 0, weight.numpy() > 0, weight.numpy()):
        assert torch.equal(vibration(frames, 60, weight=mask).signal, found.signal)


def test_batches_dtypes_and_gradients():
    frames = film("crisp", sine(60, 20, 7.5, 0.1), seed=1)
    alone = vibration(frames, 60)
    both = vibration(torch.stack([frames, frames.flip(-1)])[:, None], 60)
    assert both.signal.shape == (2, 1, 20, 2)
    assert both.spectrum.shape == (2, 1, 11, 2)
    assert torch.equal(both.signal[0, 0], alone.signal)
    assert alone.signal.dtype == torch.float32
    assert relative_error(both.signal[1, 0] * torch.tensor([-1, 1]), alone.signal) < 0.1
    wide = frames.numpy().astype(np.uint16) * 257
    assert relative_error(vibration(wide, 60).signal, alone.signal) < 1e-5
    leaf = (frames[:3].double() / 255).requires_grad_()
    vibration(leaf, 60).signal[1].sum().backward()
    assert bool(leaf.grad[1].abs().sum() > 0)
    assert bool(leaf.grad.isfinite().all())


def test_what_does_not_move():
    frames = film("crisp", torch.zeros(1, 2)).expand(7, -1, -1)
    found = vibration(frames, 25)
    assert float(found.signal.abs().max()) < 1e-6
    flat = vibration(torch.full((7, 20, 20), 0.5), 25)
    assert bool(flat.signal.isfinite().all())
    assert float(flat.peak().amplitude) < 1e-3
    assert float(vibration(torch.zeros(7, 20, 20), 25).peak().amplitude) == 0


def test_tiny_pictures_and_the_shortest_film():
    found = vibration(torch.rand(2, 9, 8), 25, height=3, levels=[1])
    assert found.signal.shape == (2, 2)
    assert bool(found.signal.isfinite().all())
    assert found.frequencies.tolist() == [0, 12.5]


@pytest.mark.parametrize(
    ("frames", "options", "message"),
    [
        (torch.rand(1, 32, 32), {}, "frames: expected at least 2 frames, got 1"),
        (torch.rand(3, 32, 32), {"fps": 0}, "fps: expected a finite number above 0, got 0"),
        (torch.rand(3, 32, 32), {"weight": torch.ones(32, 31)}, r"weight: expected shape \[32, 32"),
        (torch.rand(3, 32, 32), {"weight": -torch.ones(32, 32)}, "weight: .* at least 0, got -1"),
        (torch.rand(3, 32, 32), {"weight": np.zeros(3, bool)}, "weight: expected shape"),
        (torch.rand(3, 32, 32), {"levels": (1, 4)}, "levels: "),
        (torch.rand(3, 7, 32), {}, "height: expected at most 4"),
    ],
)
def test_refuses(frames, options, message):
    with pytest.raises(ValueError, match=message):
        vibration(frames, **{"fps": 25.0, **options})
