"""The CSV file of a video's predictions, and what frames without a face are given."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from support.predictions import read_predictions

from mimamo.errors import InputError
from mimamo.faces.observe import Faces
from mimamo.predict.outputs import is_result
from mimamo.predict.table import (
    NO_FACE,
    Predictions,
    fill_missing,
    runs,
    write_predictions,
)

HEADER = "frame,time,face_found,valence,arousal,face,x0,y0,x1,y1,score"


class TestWrite:
    def test_bytes_are_the_documented_format(self, tmp_path):
        table = Predictions(
            times=np.array([0.0, 1 / 30, 1 / 30, 2 / 30]),
            face=np.array([0, 1, 3, 0]),
            values=np.array([[-5, -5], [0.25, -1e-9], [1, 2], [0.25, -1e-9]], np.float32),
            frames=np.array([0, 1, 1, 2]),
        )
        boxes = np.full((4, 4), np.nan, np.float32)
        boxes[1] = 1, -2, 30.125, 4
        faces = Faces(boxes, np.zeros((4, 5, 2)), np.array([0, 0.75, 1, 0], np.float32))
        write_predictions(tmp_path / "a.csv", table, faces)
        assert (tmp_path / "a.csv").read_bytes() == (
            b"frame,time,face_found,valence,arousal,face,x0,y0,x1,y1,score\n"
            b"1,0.000000,0,-5.000000,-5.000000,0,,,,,\n"
            b"2,0.033333,1,0.250000,0.000000,1,1.00,-2.00,30.12,4.00,0.7500\n"
            b"2,0.033333,1,1.000000,2.000000,3,,,,,1.0000\n"
            b"3,0.066667,0,0.250000,0.000000,0,,,,,\n"
        )
        assert (table.frame_count, table.seen_frames) == (3, 1)
        assert table.numbers.tolist() == [1, 3]
        assert list(table.rows_of_frames()) == [range(1), range(1, 3), range(3, 4)]

    def test_a_file_in_place_of_the_folder_is_an_input_error(self, tmp_path, predictions):
        (tmp_path / "file").write_text("")
        with pytest.raises(InputError, match="file"):
            write_predictions(tmp_path / "file" / "a.csv", predictions("x"))

    def test_arrays_that_do_not_fit_each_other_are_refused(self):
        with pytest.raises(ValueError, match=r"values \[T, 2\]"):
            Predictions(np.zeros(3), np.zeros(3, int), np.zeros((2, 2), np.float32))


@pytest.mark.parametrize("pattern", ["..xx.x", "x", "....", ""])
def test_what_was_written_can_be_read(tmp_path, predictions, pattern):
    written = predictions(pattern, fps=29.97, scale=1.7)
    write_predictions(tmp_path / "a.csv", written)
    read = read_predictions(tmp_path / "a.csv")
    np.testing.assert_allclose(read.times, written.times, atol=5.1e-7)
    np.testing.assert_array_equal(read.found, written.found)
    np.testing.assert_allclose(read.values, written.values, atol=6e-7)


class TestIsResult:
    def test_only_the_exact_header_counts(self, tmp_path, predictions):
        path = tmp_path / "a.csv"
        assert not is_result(path)
        for text in ("", "frame,time\n", f"{HEADER},extra\n", f" {HEADER}\n"):
            path.write_text(text)
            assert not is_result(path), text
        write_predictions(path, predictions("x."))
        assert is_result(path)
        assert not is_result(tmp_path)


def test_known_begins_with_the_first_face(predictions):
    np.testing.assert_array_equal(predictions("..x.x").known, [False, False, True, True, True])


@pytest.mark.parametrize(("scale", "limit"), [(0.5, 1.0), (0.0, 1.0), (2.0, None)])
def test_the_axis_limit_is_one_or_holds_all_values(predictions, scale, limit):
    made = predictions("." + "x" * 40, scale=scale)
    farthest = np.abs(made.values[made.found]).max()
    assert made.axis_limit == limit if limit else farthest < made.axis_limit < 1.2 * farthest


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


def test_runs_of_numbers_are_of_one_each():
    assert runs(np.array([0, 1, 1, 2, 0, 2, 2])) == [(1, 3), (3, 4), (5, 7)]


def test_runs_do_not_reach_from_part_to_part():
    values, parts = np.array([1, 1, 1, 0, 2, 2]), np.array([0, 0, 1, 1, 1, 3])
    assert runs(values, parts) == [(0, 2), (2, 3), (4, 5), (5, 6)]


def test_parts_count_the_gaps_before_a_row(torn):
    assert torn.parts.tolist() == 5 * [0] + 10 * [1]
    assert replace(torn, gaps=[]).parts.tolist() == 15 * [0]
    late, ends = torn.times + 1, [(0.0, 1.0), (torn.times[-1] + 1, math.inf)]
    assert len(set(replace(torn, times=late, gaps=ends).parts)) == 1
