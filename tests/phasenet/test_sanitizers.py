"""The operators under AddressSanitizer and UndefinedBehaviorSanitizer.

Here a part: the baseline kernels and a few calls. `make sanitize` runs every test of phasenet on a
build with all kernels.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import sanitize

COMPILER = os.environ.get("SANITIZED_CXX", "g++")


@pytest.mark.slow
@pytest.mark.skipif(sanitize.why_not(COMPILER) is not None, reason=str(sanitize.why_not(COMPILER)))
def test_calls_are_clean():
    printed = sanitized("--baseline")
    assert "94 calls on baseline" in printed
    assert "sanitize-baseline" in printed  # not the ordinary build


@pytest.mark.parametrize(
    ("options", "calls"),
    [
        pytest.param(["--baseline"], 5_000, marks=pytest.mark.slow),
        pytest.param([], 500_000, marks=[pytest.mark.nightly, pytest.mark.timeout(3 * 3600)]),
    ],
)
@pytest.mark.skipif(sanitize.why_not(COMPILER) is not None, reason=str(sanitize.why_not(COMPILER)))
def test_any_call_of_an_operator(options, calls):
    """Answered or refused, whatever the arguments: see ``support/operator_calls.py``."""
    printed = sanitized(*options, "--calls", str(calls))
    assert f"and {calls} random calls" in printed
    assert "0 failed" in printed


def sanitized(*arguments: str) -> str:
    """What the program printed; it ended well."""
    command = [sys.executable, Path(sanitize.__file__), *arguments]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout


@pytest.mark.skipif(sanitize.why_not(COMPILER) is not None, reason=str(sanitize.why_not(COMPILER)))
def test_an_error_is_found(tmp_path):
    """A read past the end ends a process that was started as the tests are."""
    source = tmp_path / "past_the_end.cpp"
    source.write_text(
        'extern "C" int read(int i) { int* p = new int[4](); int v = p[i]; delete[] p; return v; }'
    )
    compile_it = [sys.executable, Path(sanitize.__file__).with_name("sanitizing_cxx.py")]
    library = tmp_path / "past_the_end.so"
    subprocess.run([*compile_it, "-fPIC", "-shared", source, "-o", library], check=True)
    environment = sanitize.environment(tmp_path, COMPILER)
    for index, fails in ((3, False), (4, True)):
        code = f"import ctypes; ctypes.CDLL({str(library)!r}).read({index})"
        result = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True
        )
        assert (result.returncode != 0) == fails
        assert ("heap-buffer-overflow" in result.stderr) == fails
