"""How long work tells what it does: whoever calls it may give functions to be called meanwhile."""

from __future__ import annotations

from collections.abc import Callable

Report = Callable[[str], object]  # called with each line of the account
# With a stage's name, the work done in it, and all of it if that is known.
Progress = Callable[[str, int, int | None], object]


def silent(*_: object) -> None:
    """Called where nobody wants to know."""
