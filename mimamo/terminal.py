"""Lines for people: the one place where text reaches a terminal.

What is printed may name files, tensors and settings that somebody else wrote, and a terminal obeys
some characters.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

_LONGEST = 10_000  # characters of a line: two paths, and what is said of them


def printable(text: str) -> str:
    """`text` on one line, with everything escaped that a terminal would not show as it is.

    So are bytes of a file's name that are no UTF-8. What is too long is cut.
    """
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}…"
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def print_line(text: str, *, error: bool = False) -> None:
    """Print one line, on stderr if it is an `error`, which may be lost where nobody reads it."""
    stream = sys.stderr if error else sys.stdout
    encoding = stream.encoding or "utf-8"
    line = printable(text).encode(encoding, "backslashreplace").decode(encoding)
    lost = (OSError,) if error else ()  # a table on stdout may not be cut off in silence
    with suppress(*lost):
        print(line, file=stream, flush=True)


def open_streams() -> None:
    """Give this process the streams that it was started without (``>&-``), to nowhere.

    Else a file that it opens would become one, for libraries that print.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 until the process ends


def flush() -> None:
    """Print what libraries have printed but not flushed."""
    sys.stdout.flush()
    sys.stderr.flush()


@contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Print what libraries warn of in the block as a line each, without where in them it was."""

    def show(message: Warning | str, *_: object, **__: object) -> None:
        print_line(f"mimamo: warning: {message}", error=True)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


class _NoWarnings:
    """Python's filters belong to the process, and a block puts back those that it found.

    So of blocks in several threads the first sets them and the last puts them back.
    """

    def __init__(self) -> None:
        self._lock, self._inside, self._filters = threading.Lock(), 0, ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._filters.enter_context(warnings.catch_warnings())
                warnings.simplefilter("ignore")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._filters.close()


no_warnings = _NoWarnings()  # a block in which warnings are not shown, in any thread


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # how Python holds a byte that is no UTF-8
        code -= 0xDC00
    if code <= 0xFF:
        return {0x09: r"\t", 0x0A: r"\n", 0x0D: r"\r"}.get(code, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
