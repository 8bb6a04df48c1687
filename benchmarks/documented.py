"""Results that a page of the documentation shows as tables: their JSON, and a table's lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import machine, versions
from mimamo.errors import InputError
from mimamo.files import output_folder, replacing


def here() -> dict[str, Any]:
    """On what it was measured."""
    return {"machine": machine("cpu"), "versions": versions()}


def save(path: Path, content: Mapping[str, Any]) -> None:
    """Write results as JSON, whole or not at all."""
    output_folder(path.parent)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def load(
    path: Path, keys: Iterable[str], tables: Callable[[dict[str, Any]], Mapping[str, str]]
) -> dict[str, Any]:
    """Read what `save` wrote, with these keys, of which `tables` can be made.

    Raises InputError, naming the file, if it is something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        whole = content.keys() >= set(keys) and bool(tables(content))
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: expected results of this command: {error}") from error
    if not whole:
        raise InputError(f"{path}: expected results of this command")
    return content


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table as Markdown."""
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
