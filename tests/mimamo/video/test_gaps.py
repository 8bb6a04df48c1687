"""Frames that are missing from a film, counted while it is read."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from mimamo.video.gaps import LostFrames, gaps_in_words


def test_each_is_counted_once_before_the_frame_that_follows():
    film = SimpleNamespace(fps=10.0, gaps=[])
    lost = LostFrames(film)
    assert lost.before(0.0) == 0
    film.gaps += [(0.0, 0.5), (0.5, 0.7)]  # the reader is ahead
    assert [lost.before(time) for time in (0.5, 0.7, 0.8)] == [4, 1, 0]
    film.gaps += [(0.8, 0.85), (0.85, 1.95), (2.1, math.inf)]
    assert lost.before(2.1) == 0 + 10 + 0  # a step shorter than a frame lost none


@pytest.mark.parametrize("film", [[], iter(()), object()])
def test_what_knows_of_none_lost_none(film):
    assert LostFrames(film).before(3.0) == 0


@pytest.mark.parametrize(
    ("gaps", "words"),
    [
        ([(1.0, 1.5)], "between 1.0 s and 1.5 s"),
        ([(0.16, 0.24)], "between 0.16 s and 0.24 s"),
        ([(0.005, 0.015)], "between 0.005 s and 0.015 s"),
        ([(0.011, 0.014)], "between 0.011 s and 0.014 s"),
        ([(0.0, 3.0), (4.0, math.inf)], "between 0.0 s and 3.0 s and after 4.0 s"),
    ],
)
def test_places_are_told_apart_in_words(gaps, words):
    assert gaps_in_words(gaps) == words
