"""Stored results: what is committed is whole, and what is not whole is refused."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import compare
from benchmarks.results import RESULTS, Result, circumstances, newest
from benchmarks.rows import Measured, Row
from benchmarks.suites import Settings
from mimamo.errors import InputError

COMMITTED = sorted(RESULTS.rglob("*.json"))
ROW = Row(
    id="phase/full/strong", work="windows", against="a peer", size="64x48x48", threads=2,
    ours=Measured(0.001, 0.0001, 100, 1e-6, 0.01), peer=Measured(0.02, 0.001, 50),
    ratio=20.5, ratio_low=20.0, ratio_high=21.0, target=20.0,
)  # fmt: skip


def make(rows: list[Row], suite: str = "phase", quick: bool = False) -> Result:
    load = {"before": [0.1, 0.1, 0.1], "after": [1.0, 0.5, 0.2]}
    known = circumstances(Settings(quick=quick))
    return Result(suite=suite, rows=tuple(rows), inputs={"clip": "a"}, load=load, **known)


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_what_is_committed(path: Path):
    result = Result.load_from(path)
    assert path.relative_to(RESULTS) == result.path
    assert not result.quick
    assert result.commit["id"]
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"[\"' ](/|~|[A-Z]:\\)\w", text), "a path"
    for row in result.rows:
        timed = [side for side in (row.ours, row.peer) if side and row.unit == "s"]
        assert all(side.median > 0 for side in timed)
        exact = {"phase": 5e-5, "pyramid": 1e-6}.get(result.suite)
        if exact and row.ours and row.ours.error is not None:
            assert row.ours.error < exact
            assert (row.ours.left_out or 0) < 0.01
    assert result.commit["changed"] is False


def test_a_result_survives_saving(tmp_path):
    result = make([ROW])
    result.save(tmp_path / "result.json")
    assert Result.load_from(tmp_path / "result.json") == result
    assert result.path.parts[0] == result.versions["phasenet"]
    assert re.fullmatch(r"phase--[a-z0-9-]+--cpu\.json", result.path.name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.update(host="name"), "host"),
        (lambda data: data.update(schema=2), "schema"),
        (lambda data: data.update(date="yesterday"), "yesterday"),
        (lambda data: data["machine"].pop("cpu"), "cpu"),
        (lambda data: data["rows"].append(data["rows"][0]), "distinct ids"),
        (lambda data: data["rows"][0].update(reached=False), "reached"),
        (lambda data: data["rows"][0].update(ratio=float("nan")), "ratio"),
        (lambda data: data["rows"][0].update(gap="no reason"), "gap"),
        (lambda data: data["rows"][0].update(unit="hours"), "unit"),
        (lambda data: data["rows"][0]["ours"].update(runs=0), "runs"),
        (lambda data: data["load"].update(after=[-3.0, 0.0, 0.0]), r"load\.after"),
        (lambda data: data["rows"][0].update(error_bar="small"), "error_bar"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, change, message):
    path = tmp_path / "result.json"
    make([ROW]).save(path)
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match=rf"result\.json.*{message}"):
        Result.load_from(path)


def test_a_row_without_a_number_needs_a_reason():
    numberless = {"ours": None, "ratio": None, "ratio_low": None, "ratio_high": None}
    gap = Row.from_dict({**ROW.to_dict(), **numberless, "gap": "not installed", "reached": None})
    assert gap.reached is None
    with pytest.raises(ValueError, match="gap"):
        Row.from_dict({**ROW.to_dict(), **numberless, "reached": None})


@pytest.mark.parametrize(
    ("kind", "ratio", "target", "reached"),
    [
        ("speedup", 3.0, 3.0, True), ("speedup", 2.9, 3.0, False), ("cost", 1.1, 1.1, True),
        ("cost", 1.2, 1.1, False), ("share", 0.02, 0.03, True), ("speedup", 5.0, None, None),
    ],
)  # fmt: skip
def test_whether_a_target_is_reached(kind, ratio, target, reached):
    data = ROW.to_dict() | {"kind": kind, "ratio": ratio, "target": target, "reached": reached}
    assert Row.from_dict(data).reached is reached


def test_nothing_wrong_reaches_a_target():
    data = ROW.to_dict() | {"error_bar": 1e-5}
    assert Row.from_dict(data).reached
    data["ours"] |= {"error": 2e-5}
    with pytest.raises(ValueError, match="reached"):
        Row.from_dict(data)
    row = Row.from_dict(data | {"reached": False})
    assert row.wrong
    assert not row.reached


GAP = replace(
    ROW, ours=None, peer=None, ratio=None, ratio_low=None, ratio_high=None, gap="not installed"
)
WRONG = replace(ROW, ours=replace(ROW.ours, error=1e-3), error_bar=1e-5)
OTHER = replace(ROW, id="phase/other")


@pytest.mark.parametrize(
    ("old", "new", "worse"),
    [
        ([ROW], [ROW], False),
        ([ROW], [GAP], True),
        ([ROW], [WRONG], True),
        ([ROW, OTHER], [ROW], True),
        ([ROW], [ROW, OTHER], False),
        ([GAP], [GAP], False),
    ],
    ids=["same", "a gap now", "wrong", "gone", "one more", "a gap as before"],
)
def test_what_is_worse(old, new, worse):
    before, after = make(old), make(new)
    assert bool(compare.worse(before, after, 1.25)) == worse


@pytest.mark.parametrize(
    ("kind", "ratio", "worse"),
    [("speedup", 0.5, True), ("speedup", 2.0, False), ("cost", 0.5, False), ("cost", 2.0, True)],
)
def test_on_another_machine_ratios_are_compared(kind, ratio, worse):
    row = replace(ROW, kind=kind)
    now = replace(row, **dict.fromkeys(("ratio_low", "ratio", "ratio_high"), ratio * row.ratio))
    before, after = make([row]), make([now])
    assert not compare.worse(before, after, 1.25)
    other = replace(after, threads=after.threads + 1)
    assert bool(compare.worse(before, other, 1.25)) == worse


def test_nothing_to_compare_is_an_error():
    with pytest.raises(InputError, match="a quick run"):
        compare.worse(make([ROW]), make([replace(ROW, size="8x48x48")]), 1.25)


def test_the_newest_of_each_suite_counts(tmp_path):
    old, new, quick, other = (
        make([ROW]), make([ROW]), make([ROW], quick=True), make([ROW], suite="pyramid")
    )  # fmt: skip
    dates = ("2020-01-01T00:00:00+00:00", "2021-01-01T00:00:00+00:00", "2022-01-01T00:00:00+00:00")
    for index, (result, date) in enumerate(zip((old, new, quick), dates, strict=True)):
        dated = copy.copy(result)
        object.__setattr__(dated, "date", date)
        (tmp_path / str(index)).mkdir()
        dated.save(tmp_path / str(index) / "phase.json")
    other.save(tmp_path / "0" / "pyramid.json")
    assert [result.suite for result in newest(tmp_path)] == ["phase", "pyramid"]
    assert newest(tmp_path)[0].date == dates[1]
