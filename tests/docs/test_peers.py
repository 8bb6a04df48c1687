"""Every row of the page for those who come from plenoptic or pyrtools, both sides of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

PAGE = (Path(__file__).resolve().parents[2] / "docs/howto/peers.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(.*?)` \| `(.*?)` \|$", PAGE, re.MULTILINE)


@pytest.fixture(scope="module")
def names():
    for peer in ("plenoptic", "pyrtools"):
        pytest.importorskip(peer, reason=f"{peer} is not installed (extra: test or benchmark)")
    (setup,) = re.findall(r"^```py\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    known = {"x": torch.rand(1, 1, 64, 96, dtype=torch.float64), "a": 0.3}
    exec(setup, known)
    return known


def test_every_line_of_the_tables_is_a_row():
    lines = [x for x in PAGE.splitlines() if x.startswith("|") and "phasenet |" not in x]
    assert len(ROWS) == len([x for x in lines if not x.startswith("|--")]) > 20


@pytest.mark.parametrize("row", ROWS, ids=range(len(ROWS)))
def test_both_sides_are_the_same(row, names):
    theirs, ours = (torch.as_tensor(eval(side, names)) for side in row)
    assert theirs.shape == ours.shape
    assert float((ours - theirs).norm() / theirs.norm()) < 2e-5
