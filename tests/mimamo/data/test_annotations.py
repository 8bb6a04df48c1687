"""Annotation files: what is read, what is refused, and how frames find their line."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from mimamo import InputError
from mimamo.data import Problems
from mimamo.data.annotations import check_length, match_annotations, read_annotations

HEADER = "valence,arousal"


@pytest.fixture
def annotation(tmp_path: Path) -> Path:
    return tmp_path / "video.txt"


class TestReadAnnotations:
    def test_one_row_per_frame(self, annotation: Path) -> None:
        annotation.write_text(f"{HEADER}\n0.5,-0.25\n-1,1\n0,0.0\n")
        values = read_annotations(annotation)
        assert values.dtype == np.float32
        assert values.tolist() == [[0.5, -0.25], [-1, 1], [0, 0]]

    def test_a_frame_with_one_or_two_values_missing_is_not_annotated(
        self, annotation: Path
    ) -> None:
        annotation.write_text(f"{HEADER}\n-5,-5\n-5,0.5\n0.5,-5.0\n0.1,0.2\n")
        assert np.isnan(read_annotations(annotation)).tolist() == [
            [True, True],
            [True, True],
            [True, True],
            [False, False],
        ]

    @pytest.mark.parametrize(
        "content",
        [
            f"{HEADER}\r\n0.5,-0.25\r\n",
            f"{HEADER}\n0.5,-0.25",
            f"{HEADER}\n0.5,-0.25\n\n",
            f"\ufeff{HEADER}\n0.5,-0.25\n",
            "valence, arousal\n 0.5 , -0.25\n",
        ],
        ids=["windows", "no final newline", "blank last line", "byte order mark", "spaces"],
    )
    def test_what_text_editors_do_is_harmless(self, annotation: Path, content: str) -> None:
        annotation.write_bytes(content.encode())
        assert read_annotations(annotation).tolist() == [[0.5, -0.25]]

    def test_a_header_alone_is_a_video_of_no_frames(self, annotation: Path) -> None:
        annotation.write_text(f"{HEADER}\n")
        assert read_annotations(annotation).shape == (0, 2)

    @pytest.mark.parametrize(
        "line",
        ["", "0.5", "0.5,", "0.5,0.5,0.5", "0.5;0.5", "a,b", "1.01,0", "0,-2", "nan,0", "inf,0"],
    )
    def test_a_malformed_line_is_named(self, annotation: Path, line: str) -> None:
        annotation.write_text(f"{HEADER}\n0,0\n0,0\n{line}\n0,0\n")
        with pytest.raises(InputError) as error:
            read_annotations(annotation)
        message = str(error.value)
        assert message.startswith(f"{annotation}:4: expected valence,arousal")
        assert repr(line) in message
        assert "\n" not in message

    @pytest.mark.parametrize("content", ["", "0.5,0.5\n", "arousal,valence\n0.5,0.5\n"])
    def test_a_missing_header_is_named(self, annotation: Path, content: str) -> None:
        annotation.write_text(content)
        with pytest.raises(InputError, match=r"video\.txt:1: expected the header"):
            read_annotations(annotation)

    def test_a_file_that_is_no_text(self, annotation: Path) -> None:
        annotation.write_bytes(b"\x89PNG\xff\xfe")
        with pytest.raises(InputError, match=r"video\.txt: expected a text file"):
            read_annotations(annotation)

    def test_a_missing_file(self, annotation: Path) -> None:
        with pytest.raises(InputError, match=r"video\.txt: cannot be read: No such file"):
            read_annotations(annotation)


class TestMatchAnnotations:
    def test_each_image_gets_the_annotation_of_its_frame(self) -> None:
        annotations = np.array([[0.0, 0.0], [0.1, -0.1], [0.2, -0.2], [0.3, -0.3]], np.float32)
        matched = match_annotations(annotations, [1, 3])
        assert np.array_equal(matched, annotations[[1, 3]])

    def test_images_past_the_annotations_are_not_annotated(self) -> None:
        matched = match_annotations(np.zeros((3, 2), np.float32), [2, 3, 9])
        assert np.isnan(matched).any(axis=1).tolist() == [False, True, True]


class TestLenient:
    def test_malformed_lines_are_told_and_not_annotated(self, annotation: Path) -> None:
        annotation.write_text(f"{HEADER}\n0.1,0.2\n2,0\n0.3,x\n0.5,0.6\n")
        problems = Problems()
        values = read_annotations(annotation, problems)
        assert np.isnan(values[:, 0]).tolist() == [False, True, True, False]
        np.testing.assert_allclose(values[[0, 3]], [[0.1, 0.2], [0.5, 0.6]], atol=1e-6)
        assert [line.partition(": ")[0] for line in problems.lines] == [
            f"{annotation}:3",
            f"{annotation}:4",
        ]

    def test_a_missing_header_stays_an_error(self, annotation: Path) -> None:
        annotation.write_text("0.1,0.2\n")
        with pytest.raises(InputError, match=r"video\.txt:1: expected the header"):
            read_annotations(annotation, Problems())


class TestCheckLength:
    @pytest.mark.parametrize(
        ("lines", "frames", "message"),
        [
            (5, 5, None),
            (5, 7, r":6: shorter than the frames: it ends after 5 of 7 frames \(last"),
            (7, 5, r":7: longer than the frames: 2 annotated lines after .* frame, 5 \(last"),
        ],
    )
    def test_against_the_frames(
        self, annotation: Path, lines: int, frames: int, message: str | None
    ) -> None:
        problems = Problems()
        check_length(annotation, np.zeros((lines, 2), np.float32), frames, "last", problems)
        assert len(problems.lines) == (message is not None)
        if message:
            assert re.search(message, problems.lines[0])

    def test_lines_without_annotation_may_go_on(self, annotation: Path) -> None:
        values = np.zeros((7, 2), np.float32)
        values[5:] = np.nan
        check_length(annotation, values, 5, "last", Problems(strict=True))
