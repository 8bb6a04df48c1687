"""Commands that are ended in their midst, however late whoever ends them comes to it."""

from __future__ import annotations

import sys

_CODE = """
import time
from mimamo import terminal
from mimamo.__main__ import script
def show(text, **how):
    print(text, **how)
    if text.startswith({line!r}):
        time.sleep(600)
terminal.print = show
script()
"""


def waiting(line: str, *words: object) -> list[str]:
    """``mimamo`` with these words, which goes no further than a line that begins so."""
    return [sys.executable, "-c", _CODE.format(line=line), *map(str, words)]
