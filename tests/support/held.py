"""Whether processes that something started still run, which leave no trace when they end."""

from __future__ import annotations

import os
import time
from pathlib import Path


class Held:
    """A pipe with a name; `code` is a program that keeps it open for as long as it runs.

    It prints a line on stderr once it does.
    """

    def __init__(self, folder: Path) -> None:
        os.mkfifo(folder / "held")
        self.code = (
            f"import sys, time; held = open({str(folder / 'held')!r}, 'w');"
            "print('held', file=sys.stderr, flush=True); time.sleep(600)"
        )
        self._reader = os.open(folder / "held", os.O_RDONLY | os.O_NONBLOCK)

    def wait_until(self, is_held: bool) -> None:
        end = time.monotonic() + 300
        while self.is_held() != is_held:
            assert time.monotonic() < end
            time.sleep(0.02)

    def is_held(self) -> bool:
        try:
            os.read(self._reader, 1)
            return False
        except BlockingIOError:  # nothing was written, but may be
            return True
