"""Lines count what they tell of: "1 frame", "2 frames"."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

import mimamo
import phasenet
from mimamo.progress import counted

PACKAGES = [Path(package.__file__).parent for package in (mimamo, phasenet)]
CSRC = Path(__file__).parents[2] / "csrc"
# After a number, with up to two words between; a rate ("frames/s") is a unit.
MANY = re.compile(
    r" (?:(?!of |in )[a-z]+ ){0,2}(?:"
    r"bands|checks|clips|columns|cores|cuts|differences|dimensions|elements|epochs|faces|features|"
    r"files|films|folders|folds|frames|frequencies|gaps|images|levels|lines|networks|numbers|"
    r"octaves|orientations|outputs|parts|people|pictures|places|planes|points|processes|"
    r"rows|scales|scenes|sections|steps|streams|subjects|threads|values|videos|windows|"
    r"words)\b(?!/)"
)
# A text after a value, in the list of what makes a message of C++.
JOINED = re.compile(r",\s*\"" + MANY.pattern)
TEXTS = {"mimamo/extract/source.py"}  # what is hashed there must stay as it is


def uncounted(source: str) -> Iterator[int]:
    """The lines where a number that may be 1 has a noun for many after it."""
    for node in ast.walk(ast.parse(source)):
        parts = node.values if isinstance(node, ast.JoinedStr) else []
        for number, text in pairwise(parts):
            if not isinstance(number, ast.FormattedValue) or not isinstance(text, ast.Constant):
                continue
            names = [x.id for x in ast.walk(number.value) if isinstance(x, ast.Name)]
            is_constant = names and all(name.isupper() for name in names)
            has_digits = number.format_spec and ast.unparse(number.format_spec).endswith("f'")
            if not (is_constant or has_digits) and MANY.match(text.value):
                yield number.lineno


@pytest.mark.parametrize(
    ("number", "words", "text"),
    [
        (0, ("frame",), "0 frames"),
        (1, ("frame",), "1 frame"),
        (2, ("frame",), "2 frames"),
        (1, ("person", "people"), "1 person"),
        (3, ("person", "people"), "3 people"),
        ("1", ("frame",), "1 frame"),
        ("1.5", ("frame",), "1.5 frames"),
    ],
)
def test_one_is_told_apart(number, words, text):
    assert counted(number, *words) == text


def test_no_number_has_a_noun_of_its_own():
    paths = {f"{root.name}/{path.relative_to(root).as_posix()}": path
             for root in PACKAGES for path in root.rglob("*.py")}  # fmt: skip
    found = {name: [*uncounted(path.read_text("utf-8"))] for name, path in paths.items()}
    assert {name for name, lines in found.items() if lines} == TEXTS, found


def test_nor_has_one_in_messages_of_the_operators():
    paths = [
        path for path in CSRC.rglob("*") if path.suffix in {".cpp", ".h", ".inl", ".cu", ".cuh"}
    ]
    assert len(paths) > 20
    found = {path.name: JOINED.findall(path.read_text("utf-8")) for path in paths}
    assert {name: texts for name, texts in found.items() if texts} == {}
    assert JOINED.search('"no transform of ", size, " values");')


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ('f"{n} frames"', [1]),
        ('f"{n} more other faces, {m} s"', [1]),
        ('f"{len(x)} videos"', [1]),
        ('f"{n} frames/s"', []),
        ('f"{n:.1f} frames a second"', []),
        ('f"{n:.4g} frames a second"', [1]),
        ('f"at most {MOST} frames"', []),
    ],
)
def test_the_search_finds_what_it_is_for(source, lines):
    assert [*uncounted(source)] == lines
