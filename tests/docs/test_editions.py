"""Every edition's chain is what was run, by one command, with the commands of the page."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import typer

from mimamo import InputError
from mimamo.demo.synth.editions import EDITIONS, SAMPLE
from mimamo.demo.synth.first_edition import YEAR

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))

from benchmarks import editions  # noqa: E402

STEPS = ["synth", "data", "extract", "train", "crossval", "evaluate", "submit"]


def test_the_table_is_that_of_the_stored_results() -> None:
    content = editions.load(editions.RESULT)
    assert editions.table(content) in editions.PAGE.read_text(encoding="utf-8")
    assert content["added"] == editions.SMALLER


def test_the_stored_results_are_of_the_pages_commands_and_all_is_well() -> None:
    rows = editions.load(editions.RESULT)["rows"]
    assert [[step["command"] for step in row["steps"]] for row in rows] == editions.chains()
    for row in rows:
        assert [step["command"].split()[1] for step in row["steps"]] == STEPS
        assert editions.is_right(row)
        assert row["submission"]["rows"] == row["submission"]["expected"] > 0
    assert [row["found"].split()[-1] for row in rows] == [str(x) for x in (YEAR, *EDITIONS)]
    assert [row["submission"]["by"] == "sample" for row in rows] == [False] * 4 + [True] * 3


def test_a_command_that_fails_ends_its_chain(tmp_path: Path, monkeypatch, capsys) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(editions, "mimamo", lambda words: ran.append(words) or len(ran) // 3)
    chain = editions.chains()[1]
    row = editions.measure(tmp_path, chain)
    assert [step["status"] for step in row["steps"]] == [0, 0, 1]
    assert ran[0][-6:] == editions.SMALLER["synth"]
    assert (row["found"], row["sets"], editions.is_right(row)) == ("nothing", {}, False)
    assert "| nothing |  |  |  |  | 0, 0, 1 | none |" in editions.table({"rows": [row]})
    assert capsys.readouterr().out.splitlines()[2] == f"{chain[2]}: exit status 1"


@pytest.mark.parametrize(
    ("rows", "wrong"),
    [
        (["a/1.jpg,0.5,-1", "b/2.jpg,-5,-5"], 0),
        (["b/2.jpg,0,0", "a/1.jpg,0,0"], 2),
        (["a/1.jpg,0,0"], 1),
        (["a/1.jpg,0,0", "b/2.jpg,0,0", "b/3.jpg,0,0"], 1),
        (["a/1.jpg,0,1.5", "b/2.jpg,-5,0"], 2),
    ],
)
def test_a_submission_is_compared_with_its_sample(tmp_path: Path, rows: list, wrong: int) -> None:
    header = "image_location,valence,arousal"
    (tmp_path / SAMPLE).write_text(f"{header}\na/1.jpg,,\nb/2.jpg,,\n")
    (tmp_path / "sent").mkdir()
    (tmp_path / "sent/predictions.txt").write_text("\n".join([header, *rows]) + "\n")
    assert editions.compared(tmp_path / "sent", tmp_path) == {
        "rows": len(rows), "expected": 2, "by": "sample", "wrong": wrong,
    }  # fmt: skip


def test_what_is_there_is_not_written_over(tmp_path: Path, capsys) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(typer.Exit):
        editions.main(tmp_path, tmp_path / "r.json")
    assert "expected a new or empty folder, got one with files in it" in capsys.readouterr().err
    for text in ("{", "[]", json.dumps({"added": {}, "rows": [{}]})):
        (tmp_path / "r.json").write_text(text)
        with pytest.raises(InputError, match=r"^.+r\.json: expected"):
            editions.load(tmp_path / "r.json")


@pytest.mark.slow
def test_it_is_so_again(tmp_path: Path) -> None:
    editions.main(tmp_path / "out", tmp_path / "r.json")
    stored = editions.load(editions.RESULT)["rows"]
    assert editions.load(tmp_path / "r.json")["rows"] == stored
