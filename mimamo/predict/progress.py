"""How predicting tells what it is doing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mimamo.predict import VideoResult


class Progress:
    """Hears how predicting goes, and does nothing about it.

    Derive from it and override `show`, `warn` and `finish`; `begin` and `advance` count.
    """

    _stage, _done, _total = "", 0, None

    def begin(self, stage: str, frames: int | None) -> None:
        """Work on so many frames begins; None if nobody knows how many."""
        self._stage, self._done, self._total = stage, 0, frames
        self.show(stage, 0, frames)

    def advance(self) -> None:
        """One more frame is done."""
        self._done += 1
        self.show(self._stage, self._done, self._total)

    def show(self, stage: str, done: int, total: int | None) -> None:
        """So many frames of a stage are done, out of so many if that is known."""

    def warn(self, message: str) -> None:
        """Something a user should know, in one line that names the file."""

    def finish(self, result: VideoResult) -> None:
        """A video is done, or has failed."""
