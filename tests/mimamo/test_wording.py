"""Lines count what they tell of: "1 frame", "2 frames"."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

import mimamo
from mimamo.progress import counted

ROOT = Path(mimamo.__file__).parent
# After a number, with up to two words between; a rate ("frames/s") is a unit.
MANY = re.compile(
    r" (?:(?!of |in )[a-z]+ ){0,2}(?:"
    r"clips|columns|cuts|epochs|faces|features|files|films|folders|folds|frames|"
    r"images|levels|lines|networks|outputs|people|pictures|places|processes|rows|scenes|steps|"
    r"streams|subjects|videos|words)\b(?!/)"
)
TEXTS = {"extract/source.py"}  # what is hashed there must stay as it is


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
    paths = {path.relative_to(ROOT).as_posix(): path for path in ROOT.rglob("*.py")}
    found = {name: [*uncounted(path.read_text("utf-8"))] for name, path in paths.items()}
    assert {name for name, lines in found.items() if lines} == TEXTS, found


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
