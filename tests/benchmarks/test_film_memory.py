"""What a longer film takes, in small."""

from __future__ import annotations

import re

import pytest

from benchmarks import film_memory


@pytest.mark.slow
@pytest.mark.skipif(not film_memory.STATUS.exists(), reason="needs Linux's /proc")
def test_both_peaks_are_told(capsys):
    assert film_memory.main(["--quick"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    peaks = re.fullmatch(r"1 s: (\d+) MiB; 5 s: (\d+) MiB; more: (-?\d+) MiB", line)
    short, long, more = map(int, peaks.groups())
    assert 100 < short < 4000
    assert abs(long - short - more) <= 1
