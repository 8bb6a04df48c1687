"""The tables of the page on magnification are what was measured, by one command."""

from __future__ import annotations

import json
import mmap
from pathlib import Path

import numpy as np
import pytest

from benchmarks import magnification
from benchmarks.suites.memory import RESET
from mimamo import InputError

ROOT = Path(__file__).resolve().parents[2]


def test_the_tables_are_those_of_the_stored_results() -> None:
    text = (ROOT / "docs/explanation/magnification.md").read_text(encoding="utf-8")
    content = magnification.load(magnification.RESULT)
    for table in magnification.tables(content).values():
        assert table in text
    cases = {(row["kind"], row["pixels"], row["factor"]) for row in content["pictures"]}
    assert len(cases) == len(magnification.KINDS) * len(magnification.CASES)
    assert {row["seed"] for row in content["pictures"]} == set(magnification.SEEDS)


def test_every_case_is_one_that_filters_bear() -> None:
    for pixels, factor in magnification.CASES:
        assert 0.05 <= pixels <= 0.3
        assert 5 <= factor <= 30
        assert pixels * factor <= magnification.finest_of(pixels, factor) / 4


def test_what_is_measured(monkeypatch) -> None:
    monkeypatch.setattr(magnification, "KINDS", ("soft",))
    monkeypatch.setattr(magnification, "CASES", ((0.1, 5),))
    [row] = magnification.pictures([2], (48, 56))
    ours, *peers = (row["ways"][name] for name in magnification.WAYS)
    assert ours["factor"] == pytest.approx(5, rel=0.05)
    assert all(ours["psnr"] > x["psnr"] > row["psnr"] for x in peers)
    content = {"pictures": [row, row], "films": [], "memory": []}
    cells = magnification.tables(content)["pictures"].splitlines()[2]
    assert cells.startswith(f"| soft | 0.1 | 5 | {ours['factor']:.2f} | {ours['factor']:.2f} |")


@pytest.mark.skipif(not RESET.exists(), reason="only Linux tells it")
@pytest.mark.parametrize("taken", [0, 64 << 20])
def test_what_a_process_grows_by(taken, monkeypatch) -> None:
    def take(*_: object, **__: object) -> None:
        # Not by an allocator, which may have kept what other tests have left.
        np.frombuffer(mmap.mmap(-1, taken + 1), np.uint8)[:] = 1

    monkeypatch.setattr(magnification, "magnify_motion", take)
    assert taken <= magnification.grown("fir", True, (4, 4), 5) + (4 << 20) <= taken + (32 << 20)


def test_results_of_something_else_are_refused(tmp_path: Path) -> None:
    other = json.dumps({"pictures": [{"kind": "soft"}], "films": [], "memory": []})
    for text in ("{", "[]", other):
        (tmp_path / "m.json").write_text(text)
        with pytest.raises(InputError, match=r"^.+m\.json: expected results of this command"):
            magnification.load(tmp_path / "m.json")
