"""Frames without a face: the value they are given, and where they lie."""

from __future__ import annotations

import numpy as np
import pytest

from mimamo.predict.rules import NO_FACE, fill_missing, runs


def bools(pattern: str) -> np.ndarray:
    return np.array([letter == "x" for letter in pattern], dtype=bool)


class TestFillMissing:
    @pytest.mark.parametrize(
        ("pattern", "rows"),
        [
            ("xxx", [0, 1, 2]),
            ("..xx", [None, None, 0, 1]),
            ("x..x.", [0, 0, 0, 1, 1]),
            (".x..xx..", [None, 0, 0, 0, 1, 2, 2, 2]),
            ("...", [None, None, None]),
            ("", []),
        ],
    )
    def test_leading_frames_are_minus_five_and_others_hold_the_last_prediction(self, pattern, rows):
        found = bools(pattern)
        values = np.arange(2 * found.sum(), dtype=np.float32).reshape(-1, 2) / 10
        expected = [(NO_FACE, NO_FACE) if row is None else tuple(values[row]) for row in rows]
        filled = fill_missing(values, found)
        assert filled.dtype == np.float32
        np.testing.assert_array_equal(filled, np.array(expected, np.float32).reshape(-1, 2))

    @pytest.mark.parametrize("shape", [(1, 2), (3, 2), (2,), (2, 3)])
    def test_values_that_do_not_belong_to_the_frames_are_refused(self, shape):
        with pytest.raises(ValueError, match=r"values: expected shape \(2, 2\)"):
            fill_missing(np.zeros(shape), bools("x.x"))


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("", []),
        ("...", []),
        ("xxx", [(0, 3)]),
        ("x..xx.x", [(0, 1), (3, 5), (6, 7)]),
        (".xx.", [(1, 3)]),
    ],
)
def test_runs_are_the_stretches_of_true(pattern, expected):
    assert runs(bools(pattern)) == expected
