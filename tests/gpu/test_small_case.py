"""The sanitizers' case is right in itself."""

from __future__ import annotations

from gpu import small_case


def test_it_runs_on_the_cpu(capsys):
    small_case.main("cpu")
    assert "done on cpu" in capsys.readouterr().out
