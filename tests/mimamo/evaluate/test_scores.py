"""Scores: pooled as the report does it, intervals that cover, rescaling."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import torch

from mimamo.data import CachedVideo
from mimamo.evaluate.rules import Rules, rescale
from mimamo.evaluate.scores import (
    Interval,
    Score,
    block_bootstrap,
    bootstrap,
    face_pairs,
    frame_pairs,
    score,
)


def a_video(unit: str = "frame") -> CachedVideo:
    """8 frames; faces in 2, 3, 5 and 8; frames 1, 3, 4 and 5 to 8 annotated but not 7."""
    annotations = torch.arange(16).view(8, 2).float() / 100
    annotations[[1, 6]] = torch.nan
    return CachedVideo(
        name="v", subset="Validation_Set", features=torch.zeros(4, 0).half(),
        frames=torch.zeros(4, 48, 48, dtype=torch.uint8),
        numbers=torch.tensor([2, 3, 5, 8], dtype=torch.int32),
        annotations=annotations[3:4] if unit == "utterance" else annotations,
        frame_count=8, counted=True, unit=unit, source="",
    )  # fmt: skip


VALUES = np.array([[0.2, -0.2], [0.3, -0.3], [0.5, -0.5], [0.8, -0.8]], np.float32)


class TestPairs:
    def test_faces_that_are_annotated(self) -> None:
        predicted, labels = face_pairs(a_video(), VALUES)
        np.testing.assert_allclose(predicted[:, 0], [0.3, 0.5, 0.8], atol=1e-6)
        np.testing.assert_allclose(labels[:, 0], [0.04, 0.08, 0.14], atol=1e-6)

    def test_frames_without_a_face_are_predicted_as_submitted(self) -> None:
        predicted, labels = frame_pairs(a_video(), VALUES, Rules())
        # Frames 1, 3, 4, 5, 6, 8: none before the first face, then as the frame before.
        np.testing.assert_allclose(predicted[:, 0], [-5, 0.3, 0.3, 0.5, 0.5, 0.8], atol=1e-6)
        np.testing.assert_allclose(labels[:, 0], [0, 0.04, 0.06, 0.08, 0.1, 0.14], atol=1e-6)

    def test_an_utterance_is_one_pair(self) -> None:
        """As it is written: its arousal is not below 0."""
        video = a_video("utterance")
        for predicted, labels in (face_pairs(video, VALUES), frame_pairs(video, VALUES, Rules())):
            np.testing.assert_allclose(predicted, [[0.45, 0]], atol=1e-6)
            np.testing.assert_allclose(labels, [[0.06, 0.07]], atol=1e-6)


def random_pairs(random: np.random.Generator, subjects: int, noise: float) -> dict[str, list]:
    pairs = {}
    for subject in range(subjects):
        labels = random.normal(random.normal(), 1, (random.integers(20, 60), 2))
        pairs[str(subject)] = [(labels + noise * random.normal(size=labels.shape), labels)]
    return pairs


class TestScore:
    def test_videos_are_pooled_by_the_reports_formula(self) -> None:
        pairs = [p for v in random_pairs(np.random.default_rng(0), 5, 1.0).values() for p in v]
        result = score(pairs)
        for column, value in enumerate((result.valence, result.arousal)):
            x = np.concatenate([p[0][:, column] for p in pairs])
            y = np.concatenate([p[1][:, column] for p in pairs])
            rho = np.corrcoef(x, y)[0, 1]
            expected = 2 * rho * x.std() * y.std()
            expected /= x.var() + y.var() + (x.mean() - y.mean()) ** 2
            assert value == pytest.approx(expected, abs=1e-12)
        assert result.count == sum(len(p[1]) for p in pairs)


def expect_fisher(interval: Interval, own: Score, values: list, drawn: int) -> None:
    """An interval about the CCC, as wide as Fisher's z of the resamples spreads."""
    spread = np.arctanh(values).std(axis=0)
    reach = scipy.stats.t(drawn - 1).ppf(0.975) * spread
    z = np.arctanh([own.valence, own.arousal])
    np.testing.assert_allclose(interval.valence, np.tanh([z[0] - reach[0], z[0] + reach[0]]))
    np.testing.assert_allclose(interval.arousal, np.tanh([z[1] - reach[1], z[1] + reach[1]]))


class TestBootstrap:
    def test_it_resamples_subjects_as_wholes(self) -> None:
        """Against a plain loop over resamples."""
        pairs = random_pairs(np.random.default_rng(1), 6, 1.0)
        interval = bootstrap(pairs, seed=5, resamples=300)
        draws = np.random.default_rng(5).multinomial(6, np.full(6, 1 / 6), size=300)
        values = []
        for counts in draws:
            chosen = [
                p for n, v in zip(counts, pairs.values(), strict=True) for p in v for _ in range(n)
            ]
            result = score(chosen)
            values.append([result.valence, result.arousal])
        own = score([p for v in pairs.values() for p in v])
        expect_fisher(interval, own, values, drawn=6)

    def test_it_mostly_covers_the_truth(self) -> None:
        """A large sample's CCC lies in the intervals of small ones."""
        random = np.random.default_rng(2)
        truth = score([p for v in random_pairs(random, 3000, 1.0).values() for p in v])
        inside = 0
        for _ in range(60):
            low, high = bootstrap(random_pairs(random, 30, 1.0), resamples=400).valence
            inside += low <= truth.valence <= high
        assert inside >= 48  # 95 % nominal; a percentile bootstrap of 30 subjects has a little less

    def test_copies_of_a_frame_tell_nothing_new(self) -> None:
        pairs = random_pairs(np.random.default_rng(3), 10, 1.0)
        copied = {
            name: [(np.repeat(x, 50, 0), np.repeat(y, 50, 0)) for x, y in videos]
            for name, videos in pairs.items()
        }
        one, other = bootstrap(pairs), bootstrap(copied)
        np.testing.assert_allclose(one.valence, other.valence, atol=1e-9)

    def test_constant_predictions_agree_with_nothing(self) -> None:
        labels = np.random.default_rng(4).normal(size=(20, 2))
        interval = bootstrap(
            {"a": [(np.zeros((20, 2)), labels)], "b": [(np.zeros((20, 2)), labels)]}
        )
        assert (interval.valence, interval.arousal) == (None, None)

    def test_one_subject_has_none(self) -> None:
        """It was an interval of no width, as all resamples are the same."""
        interval = bootstrap(random_pairs(np.random.default_rng(8), 1, 1.0))
        assert (interval.valence, interval.arousal, interval.subjects) == (None, None, 1)

    @pytest.mark.parametrize("subjects", [2, 3, 5])
    def test_the_estimate_is_inside(self, subjects: int) -> None:
        """Percentiles of the resamples of few subjects left it out."""
        for seed in range(40):
            pairs = random_pairs(np.random.default_rng(seed), subjects, 0.3)
            own, interval = score([p for v in pairs.values() for p in v]), bootstrap(pairs)
            for name in ("valence", "arousal"):
                low, high = getattr(interval, name)
                assert -1 < low < getattr(own, name) < high < 1


def drifting(random: np.random.Generator, frames: int, memory: float) -> np.ndarray:
    """Noise ``[frames, 2]`` of unit variance that is correlated over `memory` frames."""
    keep = np.exp(-1 / memory)
    steps = random.normal(size=(frames, 2)) * np.sqrt(1 - keep**2)
    values = [random.normal(size=2)]
    for step in steps[1:]:
        values.append(keep * values[-1] + step)
    return np.stack(values)


class TestBlockBootstrap:
    @pytest.mark.parametrize(("frames", "length"), [(1000, 150), (90, 22), (8, 2)])
    def test_it_resamples_stretches_of_frames(self, frames: int, length: int) -> None:
        """Against a plain loop over resamples."""
        random = np.random.default_rng(6)
        labels = drifting(random, frames, 30)
        pairs = (labels + drifting(random, frames, 30), labels)
        interval = block_bootstrap(pairs, seed=5, resamples=100)
        blocks = -(-frames // length)
        starts = np.random.default_rng(5).integers(frames - length + 1, size=(100, blocks))
        values = []
        for chosen in starts:
            at = np.concatenate([np.arange(start, start + length) for start in chosen])
            result = score([(pairs[0][at], pairs[1][at])])
            values.append([result.valence, result.arousal])
        assert interval is not None
        expect_fisher(interval, score([pairs]), values, drawn=blocks)

    def test_it_mostly_covers_the_truth(self) -> None:
        """Of frames that tell little new over half a second."""
        random = np.random.default_rng(7)
        truth, inside = 2 * 0.7 / (1 + 0.7**2 + 0.5**2), 0
        for _ in range(40):
            labels = drifting(random, 2000, 15)
            pairs = (0.7 * labels + 0.5 * drifting(random, 2000, 15), labels)
            interval = block_bootstrap(pairs, resamples=300)
            assert interval is not None
            inside += interval.valence[0] <= truth <= interval.valence[1]
            inside += interval.arousal[0] <= truth <= interval.arousal[1]
        assert inside >= 64  # of 80; frames drawn singly: about 28

    def test_an_utterance_has_none(self) -> None:
        assert block_bootstrap(face_pairs(a_video("utterance"), VALUES)) is None

    def test_constant_predictions_agree_with_nothing(self) -> None:
        labels = np.random.default_rng(4).normal(size=(4000, 2))
        interval = block_bootstrap((np.full((4000, 2), 0.3), labels))
        assert interval is not None
        assert (interval.valence, interval.arousal) == (None, None)

    def test_it_mostly_covers_the_truth_of_a_short_video(self) -> None:
        """Of four blocks; percentiles of the resamples held it 57 times of 80."""
        random = np.random.default_rng(9)
        truth, inside = 2 * 0.7 / (1 + 0.7**2 + 0.5**2), 0
        for _ in range(40):
            labels = drifting(random, 200, 15)
            predicted = 0.7 * labels + 0.5 * drifting(random, 200, 15)
            interval = block_bootstrap((predicted, labels), resamples=300)
            own = score([(predicted, labels)])
            for name in ("valence", "arousal"):
                low, high = getattr(interval, name)
                assert low < getattr(own, name) < high
                inside += low <= truth <= high
        assert inside >= 66


class TestRescale:
    def test_the_spread_becomes_that_of_the_labels_about_the_same_mean(self) -> None:
        random = np.random.default_rng(5)
        values = {n: random.normal(0.1, 0.05, (30 + i, 2)) for i, n in enumerate("abc")}
        scaled = np.concatenate(list(rescale(values, [0.4, 0.2]).values()))
        pooled = np.concatenate(list(values.values()))
        np.testing.assert_allclose(scaled.std(0), [0.4, 0.2], rtol=1e-5)
        np.testing.assert_allclose(scaled.mean(0), pooled.mean(0), atol=1e-6)
        assert np.corrcoef(scaled[:, 0], pooled[:, 0])[0, 1] > 0.99999

    def test_constant_predictions_stay(self) -> None:
        values = rescale({"a": np.full((4, 2), 0.25, np.float32)}, [0.4, 0.2])
        assert (values["a"] == 0.25).all()
