"""What the documentation's own extensions make of help and of formulas."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Annotated, Any

import pytest
import typer

ROOT = Path(__file__).resolve().parents[2]


def extension(name: str, needs: str) -> ModuleType:
    pytest.importorskip(needs, reason=f"{needs} is not installed (extra: docs)")
    spec = importlib.util.spec_from_file_location(name, ROOT / f"docs/extensions/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_command_as_a_table() -> None:
    commands = extension("commands", "sphinx")

    def call(
        films: Annotated[list[Path], typer.Argument(metavar="FILM", help="Films.")],
        smooth: Annotated[
            str, typer.Option(metavar="N|auto", help="Of <name>, see --whole|--stride.")
        ] = "0",
    ) -> None:
        """Say what <it> does."""

    app = typer.Typer(add_completion=False)
    app.command()(call)
    command = typer.main.get_command(app)
    with command.make_context("call", [], resilient_parsing=True) as context:
        lines = commands.section("call", command, context).splitlines()
    assert lines[:3] == ["## mimamo call", "", r"Say what \<it> does."]
    assert "| `FILM` | Films. [required] |" in lines
    (row,) = [line for line in lines if line.startswith("| `--smooth")]
    assert row.startswith(r"| `--smooth N\|auto` | Of \<name>, see `--whole`\|`--stride`.")


def test_formulas() -> None:
    mathml = extension("mathml", "latex2mathml")
    from docutils import nodes

    body: list[str] = []
    writer: Any = SimpleNamespace(body=body)
    for write in (mathml.inline, mathml.block):
        with pytest.raises(nodes.SkipNode):
            write(writer, nodes.math("", "x^2"))
    assert ['display="block"' in part for part in body] == [False, True]
    assert all("<math" in part and "<mi>x</mi>" in part for part in body)
