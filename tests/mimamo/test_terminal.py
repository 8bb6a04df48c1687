"""What somebody else named is printed as text: no terminal obeys it, and it stays on its line."""

from __future__ import annotations

import io
import os
import sys
import threading
import warnings

import pytest

from mimamo import cli
from mimamo.cli import main
from mimamo.terminal import no_warnings, print_line, printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("faces in é 日本.mp4 … 0.5 %", "faces in é 日本.mp4 … 0.5 %"),
        ("\x1b]0;title\x07\x1b[31mred", r"\x1b]0;title\x07\x1b[31mred"),
        ("one\nmimamo: all is well\r\t", r"one\nmimamo: all is well\r\t"),
        ("\x9b31m\x7f\x00", r"\x9b31m\x7f\x00"),
        (os.fsdecode(b"caf\xe9.mp4"), r"caf\xe9.mp4"),
        ("gpj.\u202eexe\u2028", r"gpj.\u202eexe\u2028"),
        ("\U000e0041", r"\U000e0041"),
        ("x" * 10**6, "x" * 10_000 + "…"),
    ],
)
def test_what_a_terminal_would_obey_is_escaped(text: str, expected: str) -> None:
    assert printable(text) == expected


def test_what_an_encoding_lacks_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    print_line("é 日")
    stream.seek(0)
    assert stream.read() == "\\xe9 \\u65e5\n"


def test_a_message_that_nobody_can_read_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as on a terminal that is gone."""

    class Gone(io.StringIO):
        encoding = "utf-8"

        def write(self, text: str) -> int:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(sys, "stderr", Gone())
    print_line("mimamo: ended by SIGHUP", error=True)
    monkeypatch.setattr(sys, "stdout", Gone())
    with pytest.raises(OSError, match="Input/output"):
        print_line("a row")


@pytest.mark.parametrize("name", ["\x1b[31m.toml", "a\nb.toml", os.fsdecode(b"\xff.toml")])
def test_a_commands_error_is_one_line(capsys: pytest.CaptureFixture, name: str) -> None:
    assert main(["train", "nowhere", "--out", "x", "--config", name]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == f"mimamo: error: {printable(name)}: cannot be read: {os.strerror(2)}\n"


def test_a_librarys_warning_is_one_line(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(*_: object, **__: object) -> None:
        warnings.warn("\x1b[31mone\nand two", UserWarning, stacklevel=1)

    monkeypatch.setattr(cli, "app", command)
    assert main([]) == 0
    assert capsys.readouterr() == ("", "mimamo: warning: \\x1b[31mone\\nand two\n")


def test_warnings_are_shown_again_once_no_thread_is_in_a_block() -> None:
    before, shown = list(warnings.filters), warnings.showwarning
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with no_warnings:
            inside.set()
            leave.wait()

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait()
    with no_warnings:
        leave.set()
        thread.join()
        assert warnings.filters[0][0] == "ignore"
    assert (list(warnings.filters), warnings.showwarning) == (before, shown)
