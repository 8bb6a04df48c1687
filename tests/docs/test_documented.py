"""Stored results of measurements are added to by one command at a time."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
import typer

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))

from benchmarks import ablation, documented, editions, recipes, whole_video  # noqa: E402


@pytest.mark.parametrize("command", [ablation, editions, recipes, whole_video])
def test_a_second_command_is_refused_and_does_nothing(
    tmp_path: Path, command: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    result = tmp_path / "r.json"
    with documented.kept(result), pytest.raises(typer.Exit):
        command.main(tmp_path / "out", result)
    message = f"benchmarks: error: {tmp_path}: another process is writing into it; wait for it"
    assert capsys.readouterr().err.startswith(message)
    assert list(tmp_path.iterdir()) == []


def test_other_results_beside_them_are_free(tmp_path: Path) -> None:
    with documented.kept(tmp_path / "a.json"), documented.kept(tmp_path / "b.json"):
        documented.save(tmp_path / "a.json", {"rows": []})
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_loops_of_a_page_are_unrolled(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```\nfor n in 1 2; do\n  mimamo data a-$n  # that\ndone\n```\n```json\n{}\n```\n"
    )
    assert documented.commands(page) == ["mimamo data a-1", "mimamo data a-2"]
