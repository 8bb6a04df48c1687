"""The reference of the commands, from their own help at the time the pages are read.

``{mimamo-commands}`` is a section for every command of ``mimamo``; ``{command-help} MODULE``, or
``{command-help} MODULE COMMAND``, is what ``python -m MODULE COMMAND --help`` prints.
"""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import typer
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).resolve().parents[2]


def markdown(text: str) -> str:
    """Help as Markdown: options as code, and nothing in it taken for HTML or a table's cell."""
    text = re.sub(r"(?<![\w`-])--[a-z][a-z-]*", r"`\g<0>`", text)
    return text.replace("<", r"\<").replace("|", r"\|")


def section(name: str, command: Any, context: Any) -> str:
    """A command of ``mimamo`` as Markdown: what it does, how it is called, what it takes."""
    usage = " ".join(context.get_usage().removeprefix("Usage:").split())
    lines = [f"## mimamo {name}", "", markdown(inspect.cleandoc(command.help or "")), ""]
    lines += ["```text", usage, "```", "", "| argument | meaning |", "|---|---|"]
    for parameter in command.get_params(context):
        if record := parameter.get_help_record(context):
            given, meaning = (" ".join(part.split()) for part in record)
            if parameter.param_type_name == "argument":
                given = given.partition(" <")[0]  # Python's name of its type
            given = given.replace("|", r"\|")  # a table's cell would end there
            lines.append(f"| `{given}` | {markdown(meaning)} |")
    return "\n".join([*lines, ""])


class MimamoCommands(SphinxDirective):
    """Every command of ``mimamo``."""

    def run(self) -> list[nodes.Node]:
        from mimamo.cli import app

        group = typer.main.get_command(app)
        with group.make_context("mimamo", [], resilient_parsing=True) as parent:
            text = "\n".join(
                section(name, command, command.context_class(command, parent, name))
                for name, command in group.commands.items()
            )
        return self.parse_text_to_nodes(text, allow_section_headings=True)


class CommandHelp(SphinxDirective):
    """The help of a module that is a command."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        done = subprocess.run(
            [sys.executable, "-m", *self.arguments[0].split(), "--help"],
            cwd=ROOT,
            env={**os.environ, "COLUMNS": "90", "TYPER_USE_RICH": "0"},
            capture_output=True,
            text=True,
            check=True,
        )
        return [nodes.literal_block(done.stdout, done.stdout.strip(), language="text")]


def setup(app: Any) -> dict[str, Any]:
    app.add_directive("mimamo-commands", MimamoCommands)
    app.add_directive("command-help", CommandHelp)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
