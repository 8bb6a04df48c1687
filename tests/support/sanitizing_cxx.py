"""A compiler for `CXX` that adds AddressSanitizer and UndefinedBehaviorSanitizer.

    CXX="python tests/support/sanitizing_cxx.py" python setup.py build_ext --inplace

Errors end the process. Optimisation is lowered to -O1, which halves the time to compile.
Environment: SANITIZED_CXX, the compiler behind it (g++); SANITIZE_BASELINE=1 leaves out the AVX
kernels, which compile longest.
"""

from __future__ import annotations

import os
import subprocess
import sys

COMPILER = os.environ.get("SANITIZED_CXX", "g++")
FLAGS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]


def arguments(given: list[str]) -> list[str]:
    changed = ["-O1" if argument == "-O3" else argument for argument in given]
    if os.environ.get("SANITIZE_BASELINE") == "1" and "-c" in changed:
        changed = [argument for argument in changed if argument != "-DPHASENET_X86"]
        source = changed.index("-c") + 1
        if os.path.basename(changed[source]) in ("avx2.cpp", "avx512.cpp"):
            changed[source : source + 1] = ["-xc++", os.devnull]
    return [*FLAGS, *changed]


if __name__ == "__main__":
    sys.exit(subprocess.run([COMPILER, *arguments(sys.argv[1:])]).returncode)
