"""The documents' tables and the picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import phasenet
from benchmarks.report import BEGIN, CHOSEN, END, by_machine, chosen, full, main
from benchmarks.results import Result, circumstances, newest
from benchmarks.rows import Measured, Row
from benchmarks.suites import Settings

ROOT = Path(__file__).parents[2]
TIME = Measured(0.001, 0.0001, 100, 1e-6, 0.01)
WON = Row(
    "a/won", "windows", "a peer", "64 frames", 2, ours=TIME, peer=TIME,
    ratio=25.0, ratio_low=24.0, ratio_high=26.0, target=20.0,
)  # fmt: skip
LOST = replace(WON, id="a/lost", work="pyramid", ratio=0.5, target=3.0)
UNAIMED = replace(WON, id="a/unaimed", against="an extra", target=None)
GAP = Row("a/gap", "windows", "a missing peer", "64 frames", 2, target=3.0, gap="not installed")


def make(*rows: Row) -> Result:
    load = {"before": [0.0, 0.0, 0.0], "after": [1.0, 0.1, 0.0]}
    known = circumstances(Settings())
    return Result(suite="phase", rows=rows, inputs={}, load=load, **known)


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    result = make(WON, LOST, UNAIMED, GAP)
    result.save(tmp_path / "results" / "0" / "phase.json")
    return tmp_path


def report(folder: Path) -> int:
    names = {"results": "results", "readme": "README.md", "page": "page.md"}
    return main([word for name, at in names.items() for word in (f"--{name}", str(folder / at))])


def test_only_what_is_between_the_markers_changes(stored):
    readme, page = stored / "README.md", stored / "page.md"
    for path in (readme, page):
        path.write_text(f"# Title\n{BEGIN}\nold\n{END}\nThe end.\n")
    for _ in range(2):  # the second time it replaces its own table
        assert report(stored) == 0
        for path in (readme, page):
            text = path.read_text()
            assert text.startswith(f"# Title\n{BEGIN}\n")
            assert text.endswith(f"\n{END}\nThe end.\n")
            assert "old" not in text
        assert text.count("| windows | a peer |") == 1
    assert "**25x** (24x to 26x) | ≥ 20x, reached" in text
    assert "**0.5x** (24x to 26x) | ≥ 3x, missed" in text
    assert "gap: not installed" in text
    assert text.index("a missing peer") < text.index("Without a target") < text.index("an extra")
    assert "a missing peer" not in readme.read_text()


def test_a_file_without_markers_is_named(stored, capsys):
    (stored / "page.md").write_text("# Title\n")
    assert report(stored) == 2
    assert "page.md: expected lines" in capsys.readouterr().err
    assert (stored / "page.md").read_text() == "# Title\n"


def test_the_machine_measured_last_comes_first():
    result = make(WON)
    early = replace(result, date="2026-01-01T00:00:00+00:00")
    late = replace(
        result,
        date="2026-01-02T00:00:00+00:00",
        machine={**result.machine, "instruction_set": "late"},
        rows=(LOST,),
    )
    for found in ([early, late], [late, early]):
        machines = by_machine(found)
        assert [suites[0].machine_name for suites in machines] == [
            late.machine_name, early.machine_name,
        ]  # fmt: skip
        text = full(machines)
        assert text.index("missed") < text.index("reached")
        assert f"## {early.machine_name}, cpu" in text


def test_nothing_stored_is_an_error(tmp_path, capsys):
    assert report(tmp_path) == 2
    assert "found none" in capsys.readouterr().err


def between(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    assert BEGIN in text
    assert END in text
    return text.partition(BEGIN)[2].partition(END)[0]


def test_the_documents_show_what_is_stored():
    """The newest committed results and nothing else; `python -m benchmarks.report` puts them in."""
    machines = by_machine(newest())
    assert between(ROOT / "docs" / "explanation" / "benchmarks.md") == f"\n{full(machines)}\n"
    assert between(ROOT / "README.md") == f"\n{chosen(machines[0])}\n"
    ids = {row.id for result in machines[0] for row in result.rows}
    assert set(CHOSEN) <= ids


def test_every_suite_is_stored_for_this_version():
    """Whole runs on a CPU, all suites of the README's table on one machine at least."""
    stored: dict[str, set[str]] = {}
    for result in newest():
        if result.device == "cpu" and result.versions["phasenet"] == phasenet.__version__:
            stored.setdefault(result.machine_name, set()).add(result.suite)
    wanted = {"phase", "pyramid", "predict", "train"}
    assert any(wanted <= suites for suites in stored.values()), stored
