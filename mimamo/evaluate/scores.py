"""Agreement with the labels: pooled, per video, and how sure it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student_t

from mimamo.data.cached_video import CachedVideo
from mimamo.evaluate.rules import Rules, length_of, utterance_value
from mimamo.metrics import Pairs, pooled_ccc

RESAMPLES = 2000
BLOCK = 150  # frames, 5 s at 30 frames a second
_MOST = 1 - 1e-9  # of a CCC whose z is not infinite


@dataclass(frozen=True)
class Score:
    """CCC of valence and arousal over so many frames (or utterances)."""

    count: int
    valence: float
    arousal: float

    @property
    def mean(self) -> float:
        """Mean of both."""
        return (self.valence + self.arousal) / 2


@dataclass(frozen=True)
class VideoScore:
    """The `Score` of one video alone, with its `Interval` if it has one (see `block_bootstrap`)."""

    name: str
    subset: str
    score: Score
    interval: Interval | None = None


@dataclass(frozen=True)
class Interval:
    """A 95 % confidence interval of valence's and arousal's CCC: (low, high) each.

    None where resamples do not differ, so that they tell nothing: of one subject, of a constant.
    """

    valence: tuple[float, float] | None
    arousal: tuple[float, float] | None
    subjects: int


COLUMNS = ("valence", "arousal", "valence_low", "valence_high", "arousal_low", "arousal_high")


def cells(score: Score, interval: Interval | None) -> list[object]:
    """A count and what stands under `COLUMNS`; the ends of no interval are empty."""
    both = (interval.valence, interval.arousal) if interval else (None, None)
    ends = [end for pair in both for end in pair or (None, None)]
    numbers = (score.valence, score.arousal, *ends)
    return [score.count, *("" if number is None else f"{number:.6f}" for number in numbers)]


def face_pairs(video: CachedVideo, values: np.ndarray) -> Pairs:
    """Predictions ``[T, 2]`` and labels of a video's annotated faces; of an utterance, one pair.

    An utterance's prediction is the mean over its faces, as it is written.
    """
    predicted, labels = video.sequence.pairs(values)
    return (utterance_value(predicted) if video.unit == "utterance" else predicted), labels


def frame_pairs(video: CachedVideo, values: np.ndarray, rules: Rules) -> Pairs:
    """Predictions and labels of all annotated frames that are written.

    Those without a face are by the rules. Lines of annotations after the last frame of a video
    whose frames are counted are of none.
    """
    if video.unit == "utterance":
        return face_pairs(video, values)
    predicted = rules.frames(values, video.numbers.numpy(), length_of(video)[0])
    labels = video.annotations.numpy()[: len(predicted)]
    mask = ~np.isnan(labels).any(axis=1)
    return predicted[: len(labels)][mask].astype(np.float64), labels[mask].astype(np.float64)


def score(pairs: Sequence[Pairs]) -> Score:
    """Pool some videos' pairs and compute their CCC. At least one pair."""
    return Score(sum(len(labels) for _, labels in pairs), *pooled_ccc(pairs))


def mean_of(scores: Sequence[Score]) -> Score:
    """The mean of some folds' CCC, each counting alike, over their frames together."""
    valence, arousal = np.mean(
        [(score.valence, score.arousal) for score in scores], axis=0
    ).tolist()
    return Score(sum(score.count for score in scores), valence, arousal)


def bootstrap(
    pairs: Mapping[str, Sequence[Pairs]], seed: int = 0, resamples: int = RESAMPLES
) -> Interval:
    """Bootstrap of the pooled CCC, with subjects drawn as wholes (see `_interval`).

    Frames of a video are anything but independent, so what is drawn, with replacement, is
    subjects (Davison & Hinkley, Bootstrap Methods and their Application, 1997, section 3.8).

    Args:
        pairs: by subject, the pairs of its videos.
        seed: of the draws.
        resamples: how many.
    """
    pooled = (map(np.concatenate, zip(*videos, strict=True)) for videos in pairs.values())
    moments = np.stack([products(*sides).sum(0) for sides in pooled])  # [subjects, 6, 2]
    draws = np.random.default_rng(seed).multinomial(
        len(moments), np.full(len(moments), 1 / len(moments)), size=resamples
    )
    resampled = np.einsum("rs,smc->rmc", draws.astype(np.float64), moments)
    return _interval(moments.sum(0), resampled, len(moments), len(moments))


def block_bootstrap(pairs: Pairs, seed: int = 0, resamples: int = 1000) -> Interval | None:
    """Interval of the CCC of one video alone, by a moving-block bootstrap (see `_interval`).

    Neighbouring frames are anything but independent, so what is drawn, with replacement, is
    stretches of 150 neighbouring annotated faces (5 s at 30 frames a second) or, if that is less,
    a quarter of the video, wherever they begin (Künsch, Annals of Statistics 17, 1989); as many as
    make up the video or a little more. Errors that last about as long as a block make the interval
    too narrow.

    Args:
        pairs: of the video.
        seed: of the draws.
        resamples: how many.

    Returns:
        The interval, or None for less than 8 pairs, of which an utterance has one.
    """
    count = len(pairs[1])
    if count < 8:
        return None
    length = min(BLOCK, count // 4)
    sums = np.cumsum(np.pad(products(*pairs), ((1, 0), (0, 0), (0, 0))), axis=0)
    blocks = sums[length:] - sums[:-length]  # [count - length + 1, 6, 2]
    size = (resamples, -(-count // length))
    starts = np.random.default_rng(seed).integers(len(blocks), size=size)
    moments = np.zeros((resamples, *blocks.shape[1:]))
    for chosen in starts.T:
        moments += blocks[chosen]
    return _interval(sums[-1], moments, size[1], subjects=1)


def _interval(own: np.ndarray, resampled: np.ndarray, drawn: int, subjects: int) -> Interval:
    """The interval about a CCC as wide as its resamples spread.

    The spread is that of Fisher's z = atanh(CCC), in which a CCC is nearly normal (Lin, Biometrics
    1989), times Student's t of as many draws, less one. Percentiles of the resamples, as there were
    before, could leave out the CCC itself: a resample of k subjects or blocks repeats some and so
    lacks about a k-th of the spread between them, which makes its CCC lower. They were also as
    narrow as a point where all resamples are alike, as those of one subject are.

    Args:
        own: sums ``[6, 2]`` of all that there is.
        resampled: sums ``[R, 6, 2]``.
        drawn: how many subjects or blocks make up a resample.
        subjects: of the result.
    """
    ccc, among = ccc_of_sums(own), ccc_of_sums(resampled)
    z, spread = np.arctanh(ccc.clip(-_MOST, _MOST)), np.arctanh(among.clip(-_MOST, _MOST)).std(0)
    reach = student_t.ppf(0.975, max(drawn - 1, 1)) * spread
    ends = np.tanh([z - reach, z + reach]).T.tolist()
    valence, arousal = (
        (low, high) if wide > 1e-9 else None
        for (low, high), wide in zip(ends, spread.tolist(), strict=True)
    )
    return Interval(valence, arousal, subjects)


def ccc_of_sums(moments: np.ndarray) -> np.ndarray:
    """CCC ``[…, 2]`` from sums ``[…, 6, 2]`` of `products`; 0 of a constant."""
    count, x, y, xx, yy, xy = np.moveaxis(moments, -2, 0)
    mean_x, mean_y = x / count, y / count
    spread = xx / count - mean_x**2 + yy / count - mean_y**2 + (mean_x - mean_y) ** 2
    covariance = xy / count - mean_x * mean_y
    return np.divide(2 * covariance, spread, out=np.zeros_like(spread), where=spread > 1e-12)


def products(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """What is summed for a CCC, of each pair: [N, 6, 2]."""
    return np.stack([np.ones_like(x), x, y, x**2, y**2, x * y], axis=1)
