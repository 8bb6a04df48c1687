"""Trajectories: smooth, seeded, and arousal is what moves the face."""

from __future__ import annotations

import numpy as np
import pytest

from mimamo.demo.synth.motion import affect, band_noise, blinks, faces, perform

TIMES = np.arange(900) / 30.0


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


class TestNoise:
    def test_it_has_variance_one_and_stays_in_its_band(self):
        noise = np.stack([band_noise(generator(s), TIMES, 1.0, 3.0) for s in range(40)])
        assert noise.var() == pytest.approx(1.0, rel=0.1)
        power = (np.abs(np.fft.rfft(noise * np.hanning(len(TIMES)))) ** 2).sum(axis=0)
        frequency = np.fft.rfftfreq(len(TIMES), TIMES[1])
        outside = (frequency < 0.8) | (frequency > 3.2)
        assert power[outside].sum() < 1e-3 * power.sum()

    def test_affect_is_slow_and_covers_its_range(self):
        drawn = np.stack([affect(generator(s), TIMES) for s in range(40)])
        assert np.abs(drawn).max() <= 0.95
        # Spread evenly: each third of the range is taken a third of the time.
        thirds = np.histogram(drawn, bins=[-0.95, -0.3167, 0.3167, 0.95])[0] / drawn.size
        np.testing.assert_allclose(thirds, 1 / 3, atol=0.06)
        assert np.abs(np.diff(drawn, axis=1)).max() < 0.15

    def test_blinks_are_short_and_now_and_then(self):
        shut = blinks(generator(), TIMES)
        assert shut.min() == 0
        assert shut.max() == pytest.approx(1.0)
        assert 0.02 < (shut > 0.5).mean() < 0.15


class TestFaces:
    @staticmethod
    def speed(arousal: float, valence: float = 0.0) -> float:
        """Mean change of the head's turns and the jaw from frame to frame."""
        level = np.ones_like(TIMES)
        played = faces(generator(5), TIMES, valence * level, arousal * level)
        moving = np.array([(e.yaw, e.pitch, 10 * e.jaw) for e in played])
        return float(np.abs(np.diff(moving, axis=0)).mean())

    def test_arousal_moves_the_face(self):
        assert self.speed(0.9) > 1.5 * self.speed(0.0) > 3 * self.speed(-0.9)

    def test_valence_does_not(self):
        assert self.speed(0.2, valence=-0.9) == pytest.approx(self.speed(0.2, valence=0.9))

    def test_valence_is_the_smile(self):
        valence = np.linspace(-0.9, 0.9, len(TIMES))
        played = faces(generator(), TIMES, valence, np.zeros_like(TIMES))
        smiles = np.array([e.smile for e in played])
        assert np.corrcoef(smiles, valence)[0, 1] > 0.99

    def test_everything_stays_possible(self):
        for seed in range(5):
            high = np.full_like(TIMES, 0.95)
            for e in faces(generator(seed), TIMES, high, high):
                assert -1 <= e.smile <= 1
                assert -1 <= e.alert <= 1
                assert 0 <= e.jaw <= 1

    def test_in_stills_arousal_raises_the_brows_and_opens_the_mouth(self):
        level = np.ones_like(TIMES)
        calm, roused = (
            faces(generator(), TIMES, 0.3 * level, arousal * level) for arousal in (-0.9, 0.9)
        )
        for name in ("alert", "jaw"):
            means = [np.mean([getattr(e, name) for e in played]) for played in (calm, roused)]
            assert means[1] > means[0] + 0.2


class TestPerformance:
    def test_the_same_seed_gives_the_same_video(self):
        one, same, other = (perform(generator(seed), TIMES[:30]) for seed in (1, 1, 2))
        assert one.scenes == same.scenes
        for mine, others in zip(one.scenes, other.scenes, strict=True):
            assert mine[0] != others[0]  # the expression
        assert len(one.values) == len(one.scenes) == 30

    def test_videos_differ_in_light_and_distance_by_the_spread(self):
        def played(spread: float) -> np.ndarray:
            drawn = [perform(generator(seed), TIMES[:2], spread=spread) for seed in range(40)]
            firsts = [performance.scenes[0] for performance in drawn]
            return np.array([(light.warmth, camera.zoom) for _, camera, light in firsts])

        alike, different = played(0.0), played(1.0)
        assert (alike[:, 0] == 0).all()
        assert (different.std(axis=0) > 1.5 * alike.std(axis=0)).all()

    def test_the_frames_are_of_the_size_and_distance_asked_for(self):
        for _, camera, _ in perform(generator(), TIMES[:60], zoom=3.0, size=(100, 80)).scenes:
            assert camera.size == (100, 80)
            assert camera.zoom == pytest.approx(3.0, rel=0.3)
