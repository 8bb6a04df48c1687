"""Words of messages."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """``1 video``, ``2 videos``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
