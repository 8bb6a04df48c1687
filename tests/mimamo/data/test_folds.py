"""Folds: nobody in two of them, sizes alike, and the same split every time."""

from __future__ import annotations

import numpy as np
import pytest

from mimamo import InputError
from mimamo.data.folds import parse_fold, split, subject_of


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("video59", "video59"),
        ("video59_right", "video59"),
        ("46-30-484x360", "46-30-484x360"),
        ("1-30-1280x720_left", "1-30-1280x720"),
        ("5-60-1920x1080-3", "5-60-1920x1080"),
        ("10-60-1280x720-1_left", "10-60-1280x720"),
        ("fb4cd16a9_utterance_12", "fb4cd16a9"),
        ("left_over", "left_over"),
    ],
)
def test_subjects(name: str, subject: str) -> None:
    assert subject_of(name) == subject


class TestSplit:
    def test_random_sets_are_split_by_subject_and_evenly(self) -> None:
        random = np.random.default_rng(0)
        endings = ["", "_left", "_right"]
        for _ in range(50):
            frames = {
                f"{n}-30-640x480{ending}": int(random.integers(50, 3000))
                for n in range(random.integers(10, 60))
                for ending in random.choice(endings, random.integers(1, 4), replace=False)
            }
            folds = int(random.integers(2, 6))
            parts = split(frames, folds)
            assert sorted(name for part in parts for name in part) == sorted(frames)
            homes = [{subject_of(name) for name in part} for part in parts]
            for i, home in enumerate(homes):
                for other in homes[:i]:
                    assert not home & other
            sizes = [sum(frames[name] for name in part) for part in parts]
            largest = max(
                sum(n for name, n in frames.items() if subject_of(name) == subject)
                for home in homes
                for subject in home
            )
            assert max(sizes) - min(sizes) <= largest

    def test_the_largest_come_first(self) -> None:
        """Put last, they would make one fold much larger than the others."""
        assert split({"a": 20, "b": 10, "c": 10}, 2) == [["a"], ["b", "c"]]

    def test_the_order_of_the_videos_does_not_matter(self) -> None:
        frames = {f"v{n}": 10 + n % 3 for n in range(20)}
        shuffled = dict(sorted(frames.items(), key=lambda item: hash(item) % 7))
        assert split(frames, 4) == split(shuffled, 4)

    def test_a_fold_without_data(self) -> None:
        frames = {"a_left": 5, "a_right": 5, "b": 7, "c": 0}
        with pytest.raises(InputError, match=r"fold 3 of 3 would have no data: .* only 2 differ"):
            split(frames, 3)
        assert split(frames, 2)[0] != []

    def test_one_fold_is_none(self) -> None:
        with pytest.raises(InputError, match="folds: expected 2 to 1000, got 1"):
            split({"a": 1}, 1)


@pytest.mark.parametrize(
    "text",
    [
        *("0/5", "6/5", "1/1", "1", "a/b", "", "1/5/5", "-1/5"),
        *("1/1001", "٣/5", "1/5 ", "1/" + "9" * 5000),
    ],
    ids=lambda text: f"{text!a:.10}",
)
def test_what_is_no_fold(text: str) -> None:
    with pytest.raises(InputError, match=r"fold: expected i/k"):
        parse_fold(text)


def test_a_fold() -> None:
    assert parse_fold("2/5") == (2, 5)
