"""``python -m phasenet``: what it prints, and that it fails where an operator is wrong."""

from __future__ import annotations

import re

import pytest
import torch

import phasenet
from phasenet import __main__ as report
from phasenet import self_test


@pytest.mark.slow
def test_the_report(capsys):
    assert report.main() == 0
    text = capsys.readouterr().out
    for words in (
        rf"phasenet: +{re.escape(phasenet.__version__)}",
        rf"torch: +{re.escape(torch.__version__)}, CUDA ",
        r"build compiler: +\S",
        r"build instruction_set: +(baseline|avx2|avx512)",
        r"threads: +\d+, cores: \d+",
        r"self-test on cpu",
        r"ok      phase windows 64x48x48 float32 +error \S+ \(at most 5e-05\) +[\d.]+ ms",
        r"ok      stream 64x48x48 float32, values that differ +error 0.0e\+00",
    ):
        assert re.search(words, text), words
    assert text.endswith("all checks passed\n")
    assert "FAILED" not in text


@pytest.mark.slow
def test_a_wrong_operator_is_found(monkeypatch, capsys):
    right = phasenet.phase_difference_windows

    def wrong(frames, *args, **options):
        return tuple(1.001 * level for level in right(frames, *args, **options))

    monkeypatch.setattr(self_test, "phase_difference_windows", wrong)
    assert report.main() == 1
    text = capsys.readouterr().out
    assert "FAILED  phase windows 64x48x48 float64" in text
    assert "FAILED  phase gradient" in text
    assert "FAILED  stream" in text
    assert "ok      pyramid" in text
    assert text.endswith("checks that failed: 4\n")
