"""Lines for people: the one place where text reaches a terminal.

What is printed may name files, tensors and settings that somebody else wrote, and a terminal obeys
some characters.
"""

from __future__ import annotations

import sys
from contextlib import suppress


def printable(text: str) -> str:
    """`text` on one line, with everything escaped that a terminal would not show as it is.

    So are bytes of a file's name that are no UTF-8.
    """
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def print_line(text: str, *, error: bool = False) -> None:
    """Print one line, on stderr if it is an `error`, which may be lost where nobody reads it."""
    stream = sys.stderr if error else sys.stdout
    encoding = stream.encoding or "utf-8"
    line = printable(text).encode(encoding, "backslashreplace").decode(encoding)
    lost = (OSError,) if error else ()  # a table on stdout may not be cut off in silence
    with suppress(*lost):
        print(line, file=stream, flush=True)


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # how Python holds a byte that is no UTF-8
        code -= 0xDC00
    if code <= 0xFF:
        return {0x09: r"\t", 0x0A: r"\n", 0x0D: r"\r"}.get(code, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
