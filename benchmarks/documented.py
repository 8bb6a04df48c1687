"""Results that a page of the documentation shows as tables: their JSON, and a table's lines.

And what else a page holds that is run: its commands.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from benchmarks.machine import machine, versions
from mimamo.errors import InputError
from mimamo.files import output_folder, replacing
from mimamo.locks import locked

_STARTS = ("make ", "mimamo ", "torchrun ", "pip ", "python ", "tensorboard ", "for ")
_LOOP = re.compile(r"for (\w+) in (.*?); do\n(.*?)done\n", re.S)


def here() -> dict[str, Any]:
    """On what it was measured."""
    return {"machine": machine("cpu"), "versions": versions()}


@contextmanager
def kept(path: Path) -> Iterator[None]:
    """Keep a file of results to this command: another that adds to it would lose what this adds.

    An InputError within, as where another has it, ends the command with one line and status 2.
    """
    try:
        with locked(output_folder(path.parent), [path.name]):
            yield
    except InputError as error:
        print(f"benchmarks: error: {error}", file=sys.stderr)
        raise typer.Exit(2) from error


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


def blocks(page: Path) -> list[tuple[str, str]]:
    """The fenced blocks of a page: language and text."""
    return re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)


def commands(page: Path) -> list[str]:
    """Every command of a page, loops unrolled and comments gone."""
    found: list[str] = []
    for language, text in blocks(page):
        if language not in ("", "sh") or (
            not re.match(r"[A-Z_]+=", text) and not text.startswith(_STARTS)
        ):
            continue
        text = _LOOP.sub(lambda m: "".join(m[3].replace(f"${m[1]}", x) for x in m[2].split()), text)
        found += [line.split("  #")[0].strip() for line in text.replace("\\\n", "").splitlines()]
    return [line for line in found if line]


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table as Markdown."""
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
