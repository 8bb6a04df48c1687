"""The README's Python snippets."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"


def snippets() -> list[str]:
    return re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def test_the_first_snippet_runs():
    names: dict[str, object] = {}
    exec(snippets()[0], names)
    assert names["level1"].shape == (64, 24, 48, 48)
    assert names["level2"].shape == (64, 24, 24, 24)
    assert names["images"].shape == (3, 201, 300)


@pytest.mark.parametrize("snippet", snippets()[1:])
def test_other_snippets_import_what_exists(snippet):
    imports = re.findall(r"^from (\S+) import (.+)$", snippet, re.MULTILINE)
    assert imports
    for module, names in imports:
        for name in names.split(", "):
            assert hasattr(importlib.import_module(module), name)
