"""Places of a film where frames are missing: in words, and counted while the film is read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from mimamo.progress import counted

Gap = tuple[float, float]  # the times, in seconds, of the frames before and after it

_NAMED = 3


class LostFrames:
    """Counts the frames that are missing before each frame of a film, as the film finds out.

    Args:
        film: frames with `gaps` and `fps`; of others, as a camera's, none is known to be missing.
    """

    def __init__(self, film: Any) -> None:
        self._film = film
        self._passed = 0  # gaps

    def before(self, time: float) -> int:
        """How many, about, between the frame that was asked for last and that of `time`."""
        gaps, lost = getattr(self._film, "gaps", ()), 0
        while self._passed < len(gaps) and gaps[self._passed][0] < time:
            start, stop = gaps[self._passed]
            lost += max(0, round((stop - start) * self._film.fps) - 1)
            self._passed += 1
        return lost


def gaps_in_words(gaps: Sequence[Gap]) -> str:
    """Where frames are missing, in words."""
    named = [_place(before, after) for before, after in gaps[:_NAMED]]
    more = len(gaps) - len(named)
    if more:
        named.append(f"in {counted(more, 'more place')}")
    return ", ".join(named[:-1]) + " and " * (len(named) > 1) + named[-1]


def _place(before: float, after: float) -> str:
    if after == math.inf:
        return f"after {before:.1f} s"
    # As many digits as tell the two apart, up to milliseconds.
    digits = next((n for n in (1, 2) if f"{before:.{n}f}" != f"{after:.{n}f}"), 3)
    return f"between {before:.{digits}f} s and {after:.{digits}f} s"
