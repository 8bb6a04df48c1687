"""What the command line does when a signal asks it to end.

Imported before all else, so it imports little itself.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from types import FrameType

_AGAIN = 0.05  # seconds until it is looked again whether an import has ended
_SAME = 1.0  # seconds within which several signals are one wish: a key that bounces, a group killed


class Ended(BaseException):
    """SIGINT, SIGTERM or SIGHUP came. Of a KeyboardInterrupt typer would make SIGINT's status."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number

    @property
    def status(self) -> int:
        """The exit status, as shells have it: 130 for SIGINT, 143 for SIGTERM."""
        return 128 + self.number


class _Ending:
    """The first signal raises `Ended`; one that comes later ends the process where it is.

    In the middle of an import it waits for its end: there libraries swallow exceptions, go on with
    half a module, or abort.
    """

    def __init__(self) -> None:
        self._first: float | None = None
        self._waiting: int | None = None  # for the end of an import

    def raise_waiting(self) -> None:
        """Raise `Ended` if a signal came during an import, which has ended."""
        self.forget()
        if self._waiting is not None:
            raise Ended(self._waiting)

    def forget(self) -> None:
        """Let one that waits for the end of an import go: without Python it would kill."""
        signal.setitimer(signal.ITIMER_REAL, 0)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = now
            self._raise(number, frame)
        if now - self._first > _SAME:
            os._exit(128 + number)  # something does not let go, such as a camera

    def _raise(self, number: int, frame: FrameType | None) -> None:
        if not _imports(frame):
            raise Ended(number)
        self._waiting = number
        signal.signal(signal.SIGALRM, lambda _, later: self._raise(number, later))
        signal.setitimer(signal.ITIMER_REAL, _AGAIN)


def _imports(frame: FrameType | None) -> bool:
    """Whether a frame, or one that it was called from, is that of an import."""
    while frame is not None and frame.f_code.co_filename != "<frozen importlib._bootstrap>":
        frame = frame.f_back
    return frame is not None


def end_well() -> _Ending:
    """Handle the signals that ask this process to end, from now on.

    One that is ignored stays so: `nohup` asks for that.
    """
    ending = _Ending()
    if threading.current_thread() is not threading.main_thread():
        return ending  # which alone may
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, ending)
    return ending
