"""What somebody else named is printed as text: no terminal obeys it, and it stays on its line."""

from __future__ import annotations

import io
import os
import sys

import pytest

from mimamo.cli import main
from mimamo.terminal import print_line, printable


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
