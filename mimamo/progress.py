"""What long work tells: the functions it is given to be called meanwhile, and words for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mimamo.terminal import printable

Report = Callable[[str], object]  # called with each line of the account
# With a stage's name, the work done in it, and all of it if that is known.
Progress = Callable[[str, int, int | None], object]


def silent(*_: object) -> None:
    """Called where nobody wants to know."""


def counted(number: int | str, noun: str, several: str = "") -> str:
    """``1 video``, ``2 videos``; `several` where it is not the noun with an s.

    The number may be written already, as one with digits behind the point is.
    """
    return f"{number} {noun if str(number) == '1' else several or noun + 's'}"


def shortened(name: str, length: int) -> str:
    """`name` as it can be shown, with its middle left out if it is longer than `length`."""
    name = printable(name)
    if len(name) <= length:
        return name
    return f"{name[: length // 2]}…{name[-(length // 2 - 1) :]}"


def folds_are(numbers: Sequence[int]) -> str:
    """``fold 3 is``, ``folds 1, 2 are``."""
    one = len(numbers) == 1
    return f"fold{'' if one else 's'} {', '.join(map(str, numbers))} {'is' if one else 'are'}"
