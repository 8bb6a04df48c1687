"""How often spatial features can be computed without falling behind."""

from __future__ import annotations

import math

_FRAMES = 15  # after which it is looked how long they took
_USED = 0.9  # of the time between frames
_SURE = 0.75  # of it, before features are computed more often again


class Pace:
    """Chooses N, of features that are computed in every Nth frame beside all else.

    The smallest N is chosen whose features are ready by the time that N more frames are: these
    come `fps` times a second, or as fast as all else is done with them.

    Args:
        fps: frames a second that come.
        most: the greatest N.
    """

    def __init__(self, fps: float, most: int) -> None:
        self._period = 1 / fps
        self._most = most
        self._begin()

    def _begin(self) -> None:
        self._frames = 0
        self._taken = self._waited = self._looked = 0.0

    def features(self, seconds: float, waited: float) -> None:
        """A face's features took those seconds, and were waited for so long."""
        self._looked += seconds
        self._waited += waited

    def frame(self, seconds: float, every: int) -> int:
        """A frame took those seconds, with features in `every` Nth; returns the N to go on with."""
        self._frames += 1
        self._taken += seconds
        if self._frames < _FRAMES:
            return every
        period = max(self._period, (self._taken - self._waited) / self._frames)
        needed = self._looked * every / self._frames / period  # of one frame's time, for each
        self._begin()
        more, less = (min(max(1, math.ceil(needed / used)), self._most) for used in (_USED, _SURE))
        return more if more > every else min(every, less)
