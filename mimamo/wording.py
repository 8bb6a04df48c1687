"""Words of messages."""

from __future__ import annotations

from collections.abc import Sequence


def counted(number: int, noun: str) -> str:
    """``1 video``, ``2 videos``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def which_are(numbers: Sequence[int], noun: str) -> str:
    """``video 3 is``, ``videos 1, 2 are``."""
    one = len(numbers) == 1
    return f"{noun}{'' if one else 's'} {', '.join(map(str, numbers))} {'is' if one else 'are'}"
